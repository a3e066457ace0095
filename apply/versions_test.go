package apply

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// The present version is none of the earlier ones, in whatever order the service lists them; the newest of the others are kept.
func TestEarlierVersionsAreTheNewestButThePresentOne(t *testing.T) {
	at := func(id string, hour int) graph.Version {
		return graph.Version{ID: id, Modified: time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)}
	}
	newestFirst := []graph.Version{at("10.0", 4), at("9.0", 3), at("2.0", 2), at("1.0", 1)}
	oldestFirst := []graph.Version{at("1.0", 1), at("2.0", 2), at("9.0", 3), at("10.0", 4)}
	oneMoment := []graph.Version{at("2.0", 1), at("9.0", 1), at("10.0", 1), at("1.0", 1)}
	for _, test := range []struct {
		list   []graph.Version
		wanted string
		want   string
	}{
		{newestFirst, "all", "9.0 2.0 1.0"},
		{oldestFirst, "all", "9.0 2.0 1.0"},
		{oneMoment, "all", "9.0 2.0 1.0"},
		{newestFirst, "2", "9.0 2.0"},
		{newestFirst, "50", "9.0 2.0 1.0"},
		{newestFirst[:1], "all", ""},
		{nil, "5", ""},
	} {
		var got []string
		for _, v := range earlier(test.list, test.wanted) {
			got = append(got, v.ID)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("of %v, %s are kept: %q, want %q", test.list, test.wanted, text, test.want)
		}
	}
}

// What a host sends for an earlier version is kept if it can be that version: there is only a size to tell, so that
// another one counts when it comes twice the same, and never if it is a page (H-58, H-61).
func TestAnEarlierVersionIsKeptOnlyIfItCanBeIt(t *testing.T) {
	short := func(text string) (*graph.Content, error) { return body(text[:3], nil, 0, -1), nil }
	page := func(string) (*graph.Content, error) {
		c := body("<title>Sign in</title>", nil, 0, -1)
		c.ContentType = "text/html"
		return c, nil
	}
	untyped := func(string) (*graph.Content, error) {
		return body("<!DOCTYPE html><title>Sign in</title>", nil, 0, -1), nil
	}
	nothing := func(string) (*graph.Content, error) { return body("", nil, 0, -1), nil }
	broken := func(text string) (*graph.Content, error) { return body(text[:3], errLine, 0, int64(len(text))), nil }
	longer := func(text string) (*graph.Content, error) { return body(text+" rewritten", nil, 0, -1), nil }
	turn := 0
	other := func(string) (*graph.Content, error) {
		turn++
		return body(random(turn, 20), nil, 0, -1), nil
	}
	denied := func(string) (*graph.Content, error) { return nil, &graph.Error{Op: "open content", Status: 403} }
	late := func(string) (*graph.Content, error) {
		return nil, &graph.Error{Op: "open content", Status: 403, Host: "host.example"}
	}
	large := func(text string) (*graph.Content, error) {
		return body(text, fmt.Errorf("read: %w", graph.ErrTooLarge), 0, -1), nil
	}
	for _, test := range []struct {
		name    string
		answers []func(string) (*graph.Content, error) // then honest ones
		policy  string
		opens   int
		text    string
		verdict state.Verdict
		code    string
	}{
		{name: "as it is", opens: 1, text: "the first text", verdict: state.SizeOnly},
		{name: "cut off without a length, once", answers: versionsOf(short, 1), opens: 2, text: "the first text", verdict: state.SizeOnly},
		{name: "a broken line, twice", answers: versionsOf(broken, 2), opens: 3, text: "the first text", verdict: state.SizeOnly},
		{name: "a broken line, for ever", answers: versionsOf(broken, 9), opens: 3, code: CodeNetwork},
		{name: "a page, once", answers: versionsOf(page, 1), opens: 2, text: "the first text", verdict: state.SizeOnly},
		{name: "a page, for ever", answers: versionsOf(page, 9), opens: 3, code: CodeIntegrity},
		{name: "a page without a type, for ever", answers: versionsOf(untyped, 9), opens: 3, code: CodeIntegrity},
		{name: "nothing, for ever", answers: versionsOf(nothing, 9), opens: 3, code: CodeIntegrity},
		{name: "rewritten by the service", answers: versionsOf(longer, 9), opens: 2, text: "the first text rewritten", verdict: state.Served},
		{name: "rewritten, which the policy refuses", answers: versionsOf(longer, 9), policy: "fail", opens: 3, code: CodeIntegrity},
		{name: "each time others", answers: versionsOf(other, 9), opens: 3, code: CodeIntegrity},
		{name: "too large", answers: versionsOf(large, 9), opens: 3, code: CodeIntegrity},
		{name: "access denied", answers: versionsOf(denied, 9), opens: 1, code: CodeDenied},
		{name: "an address that is refused, once", answers: versionsOf(late, 1), opens: 2, text: "the first text", verdict: state.SizeOnly},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.policy.Versions = "all"
			if test.policy != "" {
				w.policy.Unverifiable = test.policy
			}
			w.tenant.put("file.txt", "the first text")
			n := w.tenant.put("file.txt", "the second text")
			opens := 0
			w.tenant.onVersion = func(text string) (*graph.Content, error) {
				if opens++; opens <= len(test.answers) {
					return test.answers[opens-1](text)
				}
				return body(text, nil, 0, int64(len(text))), nil
			}
			p := w.plan()
			r, _, err := w.apply(t.Context(), p, 0)
			w.check(err)
			if opens != test.opens {
				t.Errorf("%d downloads, want %d", opens, test.opens)
			}
			w.equal(w.tenant.tree())
			kept := collect(t, w.store.Versions(t.Context(), w.key))
			if test.code != "" {
				wantProblems(t, r, map[string]string{"file.txt": test.code})
				if len(kept) > 0 {
					t.Errorf("%+v is kept", kept)
				}
				w.tenant.onVersion = nil
				w.sync()
				w.same()
				return
			}
			if len(kept) != 1 || kept[0].Verdict != test.verdict {
				t.Fatalf("%+v is kept", kept)
			}
			text, err := os.ReadFile(w.root() + "/.spmirror/versions/" + target.ControlName(n.id, "") + "/1.0.txt")
			if err != nil || string(text) != test.text {
				t.Errorf("it holds %q (%v)", text, err)
			}
		})
	}
}

func versionsOf(a func(string) (*graph.Content, error), n int) (list []func(string) (*graph.Content, error)) {
	for range n {
		list = append(list, a)
	}
	return list
}

// A full disk is told as such, and a version is not fetched three times for it.
func TestADiskThatIsFullIsNotTheFaultOfAVersion(t *testing.T) {
	w := newWorld(t)
	w.policy.Versions = "all"
	w.tenant.put("file", "the first text")
	w.tenant.put("file", "the second text")
	p := w.plan()
	w.diskFaults = faultFunc(func(op, path string) error {
		if op == target.OpWrite && strings.Contains(path, "/versions/") {
			return syscall.ENOSPC
		}
		return nil
	})
	opens := 0
	w.tenant.onVersion = func(text string) (*graph.Content, error) {
		opens++
		return &graph.Content{Body: io.NopCloser(strings.NewReader(text)), Status: 200, Total: -1, Length: -1}, nil
	}
	w.reopen()
	r, _, err := w.apply(t.Context(), p, 0)
	w.check(err)
	wantProblems(t, r, map[string]string{"file": CodeNoSpace})
	if opens != 1 {
		t.Errorf("%d downloads", opens)
	}
	w.diskFaults = nil
	w.reopen()
	w.sync()
	w.same()
	if _, err := os.Stat(w.root() + "/.spmirror/versions/" + target.ControlName(w.tenant.find("file").id, "") + "/1.0.part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a version is left: %v", err)
	}
}

// What the guard wants to stay free stays free: no plan knows how many bytes earlier versions have.
func TestVersionsLeaveOfTheDiskWhatIsToStayFree(t *testing.T) {
	w := newWorld(t)
	w.policy.Versions, w.reserve = "all", 1<<62
	w.tenant.put("file", "the first text")
	w.tenant.put("file", "the second text")
	r, _, err := w.apply(t.Context(), w.plan(), 0)
	w.check(err)
	wantProblems(t, r, map[string]string{"file": CodeNoSpace})
	if left := r.Mirrors[0].Left; left != 0 {
		t.Errorf("%d changes are left", left)
	}
	w.equal(w.tenant.tree())
	w.reserve = 1
	w.sync()
	w.same()
}

// What max_download_bytes leaves to earlier versions is what they may have together; the next run has its own.
func TestVersionsBringNoMoreBytesThanTheyMay(t *testing.T) {
	w := newWorld(t)
	w.policy.Versions = "all"
	for _, text := range []string{"the first text", "the second text", "the third text"} {
		w.tenant.put("file", text)
	}
	allowance := int64(len("the second text"))
	w.allowance = &allowance
	r, _, err := w.apply(t.Context(), w.plan(), 0)
	w.check(err)
	wantProblems(t, r, map[string]string{"file": CodeAllowance})
	if kept := collect(t, w.store.Versions(t.Context(), w.key)); len(kept) != 1 || kept[0].ID != "2.0" {
		t.Errorf("%+v are kept", kept)
	}
	w.equal(w.tenant.tree())
	w.sync() // brings the other one, and no more
	w.same()
	w.listed()
}
