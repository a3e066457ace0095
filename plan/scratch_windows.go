package plan

import (
	"cmp"
	"crypto/rand"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// makeScratch has the system delete the file when its last handle is closed, also that of a killed program:
// an open file cannot be unlinked here.
func makeScratch(dir string) (*os.File, error) {
	name := filepath.Join(cmp.Or(dir, os.TempDir()), scratchPrefix+rand.Text())
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|windows.FILE_FLAG_DELETE_ON_CLOSE, 0o600)
}
