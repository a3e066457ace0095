package target

import (
	"errors"
	"fmt"
	"strings"
)

// LocalName is one path component as it stands on disk.
type LocalName string

// RelPath is a slash-separated local path below the root of a target; "" is the root itself.
type RelPath string

const (
	controlDir  = ".spmirror"
	stagingDir  = RelPath(controlDir + "/staging")
	parkDir     = RelPath(controlDir + "/park")
	markerName  = "marker.json"
	lockName    = "lock"
	stagingName = "staging"
	parkName    = "park"

	// DefaultTrash is where displaced and deleted files go unless [WithTrash] says otherwise.
	DefaultTrash = RelPath(controlDir + "/trash")

	// maxNameBytes is the longest component of the usual file systems (N5).
	maxNameBytes = 255
)

// Join appends one component.
func (p RelPath) Join(name LocalName) RelPath {
	if p == "" {
		return RelPath(name)
	}
	return p + "/" + RelPath(name)
}

// Dir returns the parent; the parent of a name at the root is "".
func (p RelPath) Dir() RelPath {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// Base returns the last component.
func (p RelPath) Base() LocalName {
	return LocalName(p[strings.LastIndexByte(string(p), '/')+1:])
}

// Within reports whether p is dir or lies below it.
func (p RelPath) Within(dir RelPath) bool {
	return dir == "" || p == dir || (len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir)
}

// Check reports the first component that cannot be a plain name on this system. It is the single gate in
// front of every descriptor-relative call: no dot names, no separators, no trailing slash (T-01, T-03).
func (p RelPath) Check() error {
	if p == "" {
		return nil
	}
	for part := range strings.SplitSeq(string(p), "/") {
		if err := checkComponent(part); err != nil {
			return err
		}
	}
	return nil
}

var (
	errEmptyComponent = errors.New("empty component")
	errDotComponent   = errors.New("dot component")
	errNulComponent   = errors.New("NUL in component")
)

func checkComponent(name string) error {
	switch {
	case name == "":
		return errEmptyComponent
	case name == "." || name == "..":
		return errDotComponent
	case strings.IndexByte(name, 0) >= 0:
		return errNulComponent
	case len(name) > maxNameBytes:
		return fmt.Errorf("component of %d bytes: %w", len(name), ErrNameTooLong)
	case !plainComponent(name):
		return fmt.Errorf("component %q is special on this system", name)
	}
	return nil
}
