package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// MarkerVersion is the layout of the control directory that this package writes and understands.
const MarkerVersion = 1

// maxMarkerBytes is far more than a marker needs; a bigger file is not one.
const maxMarkerBytes = 64 << 10

// Marker is the identity of a target (I-18): which state and which library it belongs to.
type Marker struct {
	UUID    string    `json:"uuid"`
	Lineage string    `json:"lineage"`
	Mirror  string    `json:"mirror"`
	DriveID string    `json:"drive_id"`
	Version int       `json:"version"`
	Created time.Time `json:"created"`
}

// NewMarker returns a marker with a new UUID.
func NewMarker(lineage, mirror, driveID string, now time.Time) Marker {
	return Marker{UUID: uuid.NewString(), Lineage: lineage, Mirror: mirror, DriveID: driveID, Version: MarkerVersion, Created: now.UTC()}
}

// matches compares what identifies. The mirror's address is not part of it: a mirror may be renamed.
func (want Marker) matches(have Marker) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(want.UUID, have.UUID) && same(want.Lineage, have.Lineage) && same(want.DriveID, have.DriveID)
}

// ForeignMarkerError says whose target it is.
type ForeignMarkerError struct{ Want, Have Marker }

// Error names both sides.
func (e *ForeignMarkerError) Error() string {
	return fmt.Sprintf("%v: marker %q of mirror %q (drive %q, lineage %q), wanted %q of mirror %q (drive %q, lineage %q)", ErrForeignMarker,
		e.Have.UUID, e.Have.Mirror, e.Have.DriveID, e.Have.Lineage, e.Want.UUID, e.Want.Mirror, e.Want.DriveID, e.Want.Lineage)
}

// Unwrap makes it an ErrForeignMarker.
func (e *ForeignMarkerError) Unwrap() error { return ErrForeignMarker }

// ReadMarker returns the marker of a directory without opening it as a target.
func ReadMarker(dir string) (Marker, error) {
	d, err := Open(dir, Marker{}, WithReadOnly())
	if err != nil {
		return Marker{}, err
	}
	defer d.Close()
	return d.marker, nil
}

// Init makes dir a target: it creates the directory if need be and writes the marker. A directory that has
// files but no marker is refused with ErrNotEmpty unless AllowNonEmpty is given (I-18); system directories and
// home directories are always refused (T-12). Init of a target that already has this very marker does nothing.
func Init(dir string, m Marker, opts ...Option) error {
	o := newOptions(opts)
	if m.Version == 0 {
		m.Version = MarkerVersion
	}
	if m.UUID == "" {
		return fmt.Errorf("init target %s: marker without uuid: %w", dir, ErrBadMarker)
	}
	if err := initTarget(dir, m, o); err != nil {
		return fmt.Errorf("init target %s: %w", dir, err)
	}
	return nil
}

func initTarget(dir string, m Marker, o options) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := refuseDangerous(abs); err != nil {
		return err
	}
	_, err = os.Lstat(abs)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(abs, o.dirMode); err != nil {
		return rootError(err)
	}
	root, err := openRoot(abs)
	if err != nil {
		return rootError(err)
	}
	defer root.close()
	if made && o.dirMode&0o077 != 0 { // whatever the umask takes away, as for all directories below
		if err := root.chmodSelf(o.dirMode); err != nil {
			return rootError(err)
		}
	}
	if done, err := initialised(root, m); done || err != nil {
		return err
	}
	if !o.allowNonEmpty {
		if err := requireEmpty(root); err != nil {
			return err
		}
	}
	return writeControl(root, m)
}

// initialised reports whether the marker is there already.
func initialised(root *handle, m Marker) (bool, error) {
	control, err := root.openDir(controlDir)
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, fail("open", controlDir, err)
	}
	defer control.close()
	switch have, err := readMarker(control); {
	case errors.Is(err, ErrNoMarker):
		return false, nil
	case err != nil:
		return false, err
	case have.UUID != m.UUID || !m.matches(have):
		return false, &ForeignMarkerError{Want: m, Have: have}
	}
	return true, nil
}

// requireEmpty ignores what a fresh file system brings and what an interrupted Init leaves.
func requireEmpty(root *handle) error {
	self, err := root.openDir("")
	if err != nil {
		return err
	}
	defer self.close()
	found, err := self.list(make([]byte, listBuffer), nil, func(name []byte) bool {
		return string(name) == "lost+found" || reservedAtRoot(name)
	})
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%w: it has %d entries such as %q and no marker", ErrNotEmpty, len(found), found[0].Name)
	}
	return err
}

func writeControl(root *handle, m Marker) error {
	if err := root.mkdir(controlDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail("mkdir", controlDir, err)
	}
	control, err := root.openDir(controlDir)
	if err != nil {
		return fail("open", controlDir, err)
	}
	defer control.close()
	for _, name := range []string{stagingName, parkName} {
		if err := control.mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fail("mkdir", RelPath(controlDir).Join(LocalName(name)), err)
		}
	}
	if err := writeMarker(control, m); err != nil {
		return fail("write marker", controlDir+"/"+markerName, err)
	}
	return errors.Join(control.flush(), root.flush())
}

// writeMarker makes the marker appear whole or not at all.
func writeMarker(control *handle, m Marker) error {
	temp, err := writeMarkerTemp(control, m)
	if err != nil {
		return err
	}
	err = control.rename(temp, control, markerName, renameNoReplace)
	if errors.Is(err, syscall.EINVAL) {
		// No-replace is missing here; link has the same meaning.
		if err = control.link(temp, control, markerName); err == nil {
			err = control.unlink(temp)
		} else if !errors.Is(err, fs.ErrExist) {
			err = control.rename(temp, control, markerName, renameReplace)
		}
	}
	return err
}

// writeMarkerTemp writes a marker under a name of its own, durably.
func writeMarkerTemp(control *handle, m Marker) (temp string, err error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	temp = "marker-" + m.UUID[:min(len(m.UUID), 36)] + ".tmp"
	if err := checkComponent(temp); err != nil {
		return "", err
	}
	if err := control.unlink(temp); err != nil && !isMissing(err) {
		return "", err
	}
	f, err := control.openFile(temp, openExclusive, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	return temp, errors.Join(err, f.Sync(), f.Close())
}

func readMarker(control *handle) (Marker, error) {
	f, err := control.openFile(markerName, openRead, 0)
	if isMissing(err) {
		return Marker{}, ErrNoMarker
	}
	if err != nil {
		return Marker{}, fmt.Errorf("%w: %w", ErrBadMarker, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMarkerBytes+1))
	if err != nil {
		return Marker{}, fmt.Errorf("%w: %w", ErrBadMarker, err)
	}
	return parseMarker(text)
}

func parseMarker(text []byte) (Marker, error) {
	var m Marker
	if len(text) > maxMarkerBytes {
		return m, fmt.Errorf("%w: %d bytes", ErrBadMarker, len(text))
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Marker{}, fmt.Errorf("%w: %w", ErrBadMarker, err)
	}
	if m.UUID == "" || m.Version < 1 {
		return Marker{}, fmt.Errorf("%w: uuid or version is missing", ErrBadMarker)
	}
	if m.Version > MarkerVersion {
		return Marker{}, fmt.Errorf("%w: version %d is newer than %d", ErrBadMarker, m.Version, MarkerVersion)
	}
	return m, nil
}

func rootError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotDirectory, err)
	case isMissing(err):
		return fmt.Errorf("%w (%w)", err, ErrNotMounted)
	}
	return fail("open", "", err)
}

// noMarker turns a missing control directory into ErrNoMarker and adds the hint when nothing else is there.
func noMarker(root *handle, err error) error {
	if !isMissing(err) && !errors.Is(err, ErrNoMarker) {
		return fail("open", controlDir, err)
	}
	if requireEmpty(root) == nil {
		return fmt.Errorf("%w; the directory is empty: %w", ErrNoMarker, ErrNotMounted)
	}
	return ErrNoMarker
}
