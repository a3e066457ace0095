package target

import (
	"fmt"
	"path/filepath"
)

// OpenUnmarked opens a directory that is not a target yet, for looking only: a plan says what lies in the way
// before anything is made.
func OpenUnmarked(dir string, opts ...Option) (*Dir, error) {
	d := &Dir{options: newOptions(append(opts, WithReadOnly()))}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", dir, err)
	}
	d.path = path
	if d.root, err = openRoot(path); err != nil {
		return nil, fmt.Errorf("open directory %s: %w", dir, rootError(err))
	}
	d.parents = newParents(d.root)
	d.caps = d.corrected(probeReadOnly(d.root))
	return d, nil
}

// FreeAt returns the free bytes of the file system that holds a directory, and a name for
// its device: directories with equal names share the space. Negative bytes are not known.
func FreeAt(dir string) (bytes int64, device string, err error) {
	root, err := openRoot(dir)
	if err != nil {
		return 0, "", err
	}
	defer root.close()
	if bytes, _, err = root.free(); err != nil {
		return 0, "", err
	}
	id, err := identifyPath(dir)
	return bytes, fmt.Sprint(id.dev), err
}
