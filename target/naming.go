package target

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"
)

// Naming turns remote names into local ones and back.
//
// A character that the target cannot or must not hold is replaced by the escape sign U+241B (SYMBOL FOR
// ESCAPE, ␛) and its code point in two upper-case hexadecimal digits; the escape sign itself is doubled.
// Every other character stands for itself, so the mapping is injective whatever the names are (H-31), and
// percent signs and other look-alike encodings stay literal (H-30). Escaped are
//
//   - on every target: control characters (C0, DEL, C1), the backslash, and the first character of names that
//     could be taken for our own control files (".spmirror" and whatever folds to it);
//   - on portable targets also < > : " | ? *, a leading or trailing space, a trailing dot, and the first
//     character of names that Windows reserves.
//
// A result longer than 255 bytes (N5) is cut and marked with "␛~" and a hash of the whole remote name; the
// extension stays. Such a name cannot be turned back without the state, see [LocalName.Shortened].
type Naming struct {
	// Portable makes names that Windows and macOS can hold too.
	Portable bool
	// Folding says which different names the target takes for the same one.
	Folding Folding
}

// NamingOf is the naming that a mirror is declared with, "native" or "portable". On Windows both are the same:
// what it cannot hold is not native there.
func NamingOf(names string) Naming {
	return Naming{Portable: names == "portable" || runtime.GOOS == "windows"}
}

const (
	escape     = '␛'
	escapeText = "␛"
	// shortMark cannot come out of plain escaping, where the escape sign is followed by itself or a digit.
	shortMark = escapeText + "~"
	// hashChars of base32 carry 130 bits of SHA-256.
	hashChars = 26
	// maxExtBytes is the longest extension that shortening keeps.
	maxExtBytes = 32
	// maxRemoteBytes is far above the 255 characters of SharePoint (N4); longer names are an attack (H-27).
	maxRemoteBytes = 4096
)

// Reason says why a name is refused.
type Reason string

// Reasons for refusing a name.
const (
	ReasonEmpty     Reason = "empty name"
	ReasonDots      Reason = "name is a path reference"
	ReasonSeparator Reason = "name contains a path separator"
	ReasonNUL       Reason = "name contains NUL"
	ReasonEncoding  Reason = "name is not valid UTF-8"
	ReasonTooLong   Reason = "name is absurdly long"
	ReasonShortened Reason = "name was shortened; only the state knows the original"
	ReasonNotMapped Reason = "name is not one that the mapping makes"
)

// NameError is a name that has no counterpart on the other side.
type NameError struct {
	Name   string
	Reason Reason
}

// Error quotes the name, cut to a readable length.
func (e *NameError) Error() string {
	const shown = 80
	name := e.Name
	if len(name) > shown {
		return fmt.Sprintf("%s: %.80q… (%d bytes)", e.Reason, name, len(name))
	}
	return fmt.Sprintf("%s: %q", e.Reason, name)
}

// Local returns the local name for a remote one, or a *NameError for a name that must be refused.
func (n Naming) Local(remote string) (LocalName, error) {
	if reason := refuse(remote); reason != "" {
		return "", &NameError{Name: remote, Reason: reason}
	}
	mapped := n.escapeName(remote)
	if len(mapped) > maxNameBytes {
		mapped = shorten(mapped, remote)
	}
	return LocalName(mapped), nil
}

// Remote returns the remote name that Local maps to this one.
func (n Naming) Remote(local LocalName) (string, error) {
	if local.Shortened() {
		return "", &NameError{Name: string(local), Reason: ReasonShortened}
	}
	remote, ok := unescape(string(local))
	if !ok {
		return "", &NameError{Name: string(local), Reason: ReasonNotMapped}
	}
	back, err := n.Local(remote)
	if err != nil || back != local {
		return "", &NameError{Name: string(local), Reason: ReasonNotMapped}
	}
	return remote, nil
}

// Shortened reports whether the name was cut to fit and can be turned back only through the state.
func (l LocalName) Shortened() bool {
	for rest := string(l); ; {
		i := strings.Index(rest, escapeText)
		if i < 0 {
			return false
		}
		rest = rest[i+len(escapeText):]
		switch {
		case strings.HasPrefix(rest, "~"):
			return true
		case strings.HasPrefix(rest, escapeText):
			rest = rest[len(escapeText):]
		}
	}
}

func refuse(name string) Reason {
	switch {
	case name == "":
		return ReasonEmpty
	case name == "." || name == "..":
		return ReasonDots
	case len(name) > maxRemoteBytes:
		return ReasonTooLong
	case strings.IndexByte(name, '/') >= 0:
		return ReasonSeparator
	case strings.IndexByte(name, 0) >= 0:
		return ReasonNUL
	case !utf8.ValidString(name):
		return ReasonEncoding
	}
	return ""
}

// escapeName replaces what the target cannot hold. Positions that depend on the whole name (first character
// of a reserved name, last dot) are found first, then one pass does all.
func (n Naming) escapeName(name string) string {
	first, last := n.forced(name)
	if first < 0 && last < 0 && !n.anyEscaped(name) {
		return name
	}
	var b strings.Builder
	b.Grow(len(name) + 8)
	for i, r := range name {
		switch {
		case r == escape:
			b.WriteString(escapeText + escapeText)
		case i == first || i == last || n.escaped(r):
			fmt.Fprintf(&b, "%s%02X", escapeText, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (n Naming) anyEscaped(name string) bool {
	for _, r := range name {
		if r == escape || n.escaped(r) {
			return true
		}
	}
	return false
}

// escaped reports whether a character is escaped wherever it stands. All of them are below U+0100, so two
// digits are enough.
func (n Naming) escaped(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f, r == '\\':
		return true
	case n.Portable:
		return r < utf8.RuneSelf && strings.IndexByte(`<>:"|?*`, byte(r)) >= 0
	}
	return false
}

// forced returns the byte positions that are escaped because of the name as a whole, or -1.
func (n Naming) forced(name string) (first, last int) {
	first, last = -1, -1
	if controlLike(name) || n.Portable && windowsReserved(name) {
		first = strings.IndexFunc(name, func(r rune) bool { return r < utf8.RuneSelf })
	}
	if !n.Portable {
		return first, last
	}
	if name[0] == ' ' {
		first = 0
	}
	if end := len(name) - 1; name[end] == '.' || name[end] == ' ' {
		last = end
	}
	return first, last
}

func unescape(local string) (remote string, ok bool) {
	if !strings.Contains(local, escapeText) {
		return local, true
	}
	var b strings.Builder
	for {
		i := strings.Index(local, escapeText)
		if i < 0 {
			b.WriteString(local)
			return b.String(), true
		}
		b.WriteString(local[:i])
		local = local[i+len(escapeText):]
		if strings.HasPrefix(local, escapeText) {
			b.WriteString(escapeText)
			local = local[len(escapeText):]
			continue
		}
		if len(local) < 2 {
			return "", false
		}
		hi, lo := hexDigit(local[0]), hexDigit(local[1])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteRune(rune(hi<<4 | lo))
		local = local[2:]
	}
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// shorten cuts a mapped name to maxNameBytes: its beginning, the mark, a hash of the remote name, and the
// extension. Two remote names share a result only if they share 130 bits of SHA-256.
func shorten(mapped, remote string) string {
	ext := ""
	if i := strings.LastIndexByte(mapped, '.'); i > 0 && len(mapped)-i <= maxExtBytes {
		ext = mapped[i:]
	}
	sum := sha256.Sum256([]byte(remote))
	tail := shortMark + nameEncoding.EncodeToString(sum[:])[:hashChars] + ext
	return mapped[:cut(mapped, maxNameBytes-len(tail))] + tail
}

// cut returns the longest length up to limit that splits neither a character nor an escape sequence.
func cut(mapped string, limit int) int {
	end := 0
	for end < len(mapped) {
		next := end + tokenLen(mapped[end:])
		if next > limit {
			break
		}
		end = next
	}
	return end
}

func tokenLen(s string) int {
	if rest, ok := strings.CutPrefix(s, escapeText); ok {
		if strings.HasPrefix(rest, escapeText) {
			return 2 * len(escapeText)
		}
		return len(escapeText) + 2
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// nameEncoding is lower-case base32: safe in every file system, and equal only if equal under case folding.
var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
