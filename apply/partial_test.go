package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/state"
)

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
	t.Run("begun by an earlier run, of the same size", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world, n *node) {
			n.noHash = true
			w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
			w.run()
			w.script([]answer{func(_ *tenant, n *node, q graph.ContentRequest) (*graph.Content, error) {
				n.text, n.version, n.change = random(8, len(n.text)), n.version+1, n.change+1
				return body(n.text[q.Offset:], nil, q.Offset, int64(len(n.text))), nil
			}})
			w.reopen()
			wantProblems(t, w.run(), map[string]string{"file": CodeSuperseded})
			w.equal(map[string]string{"file": "old text"})
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
			r := io.MultiReader(strings.NewReader(flip(n.text)[:400]), stopping{stop})
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

// Whatever became of the file that a checkpoint speaks of, with parts ahead or without: it is right in the end (I-08, F19).
func TestACheckpointIsOnlyAsGoodAsItsFile(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string) error{
		"gone":          func(_ *testing.T, file string) error { return os.Remove(file) },
		"shorter":       func(_ *testing.T, file string) error { return os.Truncate(file, 700) },
		"empty":         func(_ *testing.T, file string) error { return os.Truncate(file, 0) },
		"longer":        func(_ *testing.T, file string) error { return os.Truncate(file, 9000) },
		"other bytes":   func(_ *testing.T, file string) error { return splice(file, "!", 4000) }, // behind what is hashed
		"other hashed":  func(_ *testing.T, file string) error { return splice(file, "!", 100) },
		"lost pages":    func(_ *testing.T, file string) error { return splice(file, strings.Repeat("\x00", 500), 1000) },
		"a second name": func(t *testing.T, file string) error { return os.Link(file, filepath.Join(t.TempDir(), "mine")) },
	} {
		for _, ahead := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ahead %v", name, ahead), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world, n *node) {
					w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
					wantProblems(t, w.run(), map[string]string{"file": CodeNetwork})
					list := collect(t, w.store.Partials(t.Context(), w.key))
					if len(list) != 1 {
						t.Fatalf("partials are %+v", list)
					}
					file := filepath.Join(w.root(), ".spmirror/staging", list[0].Staging)
					if ahead { // as if a part of the rest had come as well
						w.check(splice(file, n.text[3500:4500], 3500))
						list[0].Ahead = []state.Span{{From: 3500, To: 4500}}
						w.check(w.store.Tx(t.Context(), func(tx *state.Tx) error { return tx.PutPartial(w.key, list[0]) }))
					}
					w.check(damage(t, file))
					w.tenant.onOpen = nil
					w.reopen()
					w.sync()
					w.same()
				})
			})
		}
	}
}

// Parts ahead have no hash until they are joined. Where the source gives none either, nothing would tell that somebody
// has changed them meanwhile: they are fetched again.
func TestPartsAheadOfAFileWithoutAHashAreNotTrustedLater(t *testing.T) {
	for _, verify := range []string{"", "size"} {
		t.Run("verify "+verify, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, n *node) {
				n.noHash = verify == ""
				if verify != "" {
					w.policy.Verify = verify
				}
				w.script(append([]answer{cut(3000)}, repeat(cut(0), 20)...))
				w.run()
				list := collect(t, w.store.Partials(t.Context(), w.key))
				file := filepath.Join(w.root(), ".spmirror/staging", list[0].Staging)
				w.check(splice(file, random(77, 1000), 3500))
				list[0].Ahead = []state.Span{{From: 3500, To: 4500}}
				w.check(w.store.Tx(t.Context(), func(tx *state.Tx) error { return tx.PutPartial(w.key, list[0]) }))
				var from []int64
				w.tenant.onOpen = func(_ *node, q graph.ContentRequest, _ int) (*graph.Content, error, bool) {
					from = append(from, q.Offset)
					return nil, nil, false
				}
				w.reopen()
				w.sync()
				w.same()
				if len(from) != 1 || from[0] != list[0].Offset {
					t.Errorf("asked from %v on, %d bytes were hashed", from, list[0].Offset)
				}
			})
		})
	}
}

func splice(file, text string, at int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), at)
	return errors.Join(err, f.Close())
}
