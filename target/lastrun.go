package target

import (
	"encoding/json"
	"io"
	"time"
)

// lastRunName is the file beside the marker that names the run which changed the target last. It is no part of the
// marker, which is written once: a file system whose renames are not whole must not lose that with each run.
const lastRunName = "last-run.json"

// LastRun names a run as the state of a lineage has recorded it. A state of that lineage that does not know the run is
// an older one than the target has seen (I-37).
type LastRun struct {
	Lineage string    `json:"lineage"`
	Run     int64     `json:"run"`
	Begun   time.Time `json:"begun"`
}

// NoteRun names the run that changed the target last, in place of the one before it. The state must have committed
// the run long before: whatever becomes of the state's latest transactions, it has to know a run that is named here.
func (d *Dir) NoteRun(r LastRun) error {
	if err := d.writable("note", controlPath(lastRunName)); err != nil {
		return err
	}
	if d.LastRun() == r {
		return nil
	}
	if err := d.Reidentify(); err != nil {
		return err
	}
	return d.writeWhole(place{dir: d.control, name: lastRunName, rel: controlPath(lastRunName)}, ".new", func(w io.Writer) error {
		return json.NewEncoder(w).Encode(r)
	})
}

// LastRun returns the run that NoteRun has named, and zero if there is none. One that cannot be read is none: it is
// there to refuse a state, and nobody is to be refused for a damaged note.
func (d *Dir) LastRun() (r LastRun) {
	if d.control == nil { // opened unmarked
		return LastRun{}
	}
	f, err := d.control.openFile(lastRunName, openRead, 0)
	if err != nil {
		return LastRun{}
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, maxMarkerBytes)).Decode(&r) != nil {
		return LastRun{}
	}
	r.Begun = r.Begun.UTC()
	return r
}

// ForgetRun lets the target name no run, after [Dir.Adopt] by a state whose records of it are made anew. As there, a
// target that was opened for looking only will do.
func (d *Dir) ForgetRun() error {
	err := d.control.unlink(lastRunName)
	if isMissing(err) {
		return nil
	}
	if err == nil {
		err = d.control.sync()
	}
	return fail("forget", controlPath(lastRunName), err)
}
