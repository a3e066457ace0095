//go:build unix

package plan

import "os"

func makeScratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, scratchPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
