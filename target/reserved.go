package target

import (
	"strings"
	"unicode/utf8"
)

// controlLike reports whether some file system could take the name for one of our own control files. All
// foldings we know apply, invisible characters included: a name costs nothing when it is escaped needlessly.
func controlLike(name string) bool {
	// Almost all names leave here: a control name starts with a dot, perhaps after invisible characters.
	r, _ := utf8.DecodeRuneInString(name)
	if r != '.' && !ignorable(r) {
		return false
	}
	const prefixRunes = 64 // enough for the name and a fair number of invisible characters
	return strings.HasPrefix(foldWith(headOf(name, prefixRunes), foldEverything), controlDir)
}

// headOf returns the first n visible characters of a name.
func headOf(name string, n int) string {
	seen := 0
	for i, r := range name {
		if ignorable(r) {
			continue
		}
		if seen++; seen > n {
			return name[:i]
		}
	}
	return name
}

// windowsReserved reports whether Windows gives the name a meaning of its own: devices, with any extension
// (H-11), NTFS metadata and system folders (H-29), and the short form of our control directory.
func windowsReserved(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "spmirr~") { // 8.3 name of .spmirror
		return true
	}
	lower = strings.TrimRight(lower, ". ")
	if windowsSystem[lower] {
		return true
	}
	base := lower
	if i := strings.IndexAny(base, ".:"); i >= 0 {
		base = base[:i]
	}
	base = strings.TrimRight(base, " ")
	switch base {
	case "con", "prn", "aux", "nul", "clock$", "conin$", "conout$":
		return true
	}
	port, ok := strings.CutPrefix(base, "com")
	if !ok {
		port, ok = strings.CutPrefix(base, "lpt")
	}
	return ok && isPortNumber(port)
}

// isPortNumber knows the superscript digits, which Windows takes for digits in device names.
func isPortNumber(s string) bool {
	switch s {
	case "¹", "²", "³":
		return true
	}
	return len(s) == 1 && s[0] >= '0' && s[0] <= '9'
}

var windowsSystem = map[string]bool{
	"$mft": true, "$mftmirr": true, "$logfile": true, "$volume": true, "$attrdef": true, "$bitmap": true,
	"$boot": true, "$badclus": true, "$secure": true, "$upcase": true, "$extend": true, "$recycle.bin": true,
	"system volume information": true,
}
