package target

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Folding is the set of ways in which a file system takes different names for the same one. [Probe] finds it
// by trying (H-16): no table of file system types knows mount options.
type Folding uint8

// Ways of folding.
const (
	// FoldCase: letters match their simple case variants (NTFS, exFAT, APFS, SMB).
	FoldCase Folding = 1 << iota
	// FoldFull: sharp s matches ss and so on (APFS, ext4 with casefold).
	FoldFull
	// FoldDotless: dotless i matches i.
	FoldDotless
	// FoldNormal: composed and decomposed forms match (APFS, HFS+, ext4 with casefold).
	FoldNormal
	// FoldIgnorable: invisible characters do not count (HFS+, ext4 with casefold).
	FoldIgnorable
	// FoldTrailing: dots and spaces at the end do not count (Windows).
	FoldTrailing
)

// foldPortable is what Windows and macOS do between them.
const foldPortable = FoldCase | FoldFull | FoldNormal | FoldTrailing

const foldEverything = FoldCase | FoldFull | FoldDotless | FoldNormal | FoldIgnorable

// String lists the ways, for reports.
func (f Folding) String() string {
	if f == 0 {
		return "exact"
	}
	var parts []string
	for i, word := range []string{"case", "full-case", "dotless-i", "normal-form", "invisible", "trailing"} {
		if f&(1<<i) != 0 {
			parts = append(parts, word)
		}
	}
	return strings.Join(parts, "+")
}

// Fold returns a key that is equal for two names exactly if the target cannot hold both in one directory.
// On a target that folds nothing it is the name itself; a portable naming folds what Windows and macOS fold,
// wherever it runs.
func (n Naming) Fold(local LocalName) string {
	how := n.Folding
	if n.Portable {
		how |= foldPortable
	}
	return foldWith(string(local), how)
}

func foldWith(name string, how Folding) string {
	if how == 0 {
		return name
	}
	if how&FoldTrailing != 0 {
		name = strings.TrimRight(name, ". ")
	}
	if isASCII(name) {
		if how&(FoldCase|FoldFull) != 0 {
			return strings.ToLower(name)
		}
		return name
	}
	if how&FoldIgnorable != 0 {
		name = strings.Map(dropIgnorable, name)
	}
	if how&FoldNormal != 0 {
		name = norm.NFD.String(name)
	}
	if how&FoldDotless != 0 {
		name = strings.Map(dotless, name)
	}
	if how&FoldFull != 0 {
		name = cases.Fold().String(name)
	}
	if how&(FoldCase|FoldFull) != 0 {
		name = strings.Map(foldRune, name)
	}
	if how&FoldNormal != 0 {
		name = norm.NFC.String(name)
	}
	return name
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns the same character for all of a case orbit (k, K and the Kelvin sign; all three sigmas).
func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return unicode.ToLower(least)
}

func dotless(r rune) rune {
	switch r {
	case 'ı', 'İ':
		return 'i'
	}
	return r
}

func dropIgnorable(r rune) rune {
	if ignorable(r) {
		return -1
	}
	return r
}

// ignorable reports the default-ignorable characters of Unicode that occur in names: joiners, directional
// marks, variation selectors, tags, the soft hyphen and the byte order mark.
func ignorable(r rune) bool {
	if r < 0xad {
		return false
	}
	return r == 0xad || r == 0xfeff ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r) ||
		unicode.In(r, unicode.Cf) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
