// The tag osroot lets the portable code be tested on Linux.

//go:build !linux || osroot

package target

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// handle is a directory below a root that os.Root confines. It is a path, not a descriptor: every call walks
// again, looks at each component first and refuses links, but a link swapped in between look and use is only
// kept inside the root, not refused.
type handle struct {
	root *os.Root
	base *handle // nil for the root itself, which owns the os.Root
	rel  string
	dev  uint64
	id   identity
}

// identity tells two directories apart where the system offers numbers for that.
type identity struct{ dev, ino uint64 }

type renameMode int

const (
	renameNoReplace renameMode = iota
	renameExchange
	renameReplace
)

// Flags of openFile.
const (
	openRead      = os.O_RDONLY
	openReadWrite = os.O_RDWR
	openCreate    = os.O_RDWR | os.O_CREATE
	openExclusive = os.O_RDWR | os.O_CREATE | os.O_EXCL
)

func plainComponent(name string) bool {
	return !strings.ContainsAny(name, `/`+string(filepath.Separator)) && filepath.IsLocal(name)
}

func openRoot(dir string) (*handle, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	h := &handle{root: root, rel: "."}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	h.id = identityOf(info)
	h.dev = h.id.dev
	return h, nil
}

func (h *handle) close() {
	if h.base == nil {
		h.root.Close()
	}
}

func (h *handle) at(name string) string { return path.Join(h.rel, name) }

func (h *handle) openDir(rel RelPath) (*handle, error) {
	out := &handle{root: h.root, base: h, rel: h.rel, dev: h.dev, id: h.id}
	if rel == "" {
		return out, nil
	}
	for part := range strings.SplitSeq(string(rel), "/") {
		out.rel = path.Join(out.rel, part)
		info, err := h.root.Lstat(out.rel)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, syscall.ENOTDIR
		}
		if out.id = identityOf(info); out.id.dev != h.dev {
			return nil, syscall.EXDEV
		}
	}
	return out, nil
}

func (h *handle) openFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	before, err := h.root.Lstat(h.at(name))
	if err == nil && !before.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	if err != nil && (!isMissing(err) || flags&os.O_CREATE == 0) {
		return nil, err
	}
	f, err := h.root.OpenFile(h.at(name), flags, mode.Perm())
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && (!after.Mode().IsRegular() || before != nil && !os.SameFile(before, after)) {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (h *handle) mkdir(name string, mode fs.FileMode) error {
	return h.root.Mkdir(h.at(name), mode.Perm())
}

// chmodSelf leaves the mode to the umask: there is no descriptor here to do it safely (I-12).
func (h *handle) chmodSelf(fs.FileMode) error { return nil }

func (h *handle) rename(name string, to *handle, toName string, mode renameMode) error {
	if mode != renameReplace {
		return syscall.EINVAL // not offered: the callers' fallbacks take over
	}
	return h.root.Rename(h.at(name), to.at(toName))
}

func (h *handle) link(name string, to *handle, toName string) error {
	return h.root.Link(h.at(name), to.at(toName))
}

func (h *handle) unlink(name string) error {
	info, err := h.root.Lstat(h.at(name))
	if err != nil {
		return err
	}
	if info.IsDir() {
		return syscall.EISDIR
	}
	return h.root.Remove(h.at(name))
}

func (h *handle) rmdir(name string) error {
	info, err := h.root.Lstat(h.at(name))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return syscall.ENOTDIR
	}
	return h.root.Remove(h.at(name))
}

func (h *handle) sync() error {
	f, err := h.root.Open(h.rel)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDirectory(f)
}

func (h *handle) syncFS() error { return errors.ErrUnsupported }

// free does not know how many more files there can be: -1.
func (h *handle) free() (bytes, inodes int64, err error) {
	bytes, err = freeSpace(filepath.Join(h.root.Name(), h.rel))
	return bytes, -1, err
}

func (h *handle) fsType() string { return "unknown" }

func (h *handle) identify(rel RelPath) (identity, error) {
	info, err := h.root.Lstat(h.at(string(rel)))
	if err != nil {
		return identity{}, err
	}
	return identityOf(info), nil
}

func identifyPath(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identityOf(info), nil
}

func (h *handle) stat(name string) (Fingerprint, error) {
	info, err := h.root.Lstat(h.at(name))
	if err != nil {
		return Fingerprint{}, err
	}
	fp := fingerprintOf(info)
	if identityOf(info).dev != h.dev {
		fp.Kind = KindOther
	}
	return fp, nil
}

func statFile(f *os.File) (Fingerprint, error) {
	info, err := f.Stat()
	if err != nil {
		return Fingerprint{}, err
	}
	return fingerprintOf(info), nil
}

func fingerprintOf(info fs.FileInfo) Fingerprint {
	fp := Fingerprint{Kind: KindOther, Size: info.Size(), MTime: info.ModTime().UTC(), Inode: identityOf(info).ino, Mode: info.Mode()}
	switch {
	case info.Mode().IsRegular():
		fp.Kind = KindFile
	case info.IsDir():
		fp.Kind = KindDir
	case info.Mode()&fs.ModeSymlink != 0:
		fp.Kind = KindSymlink
	}
	return fp
}

func (h *handle) list(_ []byte, out []Found, skip func(name []byte) bool) ([]Found, error) {
	f, err := h.root.Open(h.rel)
	if err != nil {
		return out, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return out, err
	}
	for _, name := range names {
		if skip != nil && skip([]byte(name)) {
			continue
		}
		fp, err := h.stat(name)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, Found{Name: LocalName(name), Fingerprint: fp})
	}
	return out, nil
}

func reserve(*os.File, int64) error { return nil }

func tmpfileWorks(*handle) bool { return false }

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
