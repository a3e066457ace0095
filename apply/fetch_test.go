package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

// answer is one way in which a content host answers a request.
type answer func(s *tenant, n *node, q graph.ContentRequest) (*graph.Content, error)

// cut breaks the line after some bytes.
func cut(after int) answer {
	return func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
		rest := n.text[q.Offset:]
		return body(rest[:min(after, len(rest))], errLine, q.Offset, int64(len(n.text))), nil
	}
}

// refuse answers with an error.
func refuse(err error) answer {
	return func(*tenant, *node, graph.ContentRequest) (*graph.Content, error) { return nil, err }
}

// other sends bytes of its own, from the place and with the total it likes.
func other(change func(text string) string, offset func(int64) int64, total func(int) int64) answer {
	return func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
		at := offset(q.Offset)
		text := change(n.text)
		return body(text[min(at, int64(len(text))):], nil, at, total(len(text))), nil
	}
}

func same(at int64) int64      { return at }
func whole(int64) int64        { return 0 }
func known(n int) int64        { return int64(n) }
func unknown(int) int64        { return -1 }
func plain(text string) string { return text }
func expired() error {
	return &graph.Error{Op: "open content", Status: http.StatusUnauthorized, Host: "host.example"}
}
func unsatisfiable() error {
	return &graph.Error{Op: "open content", Status: 416, Host: "host.example"}
}
func unavailable() error {
	return &graph.Error{Op: "open content", Status: http.StatusBadGateway, Host: "host.example"}
}
func lie(reason string) error { return fmt.Errorf("open content: %s: %w", reason, graph.ErrProtocol) }
func repeat(a answer, n int) (out []answer) {
	for range n {
		out = append(out, a)
	}
	return out
}

func flip(text string) string {
	b := []byte(text)
	b[len(b)/2] ^= 1
	return string(b)
}

// script answers the downloads of a test one after the other, and honestly when it
// is through. after runs before each answer.
func (w *world) script(answers []answer) {
	next := 0
	w.tenant.onOpen = func(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		if next >= len(answers) {
			return nil, nil, false
		}
		next++
		c, err := answers[next-1](w.tenant, n, q)
		return c, err, true
	}
}

// bubble runs a test in fake time with one file that was applied and has changed.
func bubble(t *testing.T, test func(t *testing.T, w *world, n *node)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		w.checkpoint = 1000
		w.tenant.put("file", "old text")
		w.sync()
		n := w.tenant.put("file", random(7, 5500))
		w.tenant.resetCounts()
		test(t, w, n)
	})
}

func TestDownloadsSurviveWhatHostsDo(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []answer
		opens   int // at most, the last of them good
		items   int // at most
		most    time.Duration
	}{
		{"a cut line is taken up", []answer{cut(2000), cut(1000)}, 3, 1, 10 * time.Second},
		{"a cut without a byte, several times", repeat(cut(0), 7), 8, 1, 4 * time.Minute},
		{"a server error goes away", repeat(refuse(unavailable()), 3), 4, 1, time.Minute},
		{"200 to a range begins again (H-53)", []answer{cut(2000), other(plain, whole, known)}, 2, 1, time.Minute},
		{"a body longer than an honest total begins again", []answer{cut(2000), other(plain, same, func(n int) int64 { return int64(n) + 7 })}, 3, 2, time.Minute},
		{"a shorter total begins again", []answer{cut(2000), other(plain, same, func(n int) int64 { return int64(n) - 7 })}, 3, 2, time.Minute},
		{"another start or form of a range begins again (H-54, H-55)", []answer{cut(2000), refuse(lie("begins elsewhere"))}, 3, 2, time.Minute},
		{"twice a lie", []answer{cut(2000), refuse(lie("multipart")), refuse(lie("no range"))}, 4, 3, time.Minute},
		{"416 at a resume begins again (H-57)", []answer{cut(2000), refuse(unsatisfiable())}, 3, 2, time.Minute},
		{"416 for a fresh download is tried once more", []answer{refuse(unsatisfiable())}, 2, 2, time.Minute},
		{"a clean end that is too early, without a length (H-58)", []answer{other(func(s string) string { return s[:3000] }, same, unknown)}, 2, 1, time.Minute},
		{"a clean end that is too early, with a length", []answer{other(func(s string) string { return s[:3000] }, same, func(int) int64 { return 5500 })}, 2, 1, time.Minute},
		{"an expired address is renewed and the file goes on (H-62)", []answer{cut(2000), refuse(expired())}, 3, 2, time.Minute},
		{"as often as it is needed, as long as it moves on", []answer{
			cut(1000), refuse(expired()), cut(1000), refuse(expired()), cut(1000), refuse(expired()),
			cut(1000), refuse(expired()), cut(1000), refuse(expired()),
		}, 11, 6, 2 * time.Minute},
		{"one flipped bit is fetched again", []answer{other(flip, same, known)}, 2, 2, time.Minute},
		{"one byte too many, once", []answer{other(func(s string) string { return s + "x" }, same, known)}, 2, 2, time.Minute},
		{"one byte missing, once", []answer{other(func(s string) string { return s[1:] }, same, known)}, 2, 2, time.Minute},
		{"bytes of an older version in the middle (H-56)", []answer{cut(2000), other(flip, same, known)}, 3, 2, time.Minute},
		{"another tag in the middle (C15)", []answer{cut(2000), func(s *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
			c := body(n.text[q.Offset:], nil, q.Offset, int64(len(n.text)))
			c.ETag = "another"
			return c, nil
		}}, 3, 2, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				if strings.Contains(test.name, "another tag") {
					first := test.answers[0]
					test.answers[0] = func(s *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
						c, err := first(s, n, q)
						c.ETag = n.item().ETag
						return c, err
					}
				}
				w.script(test.answers)
				start := time.Now()
				w.sync()
				if took := time.Since(start); took > test.most {
					t.Errorf("it took %s, at most %s is fine", took, test.most)
				}
				if w.tenant.opens > test.opens || w.tenant.items > test.items {
					t.Errorf("%d downloads and %d questions, at most %d and %d are fine", w.tenant.opens, w.tenant.items, test.opens, test.items)
				}
				w.same()
				if got := w.trashed(); !slices.Equal(got, []string{"old text"}) {
					t.Errorf("the trash holds %q", got)
				}
			})
		})
	}
}

func TestDownloadsThatCannotSucceedFailInBoundsAndKeepTheOldFile(t *testing.T) {
	endless := func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
		return &graph.Content{Body: io.NopCloser(forever{}), Status: 200, Offset: q.Offset, Total: -1, Length: -1}, nil
	}
	turn := 0
	everOther := func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
		turn++
		return body(random(turn, len(n.text)), nil, 0, int64(len(n.text))), nil
	}
	renamed := func(_ *tenant, n *node, _ graph.ContentRequest) (*graph.Content, error) {
		n.change++ // anything but its content
		return body(flip(n.text), nil, 0, int64(len(n.text))), nil
	}
	for _, test := range []struct {
		name   string
		answer answer
		code   string
		opens  int
	}{
		{"the line breaks without progress", cut(0), CodeNetwork, 9},
		{"ranges are ignored and the line breaks", func(_ *tenant, n *node, _ graph.ContentRequest) (*graph.Content, error) {
			return body(n.text[:3000], errLine, 0, int64(len(n.text))), nil
		}, CodeNetwork, 12},
		{"every address is refused", refuse(expired()), CodeDenied, 5},
		{"every range is a lie", refuse(lie("encoded")), CodeIntegrity, 4},
		{"416 for ever", refuse(unsatisfiable()), CodeIntegrity, 4},
		{"too short without a length, for ever", other(func(s string) string { return s[:min(len(s), 3000)] }, same, unknown), CodeNetwork, 12},
		{"endless", endless, CodeIntegrity, 1},
		{"too large by its own word", refuse(fmt.Errorf("open: %w", graph.ErrTooLarge)), CodeIntegrity, 1},
		{"malware", refuse(fmt.Errorf("open: %w", graph.ErrMalware)), CodeMalware, 1},
		{"throttled", refuse(fmt.Errorf("open: %w", graph.ErrThrottled)), CodeThrottled, 1},
		{"no address at all (H-63)", refuse(fmt.Errorf("open: %w", graph.ErrAddress)), CodeNoContent, 2},
		{"wrong, each time differently", everOther, CodeIntegrity, 2},
		{"wrong, and touched at the source each time", renamed, CodeNetwork, 9},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				w.script(repeat(test.answer, 1000))
				r := w.run()
				wantProblems(t, r, map[string]string{"file": test.code})
				if w.tenant.opens > test.opens {
					t.Errorf("%d downloads, at most %d are fine", w.tenant.opens, test.opens)
				}
				w.equal(map[string]string{"file": "old text"})
				w.tenant.onOpen = nil
				w.sync()
				w.same()
			})
		})
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

func TestFilesThatTheServiceRewritesAreTreatedAsThePolicySays(t *testing.T) {
	for _, test := range []struct {
		name, policy string
		announce     func(n *node)
		serve        func(string) string
		verdict      state.Verdict
		code         string
		opens        int
	}{
		{"longer than announced", "accept", nil, func(s string) string { return s + " properties" }, state.Served, "", 2},
		{"shorter than announced (C20)", "accept", nil, func(s string) string { return s[:4000] }, state.Served, "", 2},
		{"of the same size", "accept", nil, flip, state.Served, "", 2},
		{"which the policy refuses", "fail", nil, flip, "", CodeUnverifiable, 2},
		{"without a hash", "accept", func(n *node) { n.noHash = true }, plain, state.SizeOnly, "", 1},
		{"without a hash, which the policy refuses", "fail", func(n *node) { n.noHash = true }, plain, "", CodeUnverifiable, 1},
		{"empty, without a hash", "fail", func(n *node) { n.noHash, n.text = true, "" }, plain, state.SizeOnly, "", 0},
		{"without a hash and of another size", "accept", func(n *node) { n.noHash = true }, func(s string) string { return s + "x" }, state.Served, "", 2},
		{"without a size", "accept", func(n *node) { n.noSize = true }, plain, state.Verified, "", 1},
		{"without a size and wrong", "fail", func(n *node) { n.noSize = true }, flip, "", CodeUnverifiable, 2},
		{"with the hash of nothing", "fail", func(n *node) { n.hash = emptyHash }, plain, "", CodeUnverifiable, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				w.policy.Unverifiable = test.policy
				if test.announce != nil {
					test.announce(n)
				}
				w.script(repeat(other(test.serve, same, known), 1000))
				r := w.run()
				if w.tenant.opens != test.opens {
					t.Errorf("%d downloads, want %d", w.tenant.opens, test.opens)
				}
				if test.code != "" {
					wantProblems(t, r, map[string]string{"file": test.code})
					w.equal(map[string]string{"file": "old text"})
					return
				}
				w.equal(map[string]string{"file": test.serve(n.text)})
				e := collect(t, w.store.EntriesByParent(t.Context(), w.key))[0]
				if (r.Counts.Served == 1) != (test.verdict == state.Served) {
					t.Errorf("%d files count as served", r.Counts.Served)
				}
				if e.Verdict != test.verdict {
					t.Errorf("the verdict is %q, want %q", e.Verdict, test.verdict)
				}
				w.settled()
			})
		})
	}
}

// Two downloads that end in the same place show what the service serves only if they
// came to their end.
func TestABrokenTransferIsNoProofOfWhatTheServiceServes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		served := n.text + " properties"
		broken := func(_ *tenant, _ *node, q graph.ContentRequest) (*graph.Content, error) {
			return body(served[q.Offset:len(n.text)+4], errLine, q.Offset, -1), nil
		}
		whole := func(_ *tenant, _ *node, q graph.ContentRequest) (*graph.Content, error) {
			return body(served[q.Offset:], nil, q.Offset, -1), nil
		}
		w.script([]answer{broken, broken, whole, broken, whole})
		w.sync()
		w.equal(map[string]string{"file": served})
	})
}

func TestVerifyingBySizeAsksForNoHash(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		w.policy.Verify = "size"
		n.hash = quick("something else")
		w.sync()
		w.same()
		if w.tenant.opens != 1 {
			t.Errorf("%d downloads", w.tenant.opens)
		}
	})
}

// A change at the source while a file is read, with the two ways to treat it.
func TestAChangeInTheMiddleOfADownloadNeverMixesVersions(t *testing.T) {
	for _, policy := range []string{"skip", "latest"} {
		for _, sign := range []string{"nothing", "nothing, not even a hash", "nothing that is asked for", "expired address", "another total"} {
			t.Run(policy+" after "+sign, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world, n *node) {
					w.policy.OnSuperseded = policy
					switch sign {
					case "nothing, not even a hash":
						n.noHash = true
					case "nothing that is asked for":
						w.policy.Verify = "size"
					}
					change := func(s *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
						n.text, n.version, n.change = random(8, 5500), n.version+1, n.change+1
						switch sign {
						case "expired address":
							return nil, expired()
						case "another total":
							n.text += "!"
						}
						return body(n.text[q.Offset:], nil, q.Offset, int64(len(n.text))), nil
					}
					w.script([]answer{cut(2000), change})
					r := w.run()
					if policy == "skip" {
						wantProblems(t, r, map[string]string{"file": CodeSuperseded})
						w.equal(map[string]string{"file": "old text"})
						w.tidy()
						w.sync()
					}
					w.same()
				})
			})
		}
	}
}

func TestAFileThatGrewSinceThePlanIsSuperseded(t *testing.T) {
	for _, policy := range []string{"skip", "latest"} {
		t.Run(policy, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				w.policy.OnSuperseded = policy
				w.checkpoint = 0
				w.addr = NewAddresses(func() time.Time { return w.clock })
				p := w.plan()
				w.tenant.put("file", random(9, maxExcess+10_000))
				r := w.execute(p)
				if policy == "skip" {
					wantProblems(t, r, map[string]string{"file": CodeSuperseded})
					w.equal(map[string]string{"file": "old text"})
					w.sync()
				}
				w.same()
			})
		})
	}
}

func TestAnEmptyFileWithTheHashOfOthersIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		n.text = ""
		n.hash = quick("not empty")
		w.policy.Unverifiable = "fail"
		wantProblems(t, w.run(), map[string]string{"file": CodeUnverifiable})
		if w.tenant.opens != 2 {
			t.Errorf("%d downloads", w.tenant.opens)
		}
	})
}

func TestAStoppedRunSaysSoAndLeavesNoHalfFile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		w.script(repeat(cut(0), 100))
		r, _, err := w.apply(ctx, w.plan(), 0)
		if err != nil || !r.Interrupted {
			t.Errorf("%+v, %v", r, err)
		}
		w.equal(map[string]string{"file": "old text"})
	})
}

func TestNoPartialFileIsEverVisible(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.tenant.put(fmt.Sprintf("f%02d", i), random(i, 4000))
	}
	w.sync()
	old := w.disk()
	for i := range 50 {
		w.tenant.put(fmt.Sprintf("f%02d", i), random(1000+i, 4000))
	}
	now := w.tenant.tree()
	done := make(chan struct{})
	watched := make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-done:
				watched <- err
				return
			default:
			}
			for path := range maps.Keys(now) {
				data, rerr := os.ReadFile(filepath.Join(w.root(), path))
				if rerr != nil || string(data) != old[path] && string(data) != now[path] {
					err = errors.Join(rerr, fmt.Errorf("%s held %d bytes of neither version", path, len(data)))
				}
			}
		}
		<-done
		watched <- err
	}()
	w.sync()
	close(done)
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
