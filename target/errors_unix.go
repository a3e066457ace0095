//go:build unix

package target

import "syscall"

var kindsByErrno = []errnoKind{
	{syscall.ENOSPC, ErrNoSpace},
	{syscall.EDQUOT, ErrNoSpace},
	{syscall.ENOTEMPTY, ErrNotEmpty},
	{syscall.EXDEV, ErrCrossDevice},
	{syscall.EROFS, ErrReadOnly},
	{syscall.ENAMETOOLONG, ErrNameTooLong},
	{syscall.ELOOP, ErrNotPlain},
	{syscall.ENOTDIR, ErrNotPlain},
	{syscall.EBUSY, ErrBusy},
	{syscall.ETXTBSY, ErrBusy},
	{syscall.EEXIST, ErrOccupied},
}
