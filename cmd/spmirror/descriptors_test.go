package main

import "testing"

func TestTargetsAreBoundedByOpenFiles(t *testing.T) {
	for openFiles, want := range map[uint64]int{0: 256, 1 << 63: 256, 1024: 36, 64: 2, 20: 1} {
		if got := targetsWithin(openFiles); got != want {
			t.Errorf("%d open files: %d targets, want %d", openFiles, got, want)
		}
	}
}

func TestDownloadsAreBoundedByOpenFiles(t *testing.T) {
	for _, c := range []struct {
		openFiles    uint64
		wanted, want int
	}{
		{0, 16, 16}, {1 << 63, 1024, 1024}, {1024, 16, 16}, {1024, 1024, 124}, {96, 16, 8}, {64, 16, 4}, {20, 16, 1},
	} {
		if got := downloadsWithin(c.openFiles, c.wanted); got != c.want {
			t.Errorf("%d open files, %d downloads wanted: %d, want %d", c.openFiles, c.wanted, got, c.want)
		}
	}
}
