package target

import (
	"errors"
	"fmt"
)

// Adopt puts another marker in place of the one that the target was opened with, because its state was lost and
// another knows the target now. Only the marker is written, whole or not at all, and under the target's lock: it
// fails with ErrLocked while anybody works here, and with ErrForeignMarker or ErrReplaced if the target is not the
// one that was opened any more. A target that was opened for looking only can be adopted.
func (d *Dir) Adopt(next Marker) error {
	if next.Version == 0 {
		next.Version = MarkerVersion
	}
	if next.UUID == "" {
		return fmt.Errorf("adopt target %s: marker without uuid: %w", d.path, ErrBadMarker)
	}
	if err := d.adopt(next); err != nil {
		return fmt.Errorf("adopt target %s: %w", d.path, err)
	}
	return nil
}

func (d *Dir) adopt(next Marker) (err error) {
	if err := d.Reidentify(); err != nil {
		return err
	}
	lock, err := d.tryLock()
	if err != nil {
		return fail("lock", controlDir+"/"+lockName, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	have, err := readMarker(d.control)
	if err != nil {
		return err
	}
	if have != d.marker {
		return &ForeignMarkerError{Want: d.marker, Have: have}
	}
	if have == next {
		return nil
	}
	temp, err := writeMarkerTemp(d.control, next)
	if err == nil {
		err = d.control.rename(temp, d.control, markerName, renameReplace)
	}
	if err == nil {
		err = d.control.flush()
	}
	if err != nil {
		return fail("write marker", controlDir+"/"+markerName, err)
	}
	d.marker = next
	return nil
}
