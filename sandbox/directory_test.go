package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func write(t testing.TB, root, path, content string) {
	t.Helper()
	full := filepath.Join(root, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	stamp := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(len(content)) * time.Second)
	if err := os.Chtimes(full, stamp, stamp); err != nil {
		t.Fatal(err)
	}
}

func directoryOptions(root, state string) Options {
	return Options{Seed: 1, StaticTokens: []string{DemoToken}, StateFile: state,
		Sites: []SiteSpec{{Path: "sites/d", Name: "D", Drives: []DriveSpec{{Name: "Documents", Segment: "Shared Documents", Directory: root}}}}}
}

func TestADirectoryIsServedAndItsEditsShow(t *testing.T) {
	for _, journal := range []bool{false, true} {
		t.Run(fmt.Sprintf("journal %t", journal), func(t *testing.T) {
			root, state := t.TempDir(), ""
			write(t, root, "a.txt", "alpha")
			write(t, root, "dir/b.txt", "beta!!")
			write(t, root, "dir/moves.bin", "the same bytes")
			if err := os.Symlink("a.txt", filepath.Join(root, "link")); err != nil {
				t.Fatal(err)
			}
			if journal {
				state = filepath.Join(t.TempDir(), "state")
			}
			tn := makeTenant(t, directoryOptions(root, state))
			d := tn.Drive("d/Documents")
			r := &replica{}
			r.round(t, tn, driveURL(d, "/root/delta"))
			sameTree(t, r, d)
			if len(r.items) != 5 {
				t.Errorf("%d items, want 5: links are not content", len(r.items))
			}
			moved := text(object(t, ask(tn, driveURL(d, "/root:/dir/moves.bin")), 200), "id")
			write(t, root, "new/c.txt", "gamma")
			write(t, root, "a.txt", "alpha has changed")
			if err := os.Rename(filepath.Join(root, "dir/moves.bin"), filepath.Join(root, "moves.bin")); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(root, "dir/b.txt")); err != nil {
				t.Fatal(err)
			}
			if err := d.Rescan(); err != nil {
				t.Fatal(err)
			}
			r.round(t, tn, "")
			sameTree(t, r, d)
			if now := text(object(t, ask(tn, driveURL(d, "/root:/moves.bin")), 200), "id"); now != moved {
				t.Errorf("a moved file has the id %s, had %s (D24)", now, moved)
			}
		})
	}
}

func TestALinkToADirectorySurvivesTheProcess(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a.txt", "alpha")
	write(t, root, "dir/b.txt", "beta!!")
	for _, journal := range []bool{false, true} {
		t.Run(fmt.Sprintf("journal %t", journal), func(t *testing.T) {
			state := ""
			if journal {
				state = filepath.Join(t.TempDir(), "state")
			}
			first := makeTenant(t, directoryOptions(root, state))
			d := first.Drive("d/Documents")
			link := text(object(t, ask(first, driveURL(d, "/root/delta")), 200), "@odata.deltaLink")
			first.Close()
			second := makeTenant(t, directoryOptions(root, state))
			if n := len(values(object(t, ask(second, link), 200))); n != 1 {
				t.Errorf("an unchanged directory shows %d items", n)
			}
			second.Close()
			write(t, root, "dir/new"+fmt.Sprint(journal), "x")
			third := makeTenant(t, directoryOptions(root, state))
			resp := ask(third, link)
			if !journal {
				wantCode(t, resp, 410, "resyncRequired")
				return
			}
			var names []string
			for _, it := range values(object(t, resp, 200)) {
				names = append(names, text(it, "name"))
			}
			if !slices.Equal(names, []string{"newtrue", "dir", "root"}) {
				t.Errorf("shown are %q", names)
			}
		})
	}
}

func TestScanningThousandsOfFilesIsQuick(t *testing.T) {
	root := t.TempDir()
	for i := range 3000 {
		write(t, root, fmt.Sprintf("d%02d/f%04d", i%50, i), "x")
	}
	start := time.Now()
	tn := makeTenant(t, directoryOptions(root, ""))
	t.Logf("3000 files in %v", time.Since(start))
	if n := len(tn.Drive("d/Documents").items); n != 3051 {
		t.Errorf("%d items", n)
	}
}
