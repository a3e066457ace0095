package target

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// same in a table means: the name stands for itself.
const same = "\x00same"

func TestNamesAreMappedAsTheListOfHostileNamesDemands(t *testing.T) {
	long := strings.Repeat("字", 255)
	for _, tc := range []struct {
		id, remote, native, portable string
		refused                      Reason
	}{
		{id: "H-01", remote: ".", refused: ReasonDots},
		{id: "H-01", remote: "..", refused: ReasonDots},
		{id: "H-01", remote: "...", native: same, portable: "..␛2E"},
		{id: "H-02", remote: "../../etc/cron.d/x", refused: ReasonSeparator},
		{id: "H-03", remote: `..\..\x`, native: "..␛5C..␛5Cx", portable: "..␛5C..␛5Cx"},
		{id: "H-04", remote: "/absolute", refused: ReasonSeparator},
		{id: "H-04", remote: `C:\x`, native: "C:␛5Cx", portable: "C␛3A␛5Cx"},
		{id: "H-04", remote: `\\server\share`, native: "␛5C␛5Cserver␛5Cshare", portable: "␛5C␛5Cserver␛5Cshare"},
		{id: "H-04", remote: "C:x", native: same, portable: "C␛3Ax"},
		{id: "H-05", remote: "", refused: ReasonEmpty},
		{id: "H-06", remote: "a\x00b", refused: ReasonNUL},
		{id: "H-07", remote: "a\nb\rc\td", native: "a␛0Ab␛0Dc␛09d", portable: "a␛0Ab␛0Dc␛09d"},
		{id: "H-07", remote: "\x1b[2J", native: "␛1B[2J", portable: "␛1B[2J"},
		{id: "H-07", remote: "\x1b]52;c;aGk=\a", native: "␛1B]52;c;aGk=␛07", portable: "␛1B]52;c;aGk=␛07"},
		{id: "H-07", remote: "c1\u009bm\u0085\x7f", native: "c1␛9Bm␛85␛7F", portable: "c1␛9Bm␛85␛7F"},
		{id: "H-08", remote: "invoice\u202efdp.exe", native: same, portable: same},
		{id: "H-09", remote: "a\u2066b\u2069\u200e\u061c\ufeff\u200bc", native: same, portable: same},
		{id: "H-10", remote: "tag\U000e0041\U000e007f", native: same, portable: same},
		{id: "H-11", remote: "CON", native: same, portable: "␛43ON"},
		{id: "H-11", remote: "nul.txt", native: same, portable: "␛6Eul.txt"},
		{id: "H-11", remote: "COM1", native: same, portable: "␛43OM1"},
		{id: "H-11", remote: "COM¹", native: same, portable: "␛43OM¹"},
		{id: "H-11", remote: "LPT9.tar.gz", native: same, portable: "␛4CPT9.tar.gz"},
		{id: "H-11", remote: "CONIN$", native: same, portable: "␛43ONIN$"},
		{id: "H-11", remote: "aux .txt", native: same, portable: "␛61ux .txt"},
		{id: "H-11", remote: "COM10", native: same, portable: same},
		{id: "H-11", remote: "CONTRACT.docx", native: same, portable: same},
		{id: "H-12", remote: "name.", native: same, portable: "name␛2E"},
		{id: "H-12", remote: "name ", native: same, portable: "name␛20"},
		{id: "H-12", remote: " name", native: same, portable: "␛20name"},
		{id: "H-12", remote: "name. . .", native: same, portable: "name. . ␛2E"},
		{id: "H-12", remote: " ", native: same, portable: "␛20"},
		{id: "H-13", remote: "file.txt::$DATA", native: same, portable: "file.txt␛3A␛3A$DATA"},
		{id: "H-17", remote: long + ".docx", native: "", portable: ""},
		{id: "H-20", remote: ".spmirror", native: "␛2Espmirror", portable: "␛2Espmirror"},
		{id: "H-20", remote: ".SPMirror-probe-x", native: "␛2ESPMirror-probe-x", portable: "␛2ESPMirror-probe-x"},
		{id: "H-20", remote: ".ſpmirror", native: "␛2Eſpmirror", portable: "␛2Eſpmirror"},
		{id: "H-20", remote: "\u200d.sp\u200bmirror", native: "\u200d␛2Esp\u200bmirror", portable: "\u200d␛2Esp\u200bmirror"},
		{id: "H-20", remote: "SPMIRR~1", native: same, portable: "␛53PMIRR~1"},
		{id: "H-20", remote: "spmirror.db", native: same, portable: same},
		{id: "H-20", remote: ".spm", native: same, portable: same},
		{id: "H-21", remote: "~$doc.docx", native: same, portable: same},
		{id: "H-21", remote: "desktop.ini", native: same, portable: same},
		{id: "H-22", remote: "-rf", native: same, portable: same},
		{id: "H-22", remote: "$(id);`id`%PATH%!x", native: same, portable: same},
		{id: "H-23", remote: "=cmd|'", native: same, portable: "=cmd␛7C'"},
		{id: "H-24", remote: "@team ``` #1", native: same, portable: same},
		{id: "H-25", remote: "bad\xff", refused: ReasonEncoding},
		{id: "H-26", remote: "\xed\xa0\x80", refused: ReasonEncoding},
		{id: "H-26", remote: "\ufffd", native: same, portable: same},
		{id: "H-27", remote: strings.Repeat("n", 1<<20), refused: ReasonTooLong},
		{id: "H-28", remote: "👩‍👩‍👧 עברית Z̵̧a̸", native: same, portable: same},
		{id: "H-29", remote: "CLOCK$", native: same, portable: "␛43LOCK$"},
		{id: "H-29", remote: "$MFT", native: same, portable: "␛24MFT"},
		{id: "H-29", remote: "System Volume Information", native: same, portable: "␛53ystem Volume Information"},
		{id: "H-30", remote: "%2e%2e%2f%00%252e", native: same, portable: same},
		{id: "H-31", remote: "␛43ON", native: "␛␛43ON", portable: "␛␛43ON"},
		{id: "H-31", remote: "␛␛43ON", native: "␛␛␛␛43ON", portable: "␛␛␛␛43ON"},
		{id: "H-31", remote: "␛~aaa", native: "␛␛~aaa", portable: "␛␛~aaa"},
	} {
		for _, n := range []Naming{{}, {Portable: true}} {
			want := tc.native
			if n.Portable {
				want = tc.portable
			}
			got, err := n.Local(tc.remote)
			if tc.refused != "" {
				if e, ok := errors.AsType[*NameError](err); !ok || e.Reason != tc.refused || len(e.Error()) > 500 {
					t.Errorf("%s %.40q: error %.100v, want %s", tc.id, tc.remote, err, tc.refused)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s %q: %v", tc.id, tc.remote, err)
				continue
			}
			if want == same {
				want = tc.remote
			}
			if want != "" && string(got) != want {
				t.Errorf("%s %q, portable %v: %q, want %q", tc.id, tc.remote, n.Portable, got, want)
			}
			back, err := n.Remote(got)
			if got.Shortened() {
				if e, ok := errors.AsType[*NameError](err); !ok || e.Reason != ReasonShortened {
					t.Errorf("%s: a shortened name came back as %q, %v", tc.id, back, err)
				}
			} else if back != tc.remote || err != nil {
				t.Errorf("%s %q came back as %q, %v", tc.id, tc.remote, back, err)
			}
		}
	}
}

func TestLongNamesAreCutWithAHashAndKeepTheirExtension(t *testing.T) {
	for _, remote := range []string{
		strings.Repeat("字", 255),
		strings.Repeat("字", 200) + ".docx",
		strings.Repeat("␛", 90) + ".txt",
		strings.Repeat("\\", 100) + ".x",
		strings.Repeat("a.", 200) + "tar.gz",
		strings.Repeat("a", 250) + "." + strings.Repeat("b", 40),
		"." + strings.Repeat("x", 300),
		strings.Repeat("a", 300) + ".",
	} {
		for _, n := range []Naming{{}, {Portable: true}} {
			a, err := n.Local(remote)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := n.Local(remote)
			other, _ := n.Local(remote + "x")
			if len(a) > maxNameBytes || !utf8.ValidString(string(a)) || a != b || a == other || !a.Shortened() {
				t.Errorf("%.20q…: %q (%d bytes)", remote, a, len(a))
			}
			if ext := filepath.Ext(remote); len(ext) > 1 && len(ext) < 10 && filepath.Ext(string(a)) != ext {
				t.Errorf("%.20q… lost its extension: %q", remote, a)
			}
			if n.Portable && strings.ContainsAny(string(a[len(a)-1]), ". ") {
				t.Errorf("%q ends as Windows does not allow", a)
			}
		}
	}
}

func TestNamesOf255BytesAreLeftAlone(t *testing.T) {
	name := strings.Repeat("x", 251) + ".txt"
	if got, err := (Naming{}).Local(name); err != nil || string(got) != name {
		t.Errorf("%q %v", got, err)
	}
	if got, _ := (Naming{}).Local(name + "x"); !got.Shortened() {
		t.Errorf("%q", got)
	}
}

// remoteName draws names that are valid remotely, rich in what the mapping treats specially.
func remoteName() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{"␛", "␛␛", "␛3A", "␛~", "~", "3A", "\\", ":", "*", "?", "\"", "<", ">", "|", ".", "..", " ",
		"\t", "\u0085", "\x7f", "CON", "con", "nul", "COM¹", ".spmirror", "SPMIRR~1", "%2E", "é", "e\u0301", "ß", "ss", "İ", "ı", "K", "ς",
		"\u200d", "字", "😀", "\u202e", "$MFT"})
	part := rapid.OneOf(special, special, rapid.StringN(0, 6, 12))
	return rapid.Custom(func(t *rapid.T) string {
		name := strings.Join(rapid.SliceOfN(part, 1, 8).Draw(t, "parts"), "")
		if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
			name = strings.Repeat(name+"x", 40)
		}
		return name
	}).Filter(func(s string) bool { return refuse(s) == "" })
}

func naming() *rapid.Generator[Naming] {
	return rapid.Custom(func(t *rapid.T) Naming {
		return Naming{Portable: rapid.Bool().Draw(t, "portable"), Folding: Folding(rapid.IntRange(0, 63).Draw(t, "folding"))}
	})
}

func TestTheMappingIsReversibleAndInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := naming().Draw(t, "naming")
		a, b := remoteName().Draw(t, "a"), remoteName().Draw(t, "b")
		la, err := n.Local(a)
		if err != nil {
			t.Fatal(err)
		}
		lb, err := n.Local(b)
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != (la == lb) {
			t.Fatalf("%q and %q became %q and %q", a, b, la, lb)
		}
		back, err := n.Remote(la)
		if la.Shortened() != (err != nil) || err == nil && back != a {
			t.Fatalf("%q became %q and came back as %q, %v", a, la, back, err)
		}
		// A mapped form is a name like any other and gets a form of its own (H-31).
		if again, err := n.Local(string(la)); err == nil && again == la && string(la) != a {
			t.Fatalf("%q and its own mapped form %q share a local name", a, la)
		}
	})
}

// checkSafe holds for every local name, wherever it came from.
func checkSafe(n Naming, local LocalName) error {
	s := string(local)
	switch {
	case RelPath(local).Check() != nil || strings.ContainsAny(s, "/\\\x00"):
		return errors.New("not a single component")
	case !utf8.ValidString(s) || len(s) > maxNameBytes:
		return errors.New("not storable")
	case strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }):
		return errors.New("control character")
	case controlLike(s):
		return errors.New("control name")
	case filepath.Join("/root/of", s) != "/root/of/"+s:
		return errors.New("escapes")
	case !n.Portable:
		return nil
	case strings.ContainsAny(s, `<>:"|?*`) || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.HasSuffix(s, "."):
		return errors.New("not allowed on Windows")
	case windowsReserved(s):
		return errors.New("reserved on Windows")
	}
	return nil
}

func TestNoMappedNameEscapesOrIsUnsafe(t *testing.T) {
	count := 100_000
	if testing.Short() {
		count = 10_000
	}
	gen := remoteName()
	for i := range count / 100 {
		for _, name := range rapid.SliceOfN(gen, 100, 100).Example(i) {
			for _, n := range []Naming{{}, {Portable: true}} {
				local, err := n.Local(name)
				if err == nil {
					err = checkSafe(n, local)
				}
				if err != nil {
					t.Fatalf("%q became %q: %v", name, local, err)
				}
			}
		}
	}
}

func FuzzNaming(f *testing.F) {
	for _, s := range []string{"a", "..", "CON.txt", "␛3A", "␛~", "x. ", ".spmirror", "\xff", "a\\b", strings.Repeat("é", 200)} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, portable bool) {
		n := Naming{Portable: portable, Folding: FoldCase | FoldNormal}
		local, err := n.Local(s)
		if err != nil {
			if _, ok := errors.AsType[*NameError](err); !ok {
				t.Fatal(err)
			}
		} else {
			if err := checkSafe(n, local); err != nil {
				t.Fatalf("%q became %q: %v", s, local, err)
			}
			if back, err := n.Remote(local); !local.Shortened() && (err != nil || back != s) {
				t.Fatalf("%q came back as %q, %v", s, back, err)
			}
			if key := n.Fold(local); foldWith(key, FoldCase|FoldNormal) != key {
				t.Fatalf("folding %q is not stable", local)
			}
		}
		// Foreign local names: whatever Remote accepts, Local gives back.
		if remote, err := n.Remote(LocalName(s)); err == nil {
			if again, err := n.Local(remote); err != nil || string(again) != s {
				t.Fatalf("%q gave %q gave %q, %v", s, remote, again, err)
			}
		}
	})
}

func TestFoldingFollowsTheProbedTable(t *testing.T) {
	for _, tc := range []struct {
		id, a, b string
		need     Folding // all of these are needed, and enough, for a and b to be one
	}{
		{"H-14", "File.txt", "file.TXT", FoldCase},
		{"H-15", "\u00e9.txt", "e\u0301.txt", FoldNormal},
		{"H-15", "\u00c9.txt", "e\u0301.txt", FoldNormal | FoldCase},
		{"H-16", "straße", "strasse", FoldFull},
		{"H-16", "STRASSE", "straße", FoldFull},
		{"H-16", "sınır", "sinir", FoldDotless},
		{"H-16", "\u212a", "k", FoldCase},
		{"H-16", "ΟΔΟΣ", "οδος", FoldCase},
		{"H-16", "οδος", "οδοσ", FoldCase},
		{"N6", "a\u200db", "ab", FoldIgnorable},
		{"N6", "name", "name. .", FoldTrailing},
	} {
		for how := range Folding(64) {
			n := Naming{Folding: how}
			enough := how&tc.need == tc.need || tc.need&FoldCase != 0 && how&FoldFull != 0 && how&(tc.need&^FoldCase) == tc.need&^FoldCase
			if got := n.Fold(LocalName(tc.a)) == n.Fold(LocalName(tc.b)); got != enough {
				t.Errorf("%s under %v: %q and %q equal: %v", tc.id, how, tc.a, tc.b, got)
			}
		}
	}
}

func TestNothingIsFoldedOnAnExactTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := LocalName(remoteName().Draw(t, "name"))
		if got := (Naming{}).Fold(local); got != string(local) {
			t.Fatalf("%q became %q", local, got)
		}
	})
}

func TestFoldingAFoldedNameChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := naming().Draw(t, "naming")
		s := rapid.OneOf(remoteName(), rapid.String()).Draw(t, "name")
		once := n.Fold(LocalName(s))
		if twice := n.Fold(LocalName(once)); twice != once {
			t.Fatalf("%q folds to %q and then to %q", s, once, twice)
		}
		if n.Folding&FoldNormal != 0 && n.Fold(LocalName(norm.NFD.String(s))) != once {
			t.Fatalf("%q and its decomposed form differ", s)
		}
	})
}

func TestEveryCharacterFoldsOnce(t *testing.T) {
	const lastWithCase = 0x1ffff // far beyond
	for r := rune(0); r <= lastWithCase; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, how := range []Folding{FoldCase, FoldFull, FoldCase | FoldNormal, foldPortable, foldEverything} {
			once := foldWith("x"+string(r), how)
			if twice := foldWith(once, how); twice != once {
				t.Errorf("%U under %v: %q then %q", r, how, once, twice)
			}
		}
	}
}

func TestManySiblingsThatDifferOnlyInCaseFoldToOneKey(t *testing.T) {
	n := Naming{Folding: FoldCase}
	seen := map[string]int{}
	for i := range 100_000 { // H-32
		name := []byte("abcdefghijklmnopq")
		for bit := range name {
			if i>>bit&1 == 1 {
				name[bit] -= 'a' - 'A'
			}
		}
		seen[n.Fold(LocalName(name))]++
	}
	if len(seen) != 1 {
		t.Errorf("%d keys", len(seen))
	}
}

// What the mapping makes can be stored, and names it keeps apart are apart on the disk of this machine.
func TestMappedNamesCanBeMadeOnDisk(t *testing.T) {
	dir := t.TempDir()
	caps, err := Probe(dir)
	must(t, err)
	n := Naming{Folding: caps.Folding}
	byKey := map[string]string{}
	for i, remote := range rapid.SliceOfN(remoteName(), 300, 300).Example(7) {
		local, err := n.Local(remote)
		must(t, err)
		if old, ok := byKey[n.Fold(local)]; ok && old != remote {
			continue
		}
		byKey[n.Fold(local)] = remote
		if err := os.WriteFile(filepath.Join(dir, string(local)), []byte(remote), 0o600); err != nil {
			t.Fatalf("%d: %q: %v", i, local, err)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != len(byKey) {
		t.Errorf("%d names on disk for %d keys", len(entries), len(byKey))
	}
	for _, e := range entries {
		if got := read(t, filepath.Join(dir, e.Name())); byKey[n.Fold(LocalName(e.Name()))] != got {
			t.Errorf("%q holds the bytes of %q", e.Name(), got)
		}
	}
}

func ExampleNaming_Local() {
	n := Naming{Portable: true}
	for _, remote := range []string{"Report: 50% done.docx", "CON.txt", "draft."} {
		local, _ := n.Local(remote)
		fmt.Println(local)
	}
	// Output:
	// Report␛3A 50% done.docx
	// ␛43ON.txt
	// draft␛2E
}
