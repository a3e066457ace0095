package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/sandbox"
)

// usualLoads are those of BENCHMARKS.md.
const usualLoads = "20000x4KiB,2000x1MiB,4x1GiB,20000x4KiB@50ms,2000x1MiB@50ms,4x1GiB@50ms,20000x4KiB@50ms/64,1x256MiB~16MiB"

// BenchmarkThroughput measures `spmirror apply` of a library that was never
// mirrored, side by side with rclone and with the limit: a bare downloader of the
// same addresses that writes and flushes the same files. All of them work on a
// tenant in another process, one after the other, in rounds, so that what else the
// machine does meets all alike. It prints a table in Markdown; BENCHMARKS.md quotes
// it.
//
// SPMIRROR_BENCH_DOWNLOADS says what: FILESxSIZE, then @LATENCY that each request
// waits, ~RATE that the host gives a connection in a second, /N for N requests at once.
// SPMIRROR_BENCH_ROUNDS is the number of rounds, 3 unless set, and SPMIRROR_BENCH_WITHOUT=rclone
// leaves rclone out, which takes minutes where files are many.
func BenchmarkThroughput(b *testing.B) {
	if os.Getenv("SPMIRROR_BENCH_DOWNLOADS") == "" {
		b.Skip("runs with SPMIRROR_BENCH_DOWNLOADS=usual, for an hour")
	}
	text := os.Getenv("SPMIRROR_BENCH_DOWNLOADS")
	if text == "usual" {
		text = usualLoads
	}
	rounds, err := strconv.Atoi(orText(os.Getenv("SPMIRROR_BENCH_ROUNDS"), "3"))
	if err != nil {
		b.Fatal(err)
	}
	rclone := ""
	if os.Getenv("SPMIRROR_BENCH_WITHOUT") != "rclone" {
		if rclone, err = exec.LookPath("rclone"); err != nil {
			b.Fatal(err)
		}
	}
	bin := buildBinary(b)
	fmt.Print("| load | limit | spmirror | of the limit | rclone | ahead by | CPU s/GiB: limit | spmirror | rclone | peak MiB |\n" +
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, text := range strings.Split(text, ",") {
		b.Run(strings.ReplaceAll(text, "/", "-at-once-"), func(b *testing.B) {
			race := newRace(b, bin, rclone, parseHaul(b, text))
			for range rounds {
				race.round(b)
			}
			fmt.Println(race.row())
			b.ReportMetric(race.ratio(), "of-limit")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// haul is what is to be downloaded, and how the host behaves.
type haul struct {
	files   int
	size    int64
	latency time.Duration
	rate    int64 // bytes a second of one connection, 0 for any
	atOnce  int
}

var haulForm = regexp.MustCompile(`^(\d+)x(\w+)(?:@(\w+))?(?:~(\w+))?(?:/(\d+))?$`)

func parseHaul(b *testing.B, text string) haul {
	b.Helper()
	m := haulForm.FindStringSubmatch(text)
	if m == nil {
		b.Fatalf("%q is no load, such as 20000x4KiB@50ms", text)
	}
	var l haul
	var errs [5]error
	l.files, errs[0] = strconv.Atoi(m[1])
	l.size, errs[1] = config.ParseSize(m[2])
	l.latency, errs[2] = time.ParseDuration(orText(m[3], "0s"))
	l.rate, errs[3] = config.ParseSize(orText(m[4], "0"))
	l.atOnce, errs[4] = strconv.Atoi(orText(m[5], "16"))
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	return l
}

func (l haul) String() string {
	text := fmt.Sprintf("%d × %s", l.files, config.FormatSize(l.size))
	if l.latency > 0 {
		text += fmt.Sprintf(", %s a request", l.latency)
	}
	if l.rate > 0 {
		text += fmt.Sprintf(", %s/s a connection", config.FormatSize(l.rate))
	}
	if l.atOnce != 16 {
		text += fmt.Sprintf(", %d at once", l.atOnce)
	}
	return text
}

// script bends the tenant as the load says.
func (l haul) script() string {
	text := "behave acceptContentAuthorization=true\n" // the packaged rclone sends its token along (C2)
	const chunk = 64 << 10
	switch {
	case l.rate > 0:
		pause := time.Duration(chunk * int64(time.Second) / l.rate)
		text += fmt.Sprintf("fault on=download action=drip chunk=%d delay=%s\n", chunk, pause)
	case l.latency > 0:
		text += fmt.Sprintf("fault delay=%s\n", l.latency)
	}
	return text
}

// cost is what one run took.
type cost struct{ wall, cpu, peak float64 }

// race is one load with its contestants.
type race struct {
	haul
	bin, rclone   string
	dir           string
	direct, named served // the same tenant under its own address, and under the names of the real hosts
	bare          *bare
	n             int
	costs         map[string][]cost
}

func newRace(b *testing.B, bin, rclone string, l haul) *race {
	r := &race{haul: l, bin: bin, rclone: rclone, dir: b.TempDir(), costs: make(map[string][]cost)}
	script := filepath.Join(r.dir, "script.txt")
	if err := os.WriteFile(script, []byte(l.script()), 0o600); err != nil {
		b.Fatal(err)
	}
	args := []string{"-files=" + strconv.Itoa(l.files), "-size=" + strconv.FormatInt(l.size, 10), "-script=" + script}
	ca := filepath.Join(r.dir, "ca.pem")
	r.direct = serve(b, bin, append(args, "-ca-out="+ca)...)
	if rclone != "" {
		r.named = serve(b, bin, append(args, "-proxy", "-ca-out="+filepath.Join(r.dir, "real.pem"),
			"-public-graph=https://graph.microsoft.com", "-public-content=*")...)
		conf := fmt.Sprintf("[sp]\ntype = onedrive\nregion = global\ndrive_id = %s\ndrive_type = documentLibrary\ntoken = %s\n",
			r.named.drive, `{"access_token":"`+sandbox.DemoToken+`","token_type":"Bearer","refresh_token":"r","expiry":"2099-01-01T00:00:00Z"}`)
		if err := os.WriteFile(filepath.Join(r.dir, "rclone.conf"), []byte(conf), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	r.bare = newBare(b, r.direct, ca, l.atOnce)
	return r
}

// fresh is a directory that was never used: creating files where others were
// deleted a moment ago costs five times as much on ext4.
func (r *race) fresh(b *testing.B, who string) string {
	b.Helper()
	r.n++
	dir := filepath.Join(r.dir, fmt.Sprintf("%s-%d", who, r.n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	syscall.Sync() // nobody pays for what others wrote
	return dir
}

// tooSlow is how long a contestant may take to be asked again in the next round.
const tooSlow = 60

func (r *race) round(b *testing.B) {
	dir := r.fresh(b, "limit")
	r.note("limit", r.bare.run(b, dir))
	r.check(b, dir)
	dir = r.fresh(b, "spmirror")
	r.note("spmirror", r.spmirror(b, dir))
	r.check(b, filepath.Join(dir, "mirror"))
	if slow := r.costs["rclone"]; r.rclone == "" || len(slow) > 0 && slow[0].wall > tooSlow {
		return
	}
	dir = r.fresh(b, "rclone")
	r.note("rclone", r.other(b, dir))
	r.check(b, dir)
}

func (r *race) note(who string, c cost) {
	r.costs[who] = append(r.costs[who], c)
	fmt.Fprintf(os.Stderr, "# %s: %s took %.2f s and %.2f s of CPU\n", r.haul, who, c.wall, c.cpu)
}

// check counts what was downloaded. Large files are deleted at once, small ones by
// the end of the benchmark.
func (r *race) check(b *testing.B, dir string) {
	b.Helper()
	files, size := 0, int64(0)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".spmirror":
			return fs.SkipDir
		case e.Type().IsRegular():
			info, err := e.Info()
			if err != nil {
				return err
			}
			files, size = files+1, size+info.Size()
		}
		return nil
	})
	if err != nil || files != r.files || size != int64(r.files)*r.size {
		b.Fatalf("%s: %d files of %d bytes together, want %d × %d: %v", dir, files, size, r.files, r.size, err)
	}
	if r.size > 64<<10 {
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// spmirror runs the whole command: crawl, plan, downloads, state.
func (r *race) spmirror(b *testing.B, dir string) cost {
	b.Helper()
	ca, err := os.ReadFile(filepath.Join(r.dir, "ca.pem"))
	if err != nil {
		b.Fatal(err)
	}
	text := scaleConfig(r.direct.graph, r.direct.login)
	if r.atOnce != 16 {
		text = strings.Replace(text, "  auth ", fmt.Sprintf("  limits {\n    requests_in_flight = %d\n  }\n  auth ", r.atOnce), 1)
	}
	for name, data := range map[string][]byte{"ca.pem": ca, "main.hcl": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	args := []string{"-chdir=" + dir, "apply", "-auto-approve", "-compact"}
	if r.atOnce != 16 {
		args = append(args, "-parallelism="+strconv.Itoa(r.atOnce))
	}
	return timed(b, exec.Command(r.bin, args...))
}

// other runs rclone with as many transfers. Its several streams for a large file
// need the header that its release of the package leaves out (C13), and are used
// only where the host is slow: otherwise they make it slower.
func (r *race) other(b *testing.B, dir string) cost {
	b.Helper()
	streams := "0"
	if r.rate > 0 {
		streams = "4"
	}
	cmd := exec.Command(r.rclone, "--config", filepath.Join(r.dir, "rclone.conf"), "--ca-cert", filepath.Join(r.dir, "real.pem"),
		"copy", "sp:", dir, "--transfers", strconv.Itoa(r.atOnce), "--create-empty-src-dirs",
		"--header", "Accept: */*", "--multi-thread-streams", streams, "--multi-thread-cutoff", "128M")
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+r.named.proxy, "HTTP_PROXY=", "NO_PROXY=", "https_proxy=", "no_proxy=")
	return timed(b, cmd)
}

// timed runs a command and tells what it cost.
func timed(b *testing.B, cmd *exec.Cmd) cost {
	b.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	wall := time.Since(start)
	close(done)
	if err != nil {
		b.Fatalf("%s: %v\n%s", cmd.Args[0], err, out.Bytes())
	}
	used := cmd.ProcessState
	return cost{wall: wall.Seconds(), cpu: (used.UserTime() + used.SystemTime()).Seconds(), peak: float64(<-peak) / 1024}
}

// ratio is the share of the limit that spmirror reaches: the middle one of the
// rounds, the lower one of two.
func (r *race) ratio() float64 {
	var list []float64
	for i, c := range r.costs["spmirror"] {
		list = append(list, r.costs["limit"][i].wall/c.wall)
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// row is the line of the table.
func (r *race) row() string {
	limit, own := middle(r.costs["limit"]), middle(r.costs["spmirror"])
	rclone := "| | "
	gib := float64(r.files) * float64(r.size) / (1 << 30)
	rcpu := ""
	if list := r.costs["rclone"]; len(list) > 0 {
		c := middle(list)
		rclone = fmt.Sprintf("| %s | %.1f× ", r.speed(c), c.wall/own.wall)
		rcpu = fmt.Sprintf("%.2f", c.cpu/gib)
	}
	return fmt.Sprintf("| %s | %s | %s | %.2f %s| %.2f | %.2f | %s | %.0f |",
		r.haul, r.speed(limit), r.speed(own), r.ratio(), rclone, limit.cpu/gib, own.cpu/gib, rcpu, own.peak)
}

// speed is files or bytes a second, whichever says more.
func (r *race) speed(c cost) string {
	if r.size < 1<<20 {
		return fmt.Sprintf("%.0f files/s", float64(r.files)/c.wall)
	}
	return fmt.Sprintf("%.0f MiB/s", float64(r.files)*float64(r.size)/(1<<20)/c.wall)
}

// middle is the run of the middle wall time.
func middle(list []cost) cost {
	list = slices.SortedFunc(slices.Values(list), func(a, b cost) int { return cmp.Compare(a.wall, b.wall) })
	return list[len(list)/2]
}
