package target

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// refuseDangerous refuses directories that are never a mirror: the file system root, a home directory or
// anything above it, and the system's own directories (T-12, T-24).
func refuseDangerous(abs string) error {
	paths := []string{filepath.Clean(abs)}
	if real := resolve(paths[0]); real != paths[0] {
		paths = append(paths, real)
	}
	home, _ := os.UserHomeDir()
	for _, p := range paths {
		if why := dangerous(p, home); why != "" {
			return fmt.Errorf("%s is %s: %w", p, why, ErrDangerous)
		}
	}
	return nil
}

// resolve follows the links in the part of a path that exists.
func resolve(path string) string {
	for head, tail := path, ""; ; {
		if real, err := filepath.EvalSymlinks(head); err == nil {
			return filepath.Join(real, tail)
		}
		up := filepath.Dir(head)
		if up == head {
			return path
		}
		head, tail = up, filepath.Join(filepath.Base(head), tail)
	}
}

func dangerous(path, home string) string {
	if filepath.Dir(path) == path {
		return "the root of a file system"
	}
	if home != "" && below(filepath.Clean(home), path) {
		return "a home directory or above one"
	}
	for _, dir := range systemDirs() {
		if path == dir.path || dir.below && below(path, dir.path) {
			return "a system directory"
		}
	}
	return ""
}

// below reports whether path is dir or lies in it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

type systemDir struct {
	path  string
	below bool // everything in it too
}

func systemDirs() []systemDir {
	if runtime.GOOS == "windows" {
		var out []systemDir
		for _, name := range []string{"SystemRoot", "ProgramFiles", "ProgramFiles(x86)", "ProgramData"} {
			if dir := os.Getenv(name); dir != "" {
				out = append(out, systemDir{filepath.Clean(dir), true})
			}
		}
		return out
	}
	var out []systemDir
	for _, dir := range []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/System", "/Library"} {
		out = append(out, systemDir{dir, dir != "/dev"})
	}
	for _, dir := range []string{"/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/Users", "/Applications",
		"/var", "/var/lib", "/var/log", "/var/tmp", "/var/cache", "/var/spool", "/Volumes"} {
		out = append(out, systemDir{dir, false})
	}
	return out
}
