package main

import "fmt"

// integer is what is counted with.
type integer interface{ int | int64 }

// plural is a number with its noun: 1 file, 2 files.
func plural[N integer](n N, noun string) string {
	return agree(n, noun, noun+"s")
}

// agree is a number with the words that go with one, or with any other number.
func agree[N integer](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sizeText is a size to the byte.
func sizeText(n int64) string {
	if n < 0 {
		return "size unknown"
	}
	return plural(n, "byte")
}

// bytesText is a size for people, with the units that the configuration uses.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return plural(n, "byte")
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}
