package plan

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sealed is a plan file of any content, with digests that fit: whoever can write a file
// can write those too.
func sealed(t testing.TB, header, items, drift []byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	sums := &digests{}
	for _, e := range []struct {
		name string
		data []byte
	}{{entryHeader, header}, {entryItems, items}, {entryDrift, drift}} {
		err := sums.entry(z, e.name, func(w io.Writer) error {
			_, err := w.Write(e.data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(sums.finish(z), z.Close()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.spplan")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// members returns the entries of a plan file.
func members(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	list := make(map[string][]byte)
	rezipped(t, data, func(name string, text []byte) []byte {
		list[name] = text
		return text
	})
	return list
}

func FuzzWhatAPlanFileHoldsNeverBreaksItsReader(f *testing.F) {
	good := members(f, somePlan(f))
	f.Add(good[entryHeader], good[entryItems], good[entryDrift])
	f.Add([]byte(`{"format_version":"1.0"}`), []byte("{}\n"), []byte("{}\n"))
	f.Add([]byte(`{"format_version":"1.0","mirrors":[null]}`), []byte(`{"actions":[]}`+"\n"), []byte(`null`))
	f.Add([]byte(`{"format_version":"1.0","mirrors":[{"address":"mirror.a"}]}`), []byte(`{"mirror":"mirror.a","path":"../x","actions":["delete"],"remote":{"size":-9}}`+"\n"), []byte("\n\n"))
	f.Add([]byte(`{"format_version":"1.9"}`), []byte(`{"actions":["fly"]}`), []byte(`{"kind":7}`))
	f.Fuzz(func(t *testing.T, header, items, drift []byte) {
		p, err := Open(sealed(t, header, items, drift))
		if err != nil {
			if !errors.Is(err, ErrNotPlan) && !errors.Is(err, ErrAltered) && !errors.Is(err, ErrPlanFormat) {
				t.Errorf("refused without a kind: %v", err)
			}
			return
		}
		defer p.Close()
		for _, m := range p.Mirrors {
			m.Planned()
			m.Changes()
		}
		for c, err := range p.Changes() {
			if err != nil {
				break
			}
			if a := c.Action(); a != Blocked && c.Reason != TargetMoved && (strings.Contains("/"+string(c.Path)+"/", "/../") || strings.HasPrefix(string(c.Path), "/")) {
				t.Errorf("%s of %q would leave the target", a, c.Path)
			}
			c.Moves()
			c.DownloadBytes()
			c.Bytes()
		}
		for _, err := range p.Drifts() {
			if err != nil {
				break
			}
		}
	})
}
