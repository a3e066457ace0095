package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

const oneTenant = "tenant \"t\" {\n  sandbox {}\n}\n"

// generated loads a generated file beside a tenant and existing mirrors.
func generated(t interface {
	Fatal(...any)
	Helper()
}, dir, existing string, g *Generator) *Config {
	t.Helper()
	for name, text := range map[string]string{"main.hcl": oneTenant + existing, "found.hcl": string(g.Bytes())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, diags := Load(Options{Dir: dir})
	if diags.HasErrors() {
		t.Fatal(diags, "\n", string(g.Bytes()))
	}
	formatted, _ := Format(g.Bytes(), "found.hcl")
	if string(formatted) != string(g.Bytes()) {
		t.Fatal("not canonical:\n", string(g.Bytes()))
	}
	return cfg
}

func TestGeneratedMirrorsHaveNamesOfTheirOwn(t *testing.T) {
	existing := "\nmirror \"people\" {\n  site   = \"https://contoso.sharepoint.com/sites/people\"\n  target = \"./elsewhere/finance\"\n}\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(oneTenant+existing), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := Load(Options{Dir: dir})
	g := NewGenerator("Found.", "mirror", before.Mirrors)
	var names []string
	for _, wished := range []string{"People", "people", "Finance", "2026", "日本", "日本", "Größe & Maß", strings.Repeat("long ", 40)} {
		name, err := g.Add(NewMirror{About: wished, Name: wished, Kind: "site", Ways: []Source{{Site: "https://contoso.sharepoint.com/sites/x"}}})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	want := "people-2 people-3 finance-2 site-2026 site site-2 grosse-mass long-long-long-long-long-long-long-long-long-long-long-long"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names are\n%s, want\n%s", got, want)
	}
	if cfg := generated(t, dir, existing, g); len(cfg.Mirrors) != 9 {
		t.Errorf("%d mirrors are declared", len(cfg.Mirrors))
	}
}

func TestAGeneratedMirrorSaysWhatItCannotExpress(t *testing.T) {
	for _, test := range []struct {
		source Source
		want   string
	}{
		{Source{Site: "https://contoso.sharepoint.com/sites/people/Shared%20Documents/Forms/AllItems.aspx"}, "not that of a site"},
		{Source{User: "adele?@fabrikam.com"}, "does not take"},
		{Source{DriveID: "b!x", Folder: "/a/../b"}, "cannot be the name of a folder"},
		{Source{DriveID: "b!x", Folder: "/\u202etxt.exe"}, "hidden character"},
		{Source{Site: "https://contoso.sharepoint.com", Drive: "a/b"}, "slash"},
		{Source{Site: "https://contoso.sharepoint.com", Drive: "line\nfeed"}, "hidden character"},
		{Source{Site: "https://contoso.sharepoint.com/sites/cafe\u0301", Drive: "x"}, "composed"},
		{Source{ShareURL: "https://contoso.sharepoint.com/:f:/s/cafe\u0301"}, "composed"},
	} {
		g := NewGenerator("Found.", "mirror", nil)
		if _, err := g.Add(NewMirror{Name: "x", Kind: "x", Ways: []Source{test.source}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.source, err, test.want)
		}
		name, err := g.Add(NewMirror{Name: "x", Kind: "x", Ways: []Source{test.source, {DriveID: "b!other"}}})
		if err != nil || name != "x" {
			t.Errorf("the second way was not taken: %v", err)
		}
	}
}

// TestWhateverIsFoundTheGeneratedFileSaysTheSame gives the generator any texts at all: what it
// writes is accepted by the language and means what was found.
func TestWhateverIsFoundTheGeneratedFileSaysTheSame(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"${path.module}", "%{ if true }", "\"quoted\"", "back\\slash", "line\nfeed", "\u202egnp.exe", "#", "/* */", "a # b", "$${x}", "<<EOT", "é e\u0301", "",
		}))
		g := NewGenerator(text.Draw(t, "header"), "mirror", nil)
		want := map[string]Source{}
		for range rapid.IntRange(1, 5).Draw(t, "mirrors") {
			source := Source{DriveID: text.Draw(t, "drive_id"), Folder: "/" + text.Draw(t, "folder")}
			if rapid.Bool().Draw(t, "by site") {
				source = Source{Site: "https://contoso.sharepoint.com/sites/x", Drive: text.Draw(t, "drive")}
			} else if source.DriveID == "" {
				continue
			}
			name, err := g.Add(NewMirror{About: text.Draw(t, "about"), Name: text.Draw(t, "name"), Kind: "drive", Ways: []Source{source}})
			if err == nil {
				want[name] = source
			}
		}
		cfg := generated(t, dir, "", g)
		if len(cfg.Mirrors) != len(want) || g.Mirrors() != len(want) {
			t.Fatalf("%d mirrors are declared, %d were written", len(cfg.Mirrors), len(want))
		}
		for _, m := range cfg.Mirrors {
			w := want[m.Name]
			if m.Source.DriveID != w.DriveID || m.Source.Site != w.Site || m.Source.Drive != norm.NFC.String(w.Drive) {
				t.Errorf("mirror %s means %+v, found was %+v", m.Name, m.Source, w)
			}
		}
	})
}
