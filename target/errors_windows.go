package target

import (
	"syscall"

	"golang.org/x/sys/windows"
)

var kindsByErrno = []errnoKind{
	{windows.ERROR_DISK_FULL, ErrNoSpace},
	{windows.ERROR_HANDLE_DISK_FULL, ErrNoSpace},
	{windows.ERROR_DISK_QUOTA_EXCEEDED, ErrNoSpace},
	{windows.ERROR_DIR_NOT_EMPTY, ErrNotEmpty},
	{windows.ERROR_NOT_SAME_DEVICE, ErrCrossDevice},
	{syscall.EXDEV, ErrCrossDevice},
	{windows.ERROR_WRITE_PROTECT, ErrReadOnly},
	{windows.ERROR_FILENAME_EXCED_RANGE, ErrNameTooLong},
	{windows.ERROR_DIRECTORY, ErrNotPlain},
	{windows.ERROR_CANT_ACCESS_FILE, ErrNotPlain},
	{syscall.ELOOP, ErrNotPlain},
	{syscall.ENOTDIR, ErrNotPlain},
	{windows.ERROR_SHARING_VIOLATION, ErrBusy},
	{windows.ERROR_LOCK_VIOLATION, ErrBusy},
	{windows.ERROR_FILE_EXISTS, ErrOccupied},
	{windows.ERROR_ALREADY_EXISTS, ErrOccupied},
	{syscall.EEXIST, ErrOccupied},
}
