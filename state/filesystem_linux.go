package state

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// localMagic are the file systems of statfs(2) that live on this host. Everything else is refused: network file systems because of their
// locks, FUSE because it may be one of them.
var localMagic = map[int64]string{
	unix.EXT4_SUPER_MAGIC:      "ext4", // ext2 and ext3 have the same number
	unix.XFS_SUPER_MAGIC:       "xfs",
	unix.BTRFS_SUPER_MAGIC:     "btrfs",
	unix.TMPFS_MAGIC:           "tmpfs",
	unix.RAMFS_MAGIC:           "ramfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.F2FS_SUPER_MAGIC:      "f2fs",
	unix.REISERFS_SUPER_MAGIC:  "reiserfs",
	unix.NILFS_SUPER_MAGIC:     "nilfs2",
	unix.ECRYPTFS_SUPER_MAGIC:  "ecryptfs",
	unix.EXFAT_SUPER_MAGIC:     "exfat",
	unix.MSDOS_SUPER_MAGIC:     "vfat",
	0x2fc12fc1:                 "zfs",
	0xca451a4e:                 "bcachefs",
	0x3153464a:                 "jfs",
	0x7366746e:                 "ntfs3",
}

// fileSystem names the file system of a directory and says whether it is known to be local.
func fileSystem(dir string) (name string, local bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", false, err
	}
	magic := int64(uint32(st.Type)) // 32 significant bits, sign-extended on some architectures
	if name, ok := localMagic[magic]; ok {
		return name, true, nil
	}
	return fmt.Sprintf("type %#x", magic), false, nil
}
