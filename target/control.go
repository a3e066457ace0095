package target

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// WriteControl makes a file of the program's own beside the marker appear whole or not at all: it is written under
// another name, flushed, and renamed over the old one.
func (d *Dir) WriteControl(name string, write func(io.Writer) error) error {
	if err := d.checkControl(name); err != nil {
		return err
	}
	temp := name + ".new"
	if err := d.control.unlink(temp); err != nil && !isMissing(err) {
		return fail("remove", controlPath(temp), err)
	}
	f, err := d.control.openFile(temp, openExclusive, 0o600)
	if err != nil {
		return fail("create", controlPath(temp), err)
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(fail("write", controlPath(temp), err), d.control.unlink(temp))
	}
	if err := d.control.rename(temp, d.control, name, renameReplace); err != nil {
		return fail("rename", controlPath(name), err)
	}
	return fail("sync", controlDir, d.control.sync())
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
	return fail("sync", controlDir, d.control.sync())
}

func controlPath(name string) RelPath { return RelPath(controlDir).Join(LocalName(name)) }

// checkControl refuses names that mean something else beside the marker, and targets opened for looking only.
func (d *Dir) checkControl(name string) error {
	if d.control == nil || d.staging == nil {
		return fail("write", controlPath(name), fs.ErrPermission)
	}
	switch name {
	case markerName, stagingName, parkName, "trash":
		return fail("write", controlPath(name), fmt.Errorf("the name is taken: %w", fs.ErrExist))
	}
	return checkComponent(name)
}
