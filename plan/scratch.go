package plan

import (
	"errors"
	"fmt"
	"os"
)

// ErrScratch says that a temporary file cannot be made or written.
var ErrScratch = errors.New("no room for temporary files")

const scratchPrefix = ".spmirror-"

// Scratch makes a file without a name in dir, or where temporary files belong if dir is empty: no kill leaves
// it behind.
func Scratch(dir string) (*os.File, error) {
	f, err := makeScratch(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScratch, err)
	}
	return f, nil
}
