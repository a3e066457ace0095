//go:build linux && !osroot

package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handle is an open directory. All its methods take single components, except openDir.
type handle struct {
	fd    int
	dev   uint64 // device of the target's root; nothing on another device is ever opened
	id    identity
	calls *kernel
}

// kernel remembers which calls this kernel, or a sandbox around us, lacks. All handles of a root share one.
type kernel struct{ noOpenat2, noStatx atomic.Bool }

// identity tells two directories apart for as long as one of them is open.
type identity struct{ dev, ino uint64 }

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// renameMode is how a rename treats the name it lands on.
type renameMode int

const (
	renameNoReplace renameMode = iota
	renameExchange
	renameReplace
)

// resolveFlags: links, mount points and /proc magic links end the walk with an error (I-20).
const resolveFlags = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// plainComponent has nothing to add on Linux: every byte but slash and NUL is allowed.
func plainComponent(name string) bool { return strings.IndexByte(name, '/') < 0 }

// again repeats a call that a signal or a concurrent rename interrupted (F09).
func again(call func() error) error {
	const tries = 100
	for range tries {
		err := call()
		if err != unix.EINTR && err != unix.EAGAIN {
			return err
		}
	}
	return unix.EINTR
}

// openRoot opens the root itself. Links on the way to it are the user's own business.
func openRoot(path string) (*handle, error) {
	fd, err := unix.Open(path, dirFlags, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newHandle(fd, 0, new(kernel))
}

// newHandle takes over fd. With dev 0 the directory itself decides the device.
func newHandle(fd int, dev uint64, calls *kernel) (*handle, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	id := identity{dev: uint64(st.Dev), ino: st.Ino}
	if dev == 0 {
		dev = id.dev
	}
	if id.dev != dev {
		_ = unix.Close(fd)
		return nil, unix.EXDEV
	}
	return &handle{fd: fd, dev: dev, id: id, calls: calls}, nil
}

func (h *handle) close() { _ = unix.Close(h.fd) }

// maxResolve keeps one openat2 call below PATH_MAX; deeper paths take several (H-18).
const maxResolve = 4000

// openDir opens a directory below h by its clean relative path.
func (h *handle) openDir(rel RelPath) (*handle, error) {
	cur := h
	for rest := string(rel); ; {
		head := rest
		if len(head) > maxResolve {
			head = head[:strings.LastIndexByte(head[:maxResolve], '/')]
		}
		next, err := cur.openStep(head)
		if cur != h {
			cur.close()
		}
		if err != nil {
			return nil, err
		}
		if len(head) == len(rest) {
			return next, nil
		}
		cur, rest = next, rest[len(head)+1:]
	}
}

func (h *handle) openStep(path string) (*handle, error) {
	if path == "" {
		path = "."
	}
	if !h.calls.noOpenat2.Load() {
		fd, err := h.openat2(path, dirFlags|unix.O_NOFOLLOW, 0)
		if err == nil {
			return newHandle(fd, h.dev, h.calls)
		}
		if err != unix.ENOSYS && err != unix.EPERM {
			return nil, err
		}
		if err == unix.ENOSYS {
			h.calls.noOpenat2.Store(true)
		}
	}
	return h.openByComponent(path)
}

func (h *handle) openat2(path string, flags int, mode fs.FileMode) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolveFlags}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(mode.Perm())
	}
	err = again(func() error {
		fd, err = unix.Openat2(h.fd, path, &how)
		return err
	})
	return fd, err
}

// openByComponent is openat2 by hand, for kernels before 5.6 and for sandboxes that forbid it.
func (h *handle) openByComponent(path string) (*handle, error) {
	cur := h
	for part := range strings.SplitSeq(path, "/") {
		var fd int
		err := again(func() (err error) {
			fd, err = unix.Openat(cur.fd, part, dirFlags|unix.O_NOFOLLOW, 0)
			return err
		})
		var next *handle
		if err == nil {
			next, err = newHandle(fd, h.dev, h.calls)
		}
		if cur != h {
			cur.close()
		}
		if err != nil {
			return nil, err
		}
		cur = next
	}
	return cur, nil
}

// openFile opens a regular file. Anything else is refused before a single byte could be read or written:
// O_NONBLOCK keeps a FIFO from blocking us. What is created exclusively cannot be anything else.
func (h *handle) openFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if flags&unix.O_EXCL == 0 {
		flags |= unix.O_NONBLOCK
	}
	fd, err := -1, error(unix.ENOSYS)
	if !h.calls.noOpenat2.Load() {
		fd, err = h.openat2(name, flags, mode)
	}
	if err == unix.ENOSYS || err == unix.EPERM {
		err = again(func() (err error) {
			fd, err = unix.Openat(h.fd, name, flags, uint32(mode.Perm()))
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if flags&unix.O_EXCL != 0 {
		return os.NewFile(uintptr(fd), name), nil
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = ErrNotRegular
	case uint64(st.Dev) != h.dev:
		err = unix.EXDEV
	default:
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (h *handle) mkdir(name string, mode fs.FileMode) error {
	return again(func() error { return unix.Mkdirat(h.fd, name, uint32(mode.Perm())) })
}

// chmodSelf changes the open directory itself, never a path (I-12).
func (h *handle) chmodSelf(mode fs.FileMode) error { return unix.Fchmod(h.fd, uint32(mode.Perm())) }

func (h *handle) rename(name string, to *handle, toName string, mode renameMode) error {
	var flags uint
	switch mode {
	case renameNoReplace:
		flags = unix.RENAME_NOREPLACE
	case renameExchange:
		flags = unix.RENAME_EXCHANGE
	}
	return again(func() error { return unix.Renameat2(h.fd, name, to.fd, toName, flags) })
}

func (h *handle) link(name string, to *handle, toName string) error {
	return again(func() error { return unix.Linkat(h.fd, name, to.fd, toName, 0) })
}

func (h *handle) unlink(name string) error {
	return again(func() error { return unix.Unlinkat(h.fd, name, 0) })
}

func (h *handle) rmdir(name string) error {
	err := again(func() error { return unix.Unlinkat(h.fd, name, unix.AT_REMOVEDIR) })
	if err == unix.EEXIST { // POSIX allows it for ENOTEMPTY
		return unix.ENOTEMPTY
	}
	return err
}

// sync flushes the directory. EINVAL comes from file systems that cannot and need not.
func (h *handle) sync() error {
	err := again(func() error { return unix.Fsync(h.fd) })
	if err == unix.EINVAL {
		return nil
	}
	return err
}

// syncFS flushes the whole file system. Its errors are reported once per open file description, so it is
// always called on the descriptor that was opened first.
func (h *handle) syncFS() error { return again(func() error { return unix.Syncfs(h.fd) }) }

func (h *handle) free() (bytes, inodes int64, err error) {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(h.fd, &st) }); err != nil {
		return 0, 0, err
	}
	block := int64(st.Frsize)
	if block == 0 {
		block = int64(st.Bsize)
	}
	inodes = int64(st.Ffree)
	if st.Files == 0 { // Btrfs and others make inodes as they need them
		inodes = -1
	}
	return int64(st.Bavail) * block, inodes, nil
}

func (h *handle) fsType() string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(h.fd, &st); err != nil {
		return "unknown"
	}
	if name, ok := fsNames[uint32(st.Type)]; ok {
		return name
	}
	return fmt.Sprintf("0x%x", uint32(st.Type))
}

var fsNames = map[uint32]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.FUSE_SUPER_MAGIC: "fuse", unix.NFS_SUPER_MAGIC: "nfs", unix.SMB2_SUPER_MAGIC: "smb",
	unix.CIFS_SUPER_MAGIC: "cifs", unix.MSDOS_SUPER_MAGIC: "vfat", unix.EXFAT_SUPER_MAGIC: "exfat", 0x7366746e: "ntfs3", 0x2fc12fc1: "zfs",
}

// identify returns who the directory at a path below h is now, without following a final link.
func (h *handle) identify(rel RelPath) (identity, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(h.fd, string(rel), &st, unix.AT_SYMLINK_NOFOLLOW) })
	return identity{dev: uint64(st.Dev), ino: st.Ino}, err
}

// identifyPath does the same for the root, whose path belongs to the user and may hold links.
func identifyPath(path string) (identity, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Stat(path, &st) })
	return identity{dev: uint64(st.Dev), ino: st.Ino}, err
}

// stat looks at one entry without following it.
func (h *handle) stat(name string) (Fingerprint, error) {
	buf := make([]byte, len(name)+1)
	copy(buf, name)
	var fp Fingerprint
	err := h.statRaw(buf, &fp)
	return fp, err
}

const statMask = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MTIME

// statRaw looks at the entry with the NUL-terminated name; the walk hands in names as they stand in its
// getdents buffer, so that nothing is allocated. statx also knows mount points, bind mounts of the same device
// included.
func (h *handle) statRaw(name []byte, fp *Fingerprint) error {
	if h.calls.noStatx.Load() {
		return h.fstatat(name, fp)
	}
	var st unix.Statx_t
	err := again(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(h.fd), uintptr(unsafe.Pointer(&name[0])),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, statMask, uintptr(unsafe.Pointer(&st)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err == unix.ENOSYS {
		h.calls.noStatx.Store(true)
		return h.fstatat(name, fp)
	}
	if err != nil {
		return err
	}
	dev := unix.Mkdev(st.Dev_major, st.Dev_minor)
	foreign := dev != h.dev || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	fill(fp, uint32(st.Mode), int64(st.Size), st.Ino, time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)), foreign)
	return nil
}

func (h *handle) fstatat(name []byte, fp *Fingerprint) error {
	var st unix.Stat_t
	err := again(func() error {
		return unix.Fstatat(h.fd, unix.ByteSliceToString(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return err
	}
	fill(fp, st.Mode, st.Size, st.Ino, time.Unix(st.Mtim.Unix()), uint64(st.Dev) != h.dev)
	return nil
}

func statFile(f *os.File) (Fingerprint, error) {
	var st unix.Stat_t
	var fp Fingerprint
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fp, err
	}
	fill(&fp, st.Mode, st.Size, st.Ino, time.Unix(st.Mtim.Unix()), false)
	return fp, nil
}

func fill(fp *Fingerprint, mode uint32, size int64, ino uint64, mtime time.Time, foreign bool) {
	*fp = Fingerprint{Size: size, MTime: mtime.UTC(), Inode: ino, Mode: fs.FileMode(mode & 0o777)}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		fp.Kind = KindFile
	case unix.S_IFDIR:
		fp.Kind, fp.Mode = KindDir, fp.Mode|fs.ModeDir
	case unix.S_IFLNK:
		fp.Kind, fp.Mode = KindSymlink, fp.Mode|fs.ModeSymlink
	default:
		fp.Kind, fp.Mode = KindOther, fp.Mode|fs.ModeIrregular
	}
	if foreign {
		fp.Kind = KindOther
	}
}

// direntHeader is the fixed part of linux_dirent64: inode, offset, record length, type.
const direntHeader = 8 + 8 + 2 + 1

// list appends the entries of the directory, with their fingerprints. An entry that vanishes between the
// two calls is left out; any other failure ends the listing, because a short list would look like deletions
// (F05). It reads from the descriptor's position, so a handle is listed once.
func (h *handle) list(buf []byte, out []Found, skip func(name []byte) bool) ([]Found, error) {
	for {
		var n int
		err := again(func() (err error) {
			n, err = unix.Getdents(h.fd, buf)
			return err
		})
		if err != nil {
			return out, err
		}
		if n == 0 {
			return out, nil
		}
		for rec := buf[:n]; len(rec) > direntHeader; {
			size := int(binary.NativeEndian.Uint16(rec[16:]))
			if size <= direntHeader || size > len(rec) {
				return out, unix.EIO
			}
			if out, err = h.appendEntry(out, rec[direntHeader:size], skip); err != nil {
				return out, err
			}
			rec = rec[size:]
		}
	}
}

func (h *handle) appendEntry(out []Found, name []byte, skip func([]byte) bool) ([]Found, error) {
	text := name[:clen(name)]
	if len(text) == 0 || string(text) == "." || string(text) == ".." || skip != nil && skip(text) {
		return out, nil
	}
	out = append(out, Found{})
	e := &out[len(out)-1]
	switch err := h.statRaw(name, &e.Fingerprint); {
	case err == unix.ENOENT:
		return out[:len(out)-1], nil
	case err != nil:
		return out[:len(out)-1], fmt.Errorf("stat %q: %w", text, err)
	}
	e.Name = LocalName(text)
	return out, nil
}

func clen(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return len(b)
}

// setTimes puts the modification time on the open file. The null path makes utimensat act on the descriptor
// (I-12).
func setTimes(f *os.File, mtime time.Time) error {
	ts := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime.UnixNano())}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// reserve asks for the space of the whole file, so that a full disk is found before the download (I-22).
func reserve(f *os.File, size int64) error {
	err := again(func() error { return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func tryLock(f *os.File) error {
	err := again2(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}

// again2 repeats only what a signal interrupted: EAGAIN is an answer here.
func again2(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func linkCount(f *os.File) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return uint64(st.Nlink), err
}

func tmpfileWorks(h *handle) bool {
	fd, err := unix.Openat(h.fd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// Flags of openFile.
const (
	openRead      = unix.O_RDONLY
	openReadWrite = unix.O_RDWR
	openCreate    = unix.O_RDWR | unix.O_CREAT
	openExclusive = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL
)

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
