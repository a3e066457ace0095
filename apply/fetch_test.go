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

func honest(s *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
	return s.serve(n, q), nil
}

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
				if e.Verdict != test.verdict {
					t.Errorf("the verdict is %q, want %q", e.Verdict, test.verdict)
				}
				w.settled()
			})
		})
	}
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
		for _, sign := range []string{"nothing", "expired address", "another total"} {
			t.Run(policy+" after "+sign, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world, n *node) {
					w.policy.OnSuperseded = policy
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

// Without a hash nothing but the total and the tag tells that the second part is of
// another version (C15).
func TestPartsOfTwoVersionsAreNeverJoinedEvenWithoutAHash(t *testing.T) {
	tagged := func(tag string, text func(string) string) answer {
		return func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
			all := text(n.text)
			c := body(all[q.Offset:], nil, q.Offset, int64(len(all)))
			if q.Offset == 0 {
				c = body(all[:2000], errLine, 0, int64(len(all)))
			}
			c.ETag = tag
			return c, nil
		}
	}
	for name, second := range map[string]answer{
		"another tag":   tagged("two", flip),
		"another total": tagged("one", func(s string) string { return flip(s) + "more" }),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				n.noHash, n.noSize = true, true
				w.script([]answer{tagged("one", plain), second})
				w.sync()
				w.equal(w.tenant.tree())
			})
		})
	}
	t.Run("begun by an earlier run", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world, n *node) {
			n.noHash = true
			w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
			w.run()
			w.script([]answer{tagged("two", func(s string) string { return flip(s) + "more" })})
			w.reopen()
			w.sync()
			w.same()
		})
	})
}

// 256 MiB in the small: a checkpoint every 1,000 of 5,500 bytes, stopped at any
// place, fetches at most one interval and one buffer again (I-08).
func TestAnInterruptedDownloadGoesOnFromItsCheckpoint(t *testing.T) {
	for stopAt := 0; stopAt <= 5500; stopAt += 250 {
		t.Run(fmt.Sprint(stopAt), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				ctx, stop := context.WithCancel(t.Context())
				w.tenant.onOpen = func(n *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
					r := io.MultiReader(&drops{text: n.text[q.Offset:stopAt], size: 125}, stopping{stop})
					return &graph.Content{Body: io.NopCloser(r), Total: int64(len(n.text)), Length: -1}, nil, true
				}
				p := w.plan()
				r, since, err := w.apply(ctx, p, 0)
				if err != nil || !r.Interrupted {
					t.Fatalf("%+v, %v", r, err)
				}
				w.equal(map[string]string{"file": "old text"})
				var from []int64
				w.tenant.onOpen = func(_ *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
					from = append(from, q.Offset)
					return nil, nil, false
				}
				w.reopen()
				if r, _, err = w.apply(t.Context(), p, since); err != nil || r.Counts.Incomplete() {
					t.Fatalf("%+v, %v", r, err)
				}
				if len(from) != 1 && stopAt < 5500 {
					t.Errorf("asked for %v", from)
				}
				if len(from) > 0 && int64(stopAt)-from[0] >= 1000+125 {
					t.Errorf("stopped at %d, gone on at %d", stopAt, from[0])
				}
				w.same()
			})
		})
	}
}

// drops gives its text out in small pieces.
type drops struct {
	text string
	size int
}

func (d *drops) Read(p []byte) (int, error) {
	if d.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), d.size)], d.text)
	d.text = d.text[n:]
	return n, nil
}

type stopping struct{ stop func() }

func (s stopping) Read([]byte) (int, error) {
	s.stop()
	return 0, errLine
}

func TestAPartialOfAnotherVersionIsThrownAway(t *testing.T) {
	for name, change := range map[string]func(n *node){
		"other bytes":    func(n *node) { n.text = random(9, 5500) },
		"a longer file":  func(n *node) { n.text += "more" },
		"the same bytes": func(n *node) {}, // but another tag: nobody knows
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
				wantProblems(t, w.run(), map[string]string{"file": CodeNetwork})
				if list := collect(t, w.store.Partials(t.Context(), w.key)); len(list) != 1 || list[0].Offset < 2000 {
					t.Fatalf("partials are %+v", list)
				}
				change(n)
				n.version, n.change = n.version+1, n.change+1
				var from []int64
				w.tenant.onOpen = func(_ *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
					from = append(from, q.Offset)
					return nil, nil, false
				}
				w.reopen()
				w.sync()
				if len(from) != 1 || from[0] != 0 {
					t.Errorf("asked from %v on", from)
				}
				w.same()
			})
		})
	}
}

func TestAPartialOfAnItemThatIsGoneDoesNotStay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
		w.run()
		w.tenant.remove("file")
		w.tenant.onOpen = nil
		w.sync()
		w.same()
	})
}

// A restart for the same version must not leave the checkpoint of bytes that are
// overwritten: the next run would take them for the ones it has hashed.
func TestARestartForgetsItsCheckpointFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, n *node) {
		ctx, stop := context.WithCancel(t.Context())
		w.script([]answer{cut(3000), func(_ *tenant, n *node, _ graph.ContentRequest) (*graph.Content, error) {
			r := io.MultiReader(strings.NewReader(flip(n.text)[:900]), stopping{stop})
			return &graph.Content{Body: io.NopCloser(r), Total: int64(len(n.text)), Length: -1}, nil
		}})
		p := w.plan()
		_, since, err := w.apply(ctx, p, 0)
		w.check(err)
		if list := collect(t, w.store.Partials(t.Context(), w.key)); len(list) != 0 {
			t.Errorf("partials are %+v", list)
		}
		w.tenant.onOpen = nil
		w.reopen()
		if r, _, err := w.apply(t.Context(), p, since); err != nil || r.Counts.Incomplete() {
			t.Fatalf("%+v, %v", r, err)
		}
		w.same()
	})
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

func TestFilesOfAFreshPlanCostOneRequestEach(t *testing.T) {
	w := newWorld(t)
	w.addr = NewAddresses(func() time.Time { return w.clock })
	for i := range 20 {
		w.tenant.put(fmt.Sprintf("f%d", i), random(i, 100))
	}
	w.sync()
	if w.tenant.items != 0 || w.tenant.opens != 20 {
		t.Errorf("%d questions and %d downloads, want 0 and 20", w.tenant.items, w.tenant.opens)
	}
	w.same()
	t.Run("and two when the address is old, or is refused, or of another version", func(t *testing.T) {
		w.tenant.put("f0", "old address")
		p := w.plan()
		w.clock = w.clock.Add(addressLife)
		w.tenant.resetCounts()
		w.execute(p)
		w.tenant.put("f1", "refused")
		w.script([]answer{refuse(expired())})
		w.sync()
		w.tenant.put("f2", "two")
		p = w.plan()
		n := w.tenant.put("f2", "2.0")
		it := n.item()
		w.addr.Keep("drive", &it)
		wantProblems(t, w.execute(p), map[string]string{"f2": CodeSuperseded})
		if w.tenant.items != 3 {
			t.Errorf("%d questions, want 3", w.tenant.items)
		}
		w.sync()
		w.same()
	})
	t.Run("and none with a saved plan", func(t *testing.T) {
		w.tenant.put("f3", "saved")
		p := w.plan()
		w.addr = nil
		w.tenant.resetCounts()
		w.execute(p)
		if w.tenant.items != 1 || w.tenant.opens != 1 {
			t.Errorf("%d questions and %d downloads", w.tenant.items, w.tenant.opens)
		}
	})
}

func TestItemsWithoutAnAddressAndVeryLargeOnesGetAFreshOne(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a", "a")
	w.tenant.onItem = func(n *node, _ int) (graph.Item, error, bool) {
		it := n.item()
		it.DownloadURL = graph.SecretURL{}
		return it, nil, true
	}
	w.sync()
	if w.tenant.addresses != 1 {
		t.Errorf("%d addresses were asked for", w.tenant.addresses)
	}
	w.same()
	large := &graph.Item{ID: "x", Size: largeFile + 1, ETag: "e", Facets: graph.File, DownloadURL: graph.NewSecretURL("https://host.example/x")}
	a := NewAddresses(time.Now)
	a.Keep("d", large)
	f := &fetch{mirrorRun: &mirrorRun{running: &running{Job: Job{Now: time.Now}}, Mirror: &Mirror{Addresses: a, Plan: w.plan().Mirrors[0]}}}
	f.Plan.Source.DriveID, f.change.ItemID, f.change.Remote = "d", "x", remoteOf(large)
	if f.remembered() {
		t.Error("the address of a very large file was trusted")
	}
}

func TestAddressesAreFewAndGivenOutOnce(t *testing.T) {
	a := NewAddresses(time.Now)
	a.limit = 10
	for i := range 25 {
		a.Keep("d", &graph.Item{ID: graph.ItemID(fmt.Sprint(i)), Facets: graph.File, DownloadURL: graph.NewSecretURL("https://secret.example/?tempauth=x")})
	}
	if len(a.kept) != 10 {
		t.Errorf("%d addresses are kept", len(a.kept))
	}
	if _, ok := a.take("d", "24", time.Now()); !ok {
		t.Error("the newest is not there")
	}
	if _, ok := a.take("d", "24", time.Now()); ok {
		t.Error("it was given out twice")
	}
	if _, ok := a.take("d", "3", time.Now()); ok {
		t.Error("the oldest is still there")
	}
	a.Keep("d", &graph.Item{ID: "20", Facets: graph.Deleted})
	if _, ok := a.take("d", "20", time.Now()); ok {
		t.Error("the address of a deleted item was given out")
	}
	if text := fmt.Sprintf("%v %+v %#v", a.kept, a.kept, a.kept); strings.Contains(text, "secret") {
		t.Error("an address can be printed")
	}
	var none *Addresses
	none.Keep("d", &graph.Item{})
	if _, ok := none.take("d", "x", time.Now()); ok {
		t.Error("nothing gave something out")
	}
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

func TestFailFastStopsAtTheFirstFailure(t *testing.T) {
	w := newWorld(t)
	w.fast, w.workers = true, 1
	for i := range 50 {
		w.tenant.put(fmt.Sprintf("f%02d", i), "x")
	}
	w.tenant.onOpen = func(n *node, _ graph.ContentRequest, _ int) (*graph.Content, error, bool) {
		return nil, &graph.Error{Op: "open content", Status: 423, Code: "resourceLocked"}, n.name == "f10"
	}
	p := w.plan()
	r, _, err := w.apply(t.Context(), p, 0)
	if err == nil || r.Counts.Failed != 1 || r.Counts.Added > 12 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	rows := collect(t, w.store.RunItems(t.Context(), state.RunID(r.Run)))
	if !slices.ContainsFunc(rows, func(i state.RunItem) bool { return i.Outcome == string(Failed) }) {
		t.Error("the failure is not recorded")
	}
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
