package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// history is what happens to mirrors whose plans are all saved.
type history struct {
	*world
	rand  *rand.Rand
	edits *editor
	bin   string
	log   []string
	texts map[string]bool // of files that spmirror did not write

	main, block       string // the configuration, and the block of the other mirror
	name, target, was string // of the other mirror
	declared          bool
	targets           int
}

// newHistory mirrors a small library, and one of its folders once more.
func newHistory(t *testing.T, random *rand.Rand, lifecycle string) *history {
	t.Helper()
	var spec sandbox.DriveSpec
	for i := range 12 {
		path := fmt.Sprintf("dir %d/file %d.txt", i%4, i)
		spec.Files = append(spec.Files, sandbox.FileSpec{Path: path, Text: strings.Repeat(path, 1+random.IntN(50))})
	}
	bin, err := exec.LookPath("spmirror") // this test binary, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	h := &history{world: newWorld(t, spec), rand: random, bin: bin, texts: map[string]bool{"edited here": true}}
	h.edits = &editor{t: t, w: h.world, rand: random}
	data, err := os.ReadFile(h.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	h.main = strings.Replace(string(data), "guard {", lifecycle+"\n  guard {\n    require_nonempty_source = false", 1)
	h.block = h.main[strings.Index(h.main, `mirror "docs"`):]
	h.name, h.was, h.target, h.declared = "second", "second", "second", true
	h.configure()
	return h
}

// configure writes the configuration.
func (h *history) configure() {
	h.t.Helper()
	text := h.main
	if h.declared {
		text += strings.NewReplacer(`"docs"`, strconv.Quote(h.name), `"/"`, `"/dir 1"`, `"mirror"`, strconv.Quote(h.target)).Replace(h.block)
	}
	if h.declared && h.was != h.name {
		text += fmt.Sprintf("moved {\n  from = mirror.%s\n  to   = mirror.%s\n}\n", h.was, h.name)
	}
	h.write("main.hcl", text)
}

// reconfigure gives the other mirror another name or target, or drops it, or brings it back.
func (h *history) reconfigure() {
	h.t.Helper()
	switch h.rand.IntN(6) {
	case 0:
		h.targets++
		h.target = fmt.Sprintf("second %d", h.targets)
	case 1:
		names := []string{"second", "copy"}
		h.was, h.name = h.name, names[1-slices.Index(names, h.name)]
	case 2:
		h.declared = !h.declared
	default:
		return
	}
	h.configure()
	h.note("mirror.%s, declared %v, in %q", h.name, h.declared, h.target)
}

// code runs a command in this process and returns its exit code. It ends after a while
// as with Ctrl-C, if it is given one.
func (h *history) code(after time.Duration, args ...string) int {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	defer stop()
	if after > 0 {
		defer time.AfterFunc(after, stop).Stop()
	}
	code := h.world.code(ctx, args...)
	h.note("%s: %d", strings.Join(args, " "), code)
	out, err := os.ReadFile(h.path("stdout.txt"))
	said, e := os.ReadFile(h.path("stderr.txt"))
	ended := ctx.Err() != nil || strings.Contains(string(said), "SPM0605")           // the folder of a mirror has gone, which a later plan has seen
	unread := strings.Contains(string(out)+string(said), "require_complete_listing") // of a crawl that was killed, planned with -refresh=false
	if code == exitRefused || code == exitBlocked && !unread || code == exitError && !ended {
		h.t.Fatalf("after\n%s\n%s\n%s%v", strings.Join(h.log, "\n"), out, said, errors.Join(err, e))
	}
	return code
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// killed runs a command as a process of its own and kills it.
func (h *history) killed(args ...string) {
	h.t.Helper()
	cmd := exec.Command(h.bin, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	after := time.Duration(h.rand.IntN(250)) * time.Millisecond
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	h.note("%s, killed after %s: %v", strings.Join(args, " "), after, err)
}

// disturbed runs an apply that does not come to its end.
func (h *history) disturbed(args ...string) {
	h.t.Helper()
	apply := append([]string{"apply"}, args...)
	switch h.rand.IntN(5) {
	case 0:
		h.killed(apply...)
	case 1:
		h.code(time.Duration(1+h.rand.IntN(80))*time.Millisecond, apply...)
	case 2, 3:
		fault := sandbox.Fault{On: []sandbox.Kind{sandbox.KindDownload}, Percent: 40, Status: 403}
		h.tenant.AddFault(fault)
		h.note("downloads are refused")
		if h.rand.IntN(2) == 0 {
			apply = append(apply, "-fail-fast")
		}
		h.code(0, apply...)
		h.tenant.ClearFaults()
	}
}

// happen lets people edit the library and the disk.
func (h *history) happen(most int) {
	h.t.Helper()
	for range h.rand.IntN(most + 1) {
		h.edits.edit()
	}
	found, err := kinds(h.path("mirror"))
	if err != nil {
		h.t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(found))
	for range h.rand.IntN(3) {
		name := names[h.rand.IntN(len(names))]
		full := h.path(filepath.Join("mirror", name))
		if found[name] != "file" {
			continue
		}
		at := time.Now().Add(-time.Duration(h.rand.IntN(1000)) * time.Minute)
		switch h.rand.IntN(4) {
		case 0:
			err = os.Remove(full)
		case 1:
			err = os.WriteFile(full, []byte("edited here"), 0o600)
		default:
			err = os.Chtimes(full, at, at)
		}
		h.note("%s is damaged", name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			h.t.Fatal(err)
		}
	}
	if h.rand.IntN(3) == 0 {
		h.occupy()
	}
}

// occupy puts a file where one of the source is to come.
func (h *history) occupy() {
	h.t.Helper()
	drive := h.tenant.Drive("people/Documents")
	for _, item := range drive.Tree() {
		full := h.path("mirror" + item.Path)
		if _, err := os.Lstat(full); err == nil || item.Folder {
			continue
		}
		if info, err := os.Lstat(filepath.Dir(full)); err != nil || !info.IsDir() {
			continue
		}
		text, err := drive.Content(item.Path)
		if h.rand.IntN(2) == 0 {
			text = []byte("mine")
		}
		h.texts[string(text)] = true
		if err = errors.Join(err, os.WriteFile(full, text, 0o600)); err != nil {
			h.t.Fatal(err)
		}
		h.note("%s is occupied by %.20q", item.Path, text)
		return
	}
}

// clear takes away what lies in the way.
func (h *history) clear() {
	h.t.Helper()
	found, err := kinds(h.path("mirror"))
	for name, kind := range found {
		full := h.path(filepath.Join("mirror", name))
		if data, e := os.ReadFile(full); kind == "file" && h.texts[string(data)] {
			err = errors.Join(err, e, os.Remove(full))
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// glob names a part of the library.
func (h *history) glob() string {
	return []string{"dir 0/", "dir 2/**", "*.txt", "made*", "**/file 1*"}[h.rand.IntN(5)]
}

// other is the name of the other mirror, as long as there is one.
func (h *history) other() string {
	if !h.declared {
		return "docs"
	}
	return h.name
}

// flags of a plan.
func (h *history) flags() []string {
	return [][]string{
		nil, nil, nil, {"-full"}, {"-verify=hash"}, {"-verify=none"}, {"-refresh=false"}, {"-refresh-only"}, {"-target=mirror.docs"}, {"-exclude=mirror." + h.other()},
		{"-target-path=" + h.glob()}, {"-replace=" + h.glob()}, {"-replace=mirror.docs"}, {"-full", "-verify=hash", "-target-path=" + h.glob()},
	}[h.rand.IntN(14)]
}

// round makes one plan, saves it, and carries it out, with all that may come between.
func (h *history) round() {
	h.t.Helper()
	h.reconfigure()
	h.happen(6)
	switch h.rand.IntN(4) {
	case 0:
		h.disturbed("-auto-approve")
	case 1:
		h.disturbed("-auto-approve", "-target-path="+h.glob())
	case 2:
		h.code(0, "plan")
	}
	h.happen(3)
	h.code(0, append([]string{"plan", "-out=p.spplan"}, h.flags()...)...)
	if h.rand.IntN(2) == 0 {
		h.happen(3)
		if h.rand.IntN(2) == 0 {
			h.code(0, append([]string{"plan"}, h.flags()...)...)
		}
	}
	for range h.rand.IntN(3) {
		h.disturbed("p.spplan")
		if h.rand.IntN(3) == 0 {
			h.happen(2)
		}
	}
	h.code(0, "apply", "p.spplan")
	h.code(0, "apply", "p.spplan")
}

// settle wants the mirror to become what the library is.
func (h *history) settle() {
	h.t.Helper()
	h.clear()
	for range 4 {
		h.code(0, "plan", "-out=p.spplan")
		if h.code(0, "apply", "p.spplan") == exitOK {
			break
		}
	}
	diff := slices.DeleteFunc(h.differences(), func(d string) bool { return strings.HasSuffix(d, "is in the mirror only") }) // put there by occupy
	if len(diff) > 0 {
		h.t.Fatalf("after\n%s\nthe mirror is not the library: %q", strings.Join(h.log, "\n"), diff)
	}
	h.log = append(h.log, "settled")
}

// TestAnHonestPlanIsNeverRefused saves every plan of mirrors to which everything happens:
// runs that are killed, stopped or fail, plans of a part, edits of the source and of the
// disk at any time. None of the plans is refused, and in the end the mirror is the library.
func TestAnHonestPlanIsNeverRefused(t *testing.T) {
	rounds := 3
	if long() {
		rounds = 60
	}
	for name, lifecycle := range map[string]string{
		"restoring": "", "keeping": "lifecycle {\n on_local_change = \"keep\"\n on_untracked = \"block\"\n }",
		"renaming":     "lifecycle {\n on_local_change = \"rename\"\n on_untracked = \"rename\"\n on_remote_delete = \"delete\"\n }",
		"keeping more": "content {\n versions = 2\n }\n metadata {\n permissions = \"sidecar\"\n columns = [\"Title\"]\n }",
		"choosing":     "select {\n exclude = [\"dir 3/\", \"made 1*\"]\n }\n lifecycle {\n on_deselect = \"trash\"\n }",
	} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			h := newHistory(t, rand.New(rand.NewPCG(seed, 0)), lifecycle)
			h.code(0, "apply", "-auto-approve")
			for i := range rounds {
				h.round()
				if name == "restoring" && (i%5 == 4 || i == rounds-1) {
					h.settle()
				}
			}
		})
	}
}
