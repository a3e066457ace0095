package state

import "fmt"

// checkFileSystem refuses directories where SQLite's locks or shared memory cannot be trusted (I-42).
func checkFileSystem(dir string, o Options) error {
	if o.Network {
		return nil
	}
	probe := fileSystem
	if o.fileSystem != nil {
		probe = o.fileSystem
	}
	name, local, err := probe(dir)
	if err != nil {
		return fmt.Errorf("file system of %s: %w", dir, err)
	}
	if !local {
		return fmt.Errorf("%w: %s", ErrNetwork, name)
	}
	return nil
}
