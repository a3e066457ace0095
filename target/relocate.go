package target

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Relocate moves a whole target to another path on the same file system, which must be free or an empty
// directory. Nothing is copied: across devices it fails with ErrCrossDevice. A target that is at the new path
// already was moved by a run that was killed, or by hand; that is success.
func Relocate(from, to string, m Marker) error {
	if have, err := ReadMarker(to); err == nil && m.matches(have) {
		if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	have, err := ReadMarker(from)
	if err != nil {
		return fmt.Errorf("relocate target: %w", err)
	}
	if !m.matches(have) {
		return &ForeignMarkerError{Want: m, Have: have}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("relocate target: %w", err)
	}
	if err := refuseDangerous(filepath.Clean(to)); err != nil {
		return fmt.Errorf("relocate target: %w", err)
	}
	if err := giveWay(to); err != nil {
		return fmt.Errorf("relocate target to %s: %w", to, err)
	}
	if err := os.Rename(from, to); err != nil {
		if kindOf(err) == ErrCrossDevice {
			return fmt.Errorf("relocate target to %s: %w", to, ErrCrossDevice)
		}
		return fmt.Errorf("relocate target: %w", err)
	}
	return errors.Join(syncPath(filepath.Dir(to)), syncPath(filepath.Dir(from)))
}

// giveWay removes an empty directory. Anything else at the path stays: os.Remove alone would delete a file (I-13).
func giveWay(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return ErrOccupied
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("%w: %w", ErrOccupied, err)
	}
	return nil
}

// syncPath flushes a directory that is not part of a target.
func syncPath(dir string) error {
	h, err := openRoot(dir)
	if err != nil {
		return err
	}
	defer h.close()
	return h.flush()
}
