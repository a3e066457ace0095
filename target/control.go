package target

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// WriteControl makes a file of the program's own beside the marker appear whole or not at all: it is written under
// another name, flushed, and renamed over the old one.
func (d *Dir) WriteControl(name string, write func(io.Writer) error) error {
	if err := d.checkControl(name); err != nil {
		return err
	}
	return d.writeWhole(place{dir: d.control, name: name, rel: controlPath(name)}, ".new", write)
}

// writeWhole writes a file under its name with a suffix, flushes it, renames it over what is there, and flushes the
// directory.
func (d *Dir) writeWhole(to place, suffix string, write func(io.Writer) error) error {
	temp := place{dir: to.dir, name: to.name + suffix, rel: to.rel + RelPath(suffix)}
	if err := d.unlink(temp); err != nil && !isMissing(err) {
		return fail("remove", temp.rel, err)
	}
	f, err := d.createStaged(temp)
	if err != nil {
		return fail("create", temp.rel, err)
	}
	if err = write(&hookedWriter{d, temp.rel, f}); err == nil {
		err = d.before(OpSync, temp.rel)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fail("write", temp.rel, err), d.unlink(temp))
	}
	if err := d.moveOver(temp, to); err != nil {
		return fail("rename", to.rel, err)
	}
	return d.syncHandle(to.dir, to.rel.Dir())
}

// hookedWriter puts the faults of a test in front of every write.
type hookedWriter struct {
	d   *Dir
	rel RelPath
	w   io.Writer
}

func (h *hookedWriter) Write(p []byte) (int, error) {
	if err := h.d.before(OpWrite, h.rel); err != nil {
		return 0, err
	}
	return h.w.Write(p)
}

// RemoveControl removes a file that WriteControl made; one that is not there is fine.
func (d *Dir) RemoveControl(name string) error {
	if err := d.checkControl(name); err != nil {
		return err
	}
	if err := d.control.unlink(name); err != nil {
		if isMissing(err) {
			return nil
		}
		return fail("remove", controlPath(name), err)
	}
	return fail("sync", controlDir, d.control.flush())
}

func controlPath(name string) RelPath { return RelPath(controlDir).Join(LocalName(name)) }

// checkControl refuses names that mean something else beside the marker, and targets opened for looking only.
func (d *Dir) checkControl(name string) error {
	if d.control == nil || d.staging == nil {
		return fail("write", controlPath(name), fs.ErrPermission)
	}
	switch name {
	case markerName, lastRunName, stagingName, parkName, versionsName, "trash":
		return fail("write", controlPath(name), fmt.Errorf("the name is taken: %w", fs.ErrExist))
	}
	return checkComponent(name)
}

// versionsName is the directory beside the marker that holds earlier versions of files.
const versionsName = "versions"

// WriteVersion makes a file below the directory of versions appear whole or not at all, in a folder of its own item. One
// that is there already is replaced: it can only be what an interrupted run left.
func (d *Dir) WriteVersion(item, name string, write func(io.Writer) error) error {
	rel := controlPath(versionsName).Join(LocalName(item)).Join(LocalName(name))
	if d.control == nil || d.staging == nil {
		return fail("write", rel, fs.ErrPermission)
	}
	if err := errors.Join(checkComponent(item), checkComponent(name)); err != nil {
		return fail("write", rel, err)
	}
	top, err := d.controlSubdir(versionsName)
	if err != nil {
		return err
	}
	defer top.close()
	if err := d.before(OpMkdir, rel.Dir()); err != nil {
		return fail("mkdir", rel.Dir(), err)
	}
	if err := top.mkdir(item, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fail("mkdir", rel.Dir(), err)
	}
	dir, err := top.openDir(RelPath(item))
	if err != nil {
		return fail("open", rel.Dir(), err)
	}
	defer dir.close()
	if err := d.writeWhole(place{dir: dir, name: name, rel: rel}, ".part", write); err != nil {
		return err
	}
	return errors.Join(d.syncHandle(top, rel.Dir().Dir()), d.syncHandle(d.control, controlDir))
}

// ControlName is the name of something beside the marker that belongs to an id of the service: the id itself if it is plain
// in every file system, else a short hash of it, and an extension if that is plain, too.
func ControlName(id, ext string) string {
	plain := func(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r == '.' }
	name := id
	if id == "" || len(id) > 64 || strings.TrimFunc(id, plain) != "" || strings.Trim(id, ".") == "" || strings.HasPrefix(id, ".") || strings.HasSuffix(id, ".") {
		name = tagged(id)
	}
	letter := func(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }
	if len(ext) < 2 || len(ext) > 9 || ext[0] != '.' || strings.TrimFunc(ext[1:], letter) != "" {
		return name
	}
	return name + ext
}
