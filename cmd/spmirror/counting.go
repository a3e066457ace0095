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
