package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// compareTrees names the paths in which two trees differ: present on one side only,
// of another kind, or with other bytes. What spmirror keeps in a target for itself
// is left out.
func compareTrees(a, b string) ([]string, error) {
	left, err := kinds(a)
	if err != nil {
		return nil, err
	}
	right, err := kinds(b)
	if err != nil {
		return nil, err
	}
	var diff []string
	for _, path := range slices.Sorted(maps.Keys(left)) {
		switch kind, ok := right[path]; {
		case !ok:
			diff = append(diff, "only left: "+path)
		case kind != left[path]:
			diff = append(diff, fmt.Sprintf("%s: %s and %s", path, left[path], kind))
		case kind == "file":
			equal, err := equalFiles(filepath.Join(a, path), filepath.Join(b, path))
			if err != nil {
				return nil, err
			}
			if !equal {
				diff = append(diff, "other bytes: "+path)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(right)) {
		if _, ok := left[path]; !ok {
			diff = append(diff, "only right: "+path)
		}
	}
	return diff, nil
}

// kinds maps every path below a directory to what it is.
func kinds(root string) (map[string]string, error) {
	found := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case rel == ".":
			return nil
		case rel == ".spmirror":
			return filepath.SkipDir
		case d.IsDir():
			found[rel] = "folder"
		case d.Type().IsRegular():
			found[rel] = "file"
		default:
			found[rel] = d.Type().String()
		}
		return nil
	})
	return found, err
}

func equalFiles(a, b string) (bool, error) {
	left, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	right, err := os.ReadFile(b)
	return bytes.Equal(left, right), err
}
