package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/sandbox"
)

// leaf is one value of a JSON document, and how it is replaced; nil takes it away.
type leaf struct {
	path  string
	value any
	set   func(any)
}

// leaves are the values of a document, in a fixed order.
func leaves(v any, path string) (list []leaf) {
	child := func(name string, value any, set func(any)) {
		at := path + "." + name
		switch value.(type) {
		case map[string]any, []any:
			list = append(list, leaves(value, at)...)
		default:
			list = append(list, leaf{at, value, set})
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			child(k, v[k], func(x any) {
				if v[k] = x; x == nil {
					delete(v, k)
				}
			})
		}
	case []any:
		for i := range v {
			child(strconv.Itoa(i), v[i], func(x any) { v[i] = x })
		}
	}
	return list
}

// lens changes one value of anything that has a JSON form.
type lens struct {
	t    *testing.T
	rand *rand.Rand
	pool map[string][]any // values of all lines, by the last part of their path
	did  string
}

func (l *lens) document(v any) (doc any) {
	l.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		l.t.Fatal(err)
	}
	return doc
}

func keyOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// learn takes the values of something into the pool.
func (l *lens) learn(v any) {
	for _, f := range leaves(l.document(v), "") {
		l.pool[keyOf(f.path)] = append(l.pool[keyOf(f.path)], f.value)
	}
}

// extra are values that a change may have and most have not.
func (l *lens) extra(doc any) {
	m := doc.(map[string]any)
	keys := []string{"disposal", "replaces", "previous_path", "folder", "wanted", "beside", "parent_id"}
	key := keys[l.rand.IntN(len(keys))]
	value := map[string]any{
		"disposal": []any{plan.DisposeDelete, plan.DisposeTrash, plan.DisposeRename}[l.rand.IntN(3)], "folder": true, "wanted": plan.Delete, "beside": []any{plan.BesideVersions},
	}[key]
	if value == nil {
		value = l.other(map[string]string{"replaces": "item_id", "previous_path": "path", "parent_id": "item_id"}[key])
	}
	l.did = fmt.Sprintf("%s of %v becomes %v", key, m["path"], value)
	m[key] = value
}

func (l *lens) other(key string) any {
	list := l.pool[key]
	return list[l.rand.IntN(len(list))]
}

// alter changes one value. It reports whether the result can be written at all.
func alter[T any](l *lens, v *T) bool {
	doc := l.document(v)
	list := leaves(doc, "")
	if _, change := any(v).(*plan.Change); change && l.rand.IntN(5) == 0 {
		l.extra(doc)
	} else {
		f := list[l.rand.IntN(len(list))]
		value := l.another(f)
		of := doc.(map[string]any)
		l.did = fmt.Sprintf("%s of %v %v was %v and becomes %v", f.path, of["actions"], of["path"], f.value, value)
		f.set(value)
	}
	data, err := json.Marshal(doc)
	var altered T
	if err != nil || json.Unmarshal(data, &altered) != nil {
		return false
	}
	*v = altered
	return true
}

func (l *lens) another(f leaf) any {
	if l.rand.IntN(6) == 0 {
		return nil
	}
	switch v := f.value.(type) {
	case bool:
		return !v
	case json.Number:
		n, err := v.Int64()
		if err != nil || l.rand.IntN(3) == 0 {
			return 0
		}
		return n + int64(l.rand.IntN(3)) - 1
	}
	if l.rand.IntN(3) == 0 {
		return fmt.Sprint(f.value, "0")
	}
	return l.other(keyOf(f.path))
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// contents are the bytes that a mirror and its trash hold.
func contents(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return missing(err)
		}
		data, err := os.ReadFile(name)
		found[string(data)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// savedPlans are worlds with a saved plan, and where their mirror is until it is carried out.
func savedPlans() map[string]func(*testing.T) (*world, string) {
	small := func(t *testing.T) *world {
		return newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{
			{Path: "a", Folder: true}, {Path: "a/one.txt", Text: "one"}, {Path: "two.txt", Text: "two"}, {Path: "empty", Folder: true},
		}})
	}
	rewritten := func(w *world, change ...string) {
		data, err := os.ReadFile(w.path("main.hcl"))
		if err != nil {
			w.t.Fatal(err)
		}
		w.write("main.hcl", strings.NewReplacer(change...).Replace(string(data)))
	}
	return map[string]func(*testing.T) (*world, string){
		"every kind of change": func(t *testing.T) (*world, string) { return reviewed(t), "mirror" },
		"a new mirror": func(t *testing.T) (*world, string) {
			w := small(t)
			w.run(exitOK, "plan", "-out=p.spplan")
			return w, "mirror"
		},
		"the end of a mirror": func(t *testing.T) (*world, string) {
			w := small(t)
			w.run(exitOK, "apply", "-auto-approve")
			w.run(exitOK, "plan", "-destroy", "-delete-files", "-out=p.spplan")
			return w, "mirror"
		},
		"another name and target": func(t *testing.T) (*world, string) {
			w := small(t)
			rewritten(w, `"mirror"`, `"elsewhere"`)
			w.run(exitOK, "apply", "-auto-approve")
			rewritten(w, `"elsewhere"`, `"mirror"`, `"docs"`, `"papers"`, "variable", "moved {\n from = mirror.docs\n to = mirror.papers\n}\nvariable")
			w.script("put people/Documents /a/one.txt text=more")
			w.run(exitOK, "plan", "-out=p.spplan")
			return w, "elsewhere"
		},
	}
}

// TestAPlanWithOneEditIsRefusedOrHarmless changes one value of a saved plan, with digests
// and numbers computed anew. Such a plan is refused, or else no byte is lost by it, the
// state says what is true, and the mirror becomes what the library is.
func TestAPlanWithOneEditIsRefusedOrHarmless(t *testing.T) {
	edits := 5
	if long() {
		edits = 200
	}
	for name, base := range savedPlans() {
		t.Run(name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			w, from := base(t)
			l := &lens{t: t, rand: rand.New(rand.NewPCG(seed, 0)), pool: make(map[string][]any)}
			l.learnFrom(w.path("p.spplan"))
			w.keep("spmirror.db", from, "p.spplan")
			refused := 0
			for range edits {
				w.restore()
				if l.forge(w) && l.carriedOut(w, from) {
					refused++
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("%d of %d edits were refused", refused, edits)
			if long() && refused < edits/5 {
				t.Errorf("only %d of %d edits were refused: the test proves little", refused, edits)
			}
		})
	}
}

// learnFrom takes the values of a saved plan into the pool.
func (l *lens) learnFrom(name string) {
	l.t.Helper()
	p, err := plan.Open(name)
	if err != nil {
		l.t.Fatal(err)
	}
	defer p.Close()
	for c, err := range p.Changes() {
		if err != nil {
			l.t.Fatal(err)
		}
		l.learn(c)
	}
	for d, err := range p.Drifts() {
		if err != nil {
			l.t.Fatal(err)
		}
		l.learn(d)
	}
	l.learn(p.Header)
}

// carriedOut applies an edited plan, and looks at what is left. It reports whether the
// plan was refused.
func (l *lens) carriedOut(w *world, from string) (refused bool) {
	l.t.Helper()
	before := contents(l.t, w.path("kept/"+from))
	code := w.code(l.t.Context(), "apply", "p.spplan")
	if code == exitRefused || code == exitError {
		if len(before) == 0 {
			return true
		}
		if diff, err := compareTrees(w.path("kept/"+from), w.path(from)); err != nil || len(diff) > 0 {
			l.t.Errorf("%s: refused with %d, and %q %v", l.did, code, diff, err)
		}
		return true
	}
	after := contents(l.t, w.path("mirror"))
	maps.Copy(after, contents(l.t, w.path("elsewhere")))
	for text := range before {
		if !after[text] && !strings.HasPrefix(text, "{") { // the marker
			l.t.Errorf("%s: %q is lost", l.did, text)
		}
	}
	w.code(l.t.Context(), "apply", "-auto-approve")
	if code := w.code(l.t.Context(), "plan", "-detailed-exitcode"); code != exitOK {
		l.t.Errorf("%s: the plan after it ended with %d", l.did, code)
	}
	if code := w.code(l.t.Context(), "verify"); code != exitOK {
		l.t.Errorf("%s: not what the state says", l.did)
	}
	for _, d := range w.differences() {
		if !strings.HasPrefix(d, "secret") {
			l.t.Errorf("%s: %s", l.did, d)
		}
	}
	return false
}

// forge makes one edit of the saved plan.
func (l *lens) forge(w *world) bool {
	possible := true
	f := forgery{}
	switch l.rand.IntN(4) {
	case 0:
		f.after = func(h *plan.Header) {
			files := h.Configuration.Files
			possible = alter(l, h)
			for i := range h.Configuration.Files {
				h.Configuration.Files[i].Content = files[i].Content
			}
		}
	case 1:
		f.drift = func(list []plan.Drift) []plan.Drift {
			if len(list) > 0 {
				possible = alter(l, &list[l.rand.IntN(len(list))])
			}
			return list
		}
	default:
		f.changes = func(list []plan.Change) []plan.Change {
			c := &list[l.rand.IntN(len(list))]
			possible = alter(l, c)
			if len(c.Actions) == 0 || slices.ContainsFunc(c.Actions, func(a plan.Action) bool { return !slices.Contains(plan.Actions[:], a) }) {
				possible, c.Actions = false, []plan.Action{plan.Forget} // nobody can count what is no action
			}
			return list
		}
	}
	return f.write(w.path("p.spplan")) == nil && possible
}

// code runs a command, which may end in any way, and returns its exit code.
func (w *world) code(ctx context.Context, args ...string) int {
	w.t.Helper()
	env := &environment{environ: w.env, now: time.Now, stdin: strings.NewReader("")}
	env.stdout, env.stderr = w.file("stdout"), w.file("stderr")
	w.t.Chdir(w.dir)
	code := run(ctx, append([]string{"spmirror"}, args...), env)
	w.text(env.stdout)
	w.text(env.stderr)
	return code
}

// keep copies files and directories that are there, and restore brings them back.
func (w *world) keep(names ...string) {
	w.t.Helper()
	if err := os.Mkdir(w.path("kept"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		if _, err := os.Stat(w.path(name)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if out, err := exec.Command("cp", "-a", w.path(name), w.path("kept")).CombinedOutput(); err != nil {
			w.t.Fatalf("%v\n%s", err, out)
		}
	}
}

func (w *world) restore() {
	w.t.Helper()
	for _, pattern := range []string{"spmirror.db*", "mirror", "elsewhere", "p.spplan"} {
		names, err := filepath.Glob(w.path(pattern))
		for _, name := range names {
			err = errors.Join(err, os.RemoveAll(name))
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", "-a", w.path("kept")+"/.", w.dir).CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
}
