package main

import "testing"

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
