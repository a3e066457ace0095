package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// BenchmarkScale measures whole commands against a tenant in another process, with
// drives of SPMIRROR_BENCH_ITEMS files (10000 unless set, several separated by
// commas). It reports seconds of CPU, wall seconds and peak memory of spmirror
// alone. BENCHMARKS.md quotes it.
func BenchmarkScale(b *testing.B) {
	for files, s := range scales(b) {
		b.Run(fmt.Sprintf("first-plan/%d", files), func(b *testing.B) { s.first(b) })
		s.fill(b)
		b.Run(fmt.Sprintf("no-change-plan/%d", files), func(b *testing.B) { s.measure(b, "plan", "-compact", "-verify=none") })
		b.Run(fmt.Sprintf("no-change-plan-with-stat/%d", files), func(b *testing.B) { s.measure(b, "plan", "-compact") })
		b.Run(fmt.Sprintf("compare-all-plan/%d", files), func(b *testing.B) {
			s.measure(b, "plan", "-compact", "-verify=none", "-refresh=false", "-replace="+s.file)
		})
		s.edit(b, 100)
		b.Run(fmt.Sprintf("plan-of-100-changes/%d", files), func(b *testing.B) { s.measure(b, "plan", "-compact", "-verify=none") })
	}
}

// BenchmarkForms measures what it takes to save a plan of SPMIRROR_BENCH_ITEMS adds and to
// show it in every form: seconds of CPU, peak memory, and bytes written. BENCHMARKS.md
// quotes it.
func BenchmarkForms(b *testing.B) {
	for files, s := range scales(b) {
		s.run(b, "plan", "-compact")
		file := filepath.Join(s.dir, "p.spplan")
		for _, form := range []struct {
			name string
			args []string
		}{
			{"plan-out", []string{"plan", "-compact", "-refresh=false", "-out=" + file}}, {"show-json", []string{"show", "-json", file}},
			{"show-jsonl", []string{"show", "-jsonl", file}}, {"show-csv", []string{"show", "-csv", file}}, {"show-md", []string{"show", "-md", file}},
			{"show-html", []string{"show", "-html", file}}, {"show", []string{"show", file}}, {"show-verbose", []string{"show", "-verbose", file}},
		} {
			b.Run(fmt.Sprintf("%s/%d", form.name, files), func(b *testing.B) { s.measure(b, form.args...) })
		}
	}
}

// BenchmarkLooks measures commands that look at what is recorded and on disk, with mirrors
// of SPMIRROR_BENCH_ITEMS files. BENCHMARKS.md quotes it.
func BenchmarkLooks(b *testing.B) {
	for files, s := range scales(b) {
		s.run(b, "plan", "-compact")
		s.fill(b)
		for _, args := range [][]string{
			{"status"}, {"show"}, {"show", "-json"}, {"state", "list", "-items"}, {"state", "list", "-items", "-json"}, {"state", "show", "mirror.m", s.file}, {"verify"},
		} {
			b.Run(fmt.Sprintf("%s/%d", strings.Join(args[:min(len(args), 4)], " "), files), func(b *testing.B) { s.measure(b, args...) })
		}
	}
}

// scales are drives of SPMIRROR_BENCH_ITEMS files, one after the other.
func scales(b *testing.B) iter.Seq2[int, *scale] {
	return func(yield func(int, *scale) bool) {
		bin := buildBinary(b)
		for _, text := range strings.Split(orText(os.Getenv("SPMIRROR_BENCH_ITEMS"), "10000"), ",") {
			files, err := strconv.Atoi(text)
			if err != nil {
				b.Fatal(err)
			}
			if !yield(files, newScale(b, bin, files)) {
				return
			}
		}
	}
}

func buildBinary(tb testing.TB) string {
	tb.Helper()
	bin := filepath.Join(tb.TempDir(), "spmirror")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		tb.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// scale is a tenant of one size and a directory to mirror it from.
type scale struct {
	bin, dir string
	graph    string
	ca       *http.Client
	ids      []state.ItemID // a hundred files, to be edited
	file     string         // the path of the first of them
}

func newScale(b *testing.B, bin string, files int) *scale {
	b.Helper()
	dir := b.TempDir()
	server := exec.Command(bin, "sandbox", "serve", "-listen", "127.0.0.1:0", "-ca-out", filepath.Join(dir, "ca.pem"), "-files", strconv.Itoa(files))
	return servedScale(b, bin, dir, server, scaleMirror)
}

// servedScale is a directory with a configuration for the tenant that a process serves.
func servedScale(b *testing.B, bin, dir string, server *exec.Cmd, mirrors string) *scale {
	b.Helper()
	s := &scale{bin: bin, dir: dir}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() })
	var graph, login string
	for scan := bufio.NewScanner(out); (graph == "" || login == "") && scan.Scan(); {
		fields := strings.Fields(scan.Text())
		switch {
		case len(fields) == 2 && fields[0] == "Graph":
			graph = strings.TrimSuffix(fields[1], "/v1.0")
		case len(fields) == 2 && fields[0] == "Login":
			login = fields[1][:strings.LastIndex(fields[1], "/")]
		}
	}
	s.graph = graph
	s.write(b, scaleTenant(graph, login)+mirrors)
	pool, err := readCA(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		b.Fatal(err)
	}
	s.ca = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return s
}

// edit writes new content to n files of the tenant.
func (s *scale) edit(b *testing.B, n int) {
	b.Helper()
	var edits []map[string]any
	for _, id := range s.ids[:min(n, len(s.ids))] {
		edits = append(edits, map[string]any{"op": "put", "drive": "sites/people/Documents", "item": id, "size": 5000})
	}
	body, err := json.Marshal(edits)
	if err != nil {
		b.Fatal(err)
	}
	s.admin(b, http.MethodPost, "edit", body)
}

// admin calls the admin endpoint of the tenant.
func (s *scale) admin(b *testing.B, method, what string, body []byte) []byte {
	b.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.graph+"/_sandbox/"+what, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := s.ca.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s: %s %s %v", what, resp.Status, text, err)
	}
	return text
}

// scaleConfig mirrors a library of a tenant that is served by another process.
func scaleConfig(graph, login string) string { return scaleTenant(graph, login) + scaleMirror }

func scaleTenant(graph, login string) string {
	return emulated("contoso.onmicrosoft.com", graph, login, strconv.Quote(sandbox.DemoSecret))
}

const scaleMirror = `
mirror "m" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "./mirror"
}
`

func (s *scale) write(b *testing.B, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "main.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// first measures the plan of a drive that was never read.
func (s *scale) first(b *testing.B) {
	for b.Loop() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(filepath.Join(s.dir, "spmirror.db"+suffix))
		}
		s.run(b, "plan", "-compact")
	}
}

func (s *scale) measure(b *testing.B, args ...string) {
	for b.Loop() {
		s.run(b, args...)
	}
}

// run runs the program once and reports what it cost.
func (s *scale) run(b *testing.B, args ...string) {
	b.Helper()
	cmd := exec.Command(s.bin, append([]string{"-chdir=" + s.dir}, args...)...)
	var out thrown
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	if err != nil && cmd.ProcessState.ExitCode() != exitIncomplete { // verify: the files hold nothing of what they should
		b.Fatalf("%v: %v\n%s", args, err, said.Bytes())
	}
	b.ReportMetric(float64(out)/(1<<20), "MiB-out")
	b.ReportMetric(float64(bytes.Count(said.Bytes(), []byte("\n"))), "lines-err")
	b.ReportMetric(time.Since(start).Seconds(), "wall-s")
	b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
	b.ReportMetric(float64(<-peak)/1024, "MiB")
	b.ReportMetric(0, "ns/op")
}

// thrown counts what is written to it, and keeps none of it.
type thrown int64

func (c *thrown) Write(p []byte) (int, error) {
	*c += thrown(len(p))
	return len(p), nil
}

// watchMemory reads the peak of a process's resident memory in KiB while it runs.
// What the system reports at its end would include this test's own, from which
// the process was forked.
func watchMemory(pid int, done <-chan struct{}) (peak int64) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil && n > peak {
			peak = n
		}
	}
}

// fill puts on disk and into the state what an apply would have: sparse files of
// the right size and time, and their rows. Applying a million files through HTTP
// is another benchmark's business.
func (s *scale) fill(b *testing.B) {
	b.Helper()
	ctx := context.Background()
	store, err := state.Open(ctx, filepath.Join(s.dir, "spmirror.db"), state.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	drives, err := store.Drives(ctx)
	if err != nil || len(drives) != 1 {
		b.Fatal(err, len(drives))
	}
	root := filepath.Join(s.dir, "mirror")
	marker := target.NewMarker(store.Lineage(), "mirror.m", string(drives[0].ID), time.Now())
	if err := target.Init(root, marker); err != nil {
		b.Fatal(err)
	}
	row := state.Mirror{Address: "mirror.m", Drive: drives[0].Key, Folder: drives[0].Root, FolderPath: "/", Target: root, Marker: marker.UUID, Created: time.Now()}
	if err := store.Tx(ctx, func(tx *state.Tx) (err error) { row.Key, err = tx.PutMirror(row); return err }); err != nil {
		b.Fatal(err)
	}
	f := filler{store: store, row: row, root: root, drive: drives[0]}
	if err := f.run(ctx); err != nil {
		b.Fatal(err)
	}
	s.ids, s.file = f.sample, f.first
}

// filler makes the files and rows of one mirror.
type filler struct {
	store *state.Store
	row   state.Mirror
	drive state.Drive
	root  string
	paths map[state.ItemID]string
	batch []state.Entry

	sample []state.ItemID // some files
	first  string         // the path of the first of them
}

func (f *filler) run(ctx context.Context) error {
	f.paths = map[state.ItemID]string{f.drive.Root: f.root}
	for folder, err := range f.store.Folders(ctx, f.drive.Key) {
		if err != nil {
			return err
		}
		if _, err := f.folder(ctx, folder.ID); err != nil {
			return err
		}
	}
	for pair, err := range f.store.PairsAll(ctx, f.row) {
		if err != nil {
			return err
		}
		if err := f.item(*pair.Item); err != nil {
			return err
		}
	}
	if err := f.flush(); err != nil {
		return err
	}
	settled := apply.Settled{Select: plan.Select{}, Notebooks: "skip", Shortcuts: "skip", Names: "native", Times: true}
	return f.store.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.AdvanceMirror(f.row.Key); err != nil {
			return err
		}
		return tx.Settle(f.row.Key, f.drive.Generation, settled.Encode())
	})
}

func (f *filler) folder(ctx context.Context, id state.ItemID) (string, error) {
	if path, ok := f.paths[id]; ok {
		return path, nil
	}
	item, _, err := f.store.Item(ctx, f.drive.Key, id)
	if err != nil {
		return "", err
	}
	up, err := f.folder(ctx, item.Parent)
	if err != nil {
		return "", err
	}
	f.paths[id] = filepath.Join(up, item.Name)
	return f.paths[id], os.Mkdir(f.paths[id], 0o700)
}

func (f *filler) item(i state.Item) error {
	if i.Class == state.Root {
		return nil
	}
	e := state.Entry{
		Item: i.ID, Parent: i.Parent, Name: i.Name, Fold: i.Name, Folder: i.Class == state.Folder, Hash: i.Hash, SHA256: strings.Repeat("0", 64),
		RemoteHash: i.Hash, RemoteSize: i.Size, Modified: i.Modified, MTime: i.Modified, ETag: i.ETag, CTag: i.CTag, Verdict: state.Verified, At: i.Modified,
	}
	if i.Parent == f.drive.Root {
		e.Parent = ""
	}
	if !e.Folder {
		e.Size = i.Size
		if len(f.sample) == 0 {
			f.first = strings.TrimPrefix(filepath.Join(f.paths[i.Parent], i.Name), f.root+"/")
		}
		if len(f.sample) < 100 {
			f.sample = append(f.sample, i.ID)
		}
		if err := sparse(filepath.Join(f.paths[i.Parent], i.Name), i.Size, i.Modified); err != nil {
			return err
		}
	}
	f.batch = append(f.batch, e)
	if len(f.batch) < 20_000 {
		return nil
	}
	return f.flush()
}

func (f *filler) flush() error {
	err := f.store.Tx(context.Background(), func(tx *state.Tx) error { return tx.PutEntries(f.row.Key, f.batch) })
	f.batch = f.batch[:0]
	runtime.GC()
	return err
}

// sparse makes a file that has a size and holds nothing.
func sparse(path string, size int64, modified time.Time) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := file.Truncate(size); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Chtimes(path, modified, modified)
}
