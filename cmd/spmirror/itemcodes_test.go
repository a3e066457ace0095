package main

import (
	"encoding/binary"
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// TestEveryResultOfAnItemHasItsCode lets everything that can happen to an item between
// plan and apply happen at once: each is named by its code, and nothing else is held up.
func TestEveryResultOfAnItemHasItsCode(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{
		{Path: "local.txt", Text: "one"}, {Path: "deleted.txt", Text: "one"}, {Path: "other.txt", Text: "one"},
	}})
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.Replace(string(data), "guard {", "content {\n    unverifiable = \"fail\"\n  }\n  guard {", 1))
	w.run(exitOK, "apply", "-auto-approve")
	err = w.tenant.RunScript(`
put people/Documents /new.txt text="new"
put people/Documents /changes.txt text="old"
put people/Documents /in-the-way.txt text="theirs"
put people/Documents /infected.txt text="evil"
put people/Documents /blocked.txt text="theirs"
put people/Documents /gone.txt text="gone"
put people/Documents /nohash.txt text="nohash"
put people/Documents /local.txt text="two"
nohash people/Documents /nohash.txt
delete people/Documents /deleted.txt
`)
	w.write("mirror/blocked.txt", "mine")
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitOK, "plan", "-out=p.spplan")
	err = w.tenant.RunScript(`
put people/Documents /changes.txt text="newer"
malware people/Documents /infected.txt
delete people/Documents /gone.txt
`)
	w.write("mirror/in-the-way.txt", "mine")
	w.write("mirror/local.txt", "mine")
	if err != nil {
		t.Fatal(err)
	}
	w.run(exitIncomplete, "apply", "p.spplan")
	rows, err := csv.NewReader(strings.NewReader(w.run(exitOK, "runs", "show", "-csv", "3"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, row := range rows[1:] {
		got[row[2]] = row[5]
	}
	for path, code := range map[string]string{
		"/new.txt": "", "/changes.txt": "SPM0503", "/local.txt": "SPM0504", "/in-the-way.txt": "SPM0505", "/gone.txt": "SPM0506",
		"/infected.txt": "SPM0512", "/blocked.txt": "SPM0514", "/deleted.txt": "SPM0515", "/nohash.txt": "SPM0517",
	} {
		if code != got[path] {
			t.Errorf("%s has the code %q, want %q", path, got[path], code)
		}
	}
	for path, want := range map[string]string{"local.txt": "mine", "in-the-way.txt": "mine", "blocked.txt": "mine", "deleted.txt": "one", "new.txt": "new"} {
		if have, err := os.ReadFile(w.path("mirror/" + path)); string(have) != want {
			t.Errorf("%s holds %q, %v", path, have, err)
		}
	}
}

func TestSourcesThatAreNoneHaveTheirCode(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "one"}}})
	data, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	site := `site   = "https://contoso.sharepoint.com/sites/people"`
	for code, source := range map[string]string{
		"SPM0607": `share_url = "https://contoso.sharepoint.com/sites/people/Shared%20Documents/a.txt"`,
		"SPM0602": `user = "adele@contoso.com"`,
	} {
		w.write("main.hcl", strings.Replace(string(data), site, source, 1))
		if out := w.run(exitError, "plan"); !strings.Contains(out, "["+code+"]") {
			t.Errorf("%s says\n%s", source, out)
		}
	}
}

func TestAStateOfTheFutureIsRefused(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "one"}}})
	w.run(exitOK, "apply", "-auto-approve")
	data, err := os.ReadFile(w.path("spmirror.db"))
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(data[60:], 99) // where SQLite keeps user_version, the number of our format
	w.write("spmirror.db", string(data))
	w.run(exitError, "plan")
	if said, err := os.ReadFile(w.path("stderr.txt")); !strings.Contains(string(said), "[SPM0702]") {
		t.Errorf("it says %s %v", said, err)
	}
}
