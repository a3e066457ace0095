//go:build unix && (!linux || osroot)

package target

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

func identityOf(info fs.FileInfo) identity {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{dev: uint64(st.Dev), ino: uint64(st.Ino)}
	}
	return identity{}
}

func linkCount(f *os.File) (uint64, error) {
	var st syscall.Stat_t
	err := syscall.Fstat(int(f.Fd()), &st)
	return uint64(st.Nlink), err
}

// setTimes has only microseconds and cannot leave the access time alone. It cuts; NsecToTimeval would round up.
func setTimes(f *os.File, mtime time.Time) error {
	tv := syscall.NsecToTimeval(mtime.Truncate(time.Microsecond).UnixNano())
	return syscall.Futimes(int(f.Fd()), []syscall.Timeval{tv, tv})
}

func syncDirectory(f *os.File) error { return f.Sync() }

// freeSpace is what is free for this user, in bytes.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}
