package plan

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func FuzzPatternsAreRefusedOrDecideAlike(f *testing.F) {
	for _, seed := range [][2]string{
		{"*.pdf", "a/b.PDF"}, {"tmp/", "tmp"}, {"/top.txt", "top.txt"}, {"a/**/b", "a/x/y/b"}, {"[a-", "a"}, {"{a,b}/*", "B/c"}, {"**", "x"},
		{"", ""}, {"/", "a"}, {"\\*", "*"}, {"É*", "é.txt"}, {"[^a]/", "b/c"}, {"a//b", "a//b"}, {strings.Repeat("*a", 30), strings.Repeat("a", 60)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern) > 200 || len(path) > 400 { // longer than any path of the service (N4)
			return
		}
		sel, err := Select{Include: []string{pattern}}.Compile()
		if err != nil {
			return
		}
		path = strings.Trim(path, "/")
		first := sel.File(RemotePath(path), 1, time.Time{}, false)
		if again := sel.File(RemotePath(path), 1, time.Time{}, false); again != first {
			t.Errorf("two verdicts on %q: %v and %v", path, first, again)
		}
		if lower := strings.ToLower(path); strings.ToLower(strings.ToUpper(lower)) == lower {
			if upper := sel.File(RemotePath(strings.ToUpper(lower)), 1, time.Time{}, false); upper.Selected != first.Selected {
				t.Errorf("case decides: %q selects %q %v, in capitals %v (N7)", pattern, path, first.Selected, upper.Selected)
			}
		}
		both, err := Select{Include: []string{pattern}, Exclude: []string{pattern}}.Compile()
		if err != nil {
			t.Fatalf("a pattern is good to include and bad to exclude: %v", err)
		}
		if v := both.File(RemotePath(path), 1, time.Time{}, false); v.Selected {
			t.Errorf("%q is included and excluded by %q, and selected", path, pattern)
		}
	})
}

// somePlan is a small plan file.
func somePlan(t testing.TB) []byte {
	t.Helper()
	h := &Header{Mode: ModeNormal, Configuration: Configuration{Files: []FileRef{{Name: "main.hcl", Content: []byte("mirror \"a\" {}\n")}}}}
	d, err := NewDraft(h, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d.Mirror(&Mirror{Address: "mirror.a"})
	for i, action := range []Action{Add, Delete, Blocked} {
		err := d.Add(Change{Mirror: "mirror.a", Path: RelPath(fmt.Sprint("f", i)), ItemID: ItemID(fmt.Sprint(i)), Actions: []Action{action}, Cause: BySource, Reason: NewAtSource})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := d.Finish(time.Unix(1_700_000_000, 0), nil, nil)
	defer p.Close()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzAPlanFileIsReadWholeOrRefused(f *testing.F) {
	good := somePlan(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(append([]byte("junk"), good...))
	f.Add(rezipped(f, good, func(name string, data []byte) []byte {
		return bytes.ReplaceAll(data, []byte("delete"), []byte("forget"))
	}))
	f.Add(rezipped(f, good, func(_ string, data []byte) []byte { return append(data, '{') }))
	f.Add([]byte{})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, fmt.Sprintf("%x.spplan", len(data)))
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Open(name)
		if err != nil {
			if !errors.Is(err, ErrNotPlan) && !errors.Is(err, ErrAltered) && !errors.Is(err, ErrPlanFormat) {
				t.Errorf("refused without a kind: %v", err)
			}
			return
		}
		defer p.Close()
		for _, err := range p.Changes() {
			if err != nil {
				break
			}
		}
		for _, err := range p.Drifts() {
			if err != nil {
				break
			}
		}
		if p.Digest == "" || p.PlanID == "" {
			t.Error("an open plan has no digest")
		}
	})
}

// rezipped writes the entries of a zip anew, each changed.
func rezipped(t testing.TB, data []byte, change func(name string, data []byte) []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range r.File {
		in, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		to, err := w.Create(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(change(e.Name, text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAPlanThatWasChangedIsRefused(t *testing.T) {
	good := somePlan(t)
	open := func(data []byte) error {
		name := filepath.Join(t.TempDir(), "x.spplan")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Open(name)
		if err == nil {
			p.Close()
		}
		return err
	}
	if err := open(good); err != nil {
		t.Fatal(err)
	}
	if err := open(rezipped(t, good, func(_ string, data []byte) []byte { return data })); err != nil {
		t.Errorf("another compression of the same entries: %v", err)
	}
	for _, target := range []string{entryHeader, entryItems, entryConfig + "main.hcl", entryDigests} {
		bent := rezipped(t, good, func(name string, data []byte) []byte {
			if name == target {
				return append(bytes.Clone(data), '\n')
			}
			return data
		})
		if err := open(bent); !errors.Is(err, ErrAltered) {
			t.Errorf("%s was changed: %v", target, err)
		}
	}
	var twice bytes.Buffer
	w := zip.NewWriter(&twice)
	for range 2 {
		if _, err := w.Create(entryHeader); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Create(entryDigests); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(twice.Bytes()); !errors.Is(err, ErrAltered) {
		t.Errorf("two headers: %v", err)
	}
}
