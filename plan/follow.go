package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// The digests of a saved plan show that it was altered, not that it was altered by
// somebody who then computed them anew. What such a plan says is therefore derived
// again (I-46): its numbers from its items, and its items from the state.

// Recounted are the numbers of a saved plan as its items make them.
type Recounted struct {
	Header *Header
	ledger
}

// Recount starts to derive what a header says of its items; Count takes them.
func Recount(h *Header) *Recounted {
	r := &Recounted{Header: new(Header), ledger: newLedger()}
	*r.Header = *h
	r.Header.Mirrors = nil
	for _, m := range h.Mirrors {
		mirror := *m
		r.Header.Mirrors = append(r.Header.Mirrors, &mirror)
		r.open(&mirror)
	}
	return r
}

// Count takes one change.
func (r *Recounted) Count(c *Change) error { return r.count(c) }

// Compare refuses a header that says something else than its items.
func (r *Recounted) Compare(h *Header) error {
	r.close(r.Header)
	for i, m := range r.Header.Mirrors {
		was := h.Mirrors[i]
		if !sameJSON(m, was) {
			return fmt.Errorf("%w: the header does not say of %s what its items say", ErrAltered, m.Address)
		}
		if m.Planned() && !m.addsUp() {
			return fmt.Errorf("%w: the items of %s do not add up to those that were compared", ErrAltered, m.Address)
		}
	}
	if !sameJSON(r.Header, h) {
		return fmt.Errorf("%w: the totals are not those of the items", ErrAltered)
	}
	return nil
}

// addsUp reports whether every compared item is in exactly one class (I-51).
func (m *Mirror) addsUp() bool {
	sum := m.Unchanged
	for _, s := range m.Summary {
		sum += s.Items
	}
	for _, n := range m.Skipped {
		sum += n
	}
	return sum-m.Reasons[Move][TargetMoved]-m.Reasons[Move][AddressMoved] == m.Compared // those two are no items
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errors.Join(errX, errY) == nil && bytes.Equal(x, y)
}

// gist is what must agree between a change of a saved plan and the same change in a
// plan made anew from the same state.
type gist struct {
	Mirror  string   `json:"m"`
	Item    ItemID   `json:"i"`
	Kind    Reason   `json:"k,omitempty"` // of a change of the mirror itself
	Path    RelPath  `json:"p"`
	Actions []Action `json:"a"`
	Folder  bool     `json:"f,omitempty"`
	Place   string   `json:"l"` // digests
	Manner  string   `json:"d"`
	Remote  string   `json:"r"`
}

func gistOf(c *Change) gist {
	g := gist{Mirror: c.Mirror, Item: c.ItemID, Path: c.Path, Actions: slices.Clone(c.Actions), Folder: c.Folder}
	local, disposal := c.Local, c.Disposal
	if c.OfMirror() {
		g.Kind = c.Reason
	}
	for i, a := range g.Actions {
		if a == Adopt {
			g.Actions[i] = Add // the same, where the right bytes lie in place already
		}
	}
	if g.Actions[len(g.Actions)-1] == Add && !slices.Contains(g.Actions, Delete) {
		local = nil // what lies in the way is looked at, not derived
		if disposal == DisposeRename {
			disposal = ""
		}
	}
	g.Place = digestOf(c.Path, c.PreviousPath, c.Parent, c.Name, c.Replaces, c.Folder, c.Reason == MissingOnDisk, c.OnlyBeside())
	g.Manner, g.Remote = digestOf(local, disposal), digestOf(c.Remote, c.Beside)
	return g
}

func digestOf(values ...any) string {
	data, err := json.Marshal(values)
	if err != nil {
		return err.Error() // plain values only
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:12])
}

// follows reports whether a change of a saved plan is what planning anew comes to. The
// version at the source is compared where both plans saw the same.
func (g *gist) follows(anew *gist, sameSource bool) bool {
	switch {
	case g.Place != anew.Place, sameSource && g.Remote != anew.Remote:
		return false
	case len(g.Actions) == 1 && g.Actions[0] == Metadata && anew.Actions[len(anew.Actions)-1] == Update:
		return true // it was looked at more closely: the bytes on disk were the right ones
	}
	return slices.Equal(g.Actions, anew.Actions) && g.Manner == anew.Manner
}

// Follower compares the changes of a saved plan with those of a plan made anew. It
// holds neither in memory.
type Follower struct{ saved, anew *Spool }

// NewFollower starts a comparison. Temporary files go to dir.
func NewFollower(dir string) (*Follower, error) {
	saved, err := NewSpool(dir)
	if err != nil {
		return nil, err
	}
	anew, err := NewSpool(dir)
	if err != nil {
		saved.Close()
		return nil, err
	}
	return &Follower{saved, anew}, nil
}

// Close frees the temporary files.
func (f *Follower) Close() error { return errors.Join(f.saved.Close(), f.anew.Close()) }

// Saved takes a change of the saved plan.
func (f *Follower) Saved(c *Change) error { return follow(f.saved, c) }

// Anew takes a change of the plan made anew.
func (f *Follower) Anew(c *Change) error { return follow(f.anew, c) }

func follow(s *Spool, c *Change) error {
	if c.Action() == Blocked {
		return nil // what is held back is not carried out
	}
	g := gistOf(c)
	return s.Add(g.key(), &g)
}

func (g *gist) key() []byte { return sortKey(g.Mirror, string(g.Item), string(g.Kind), false) }

// Misfit is a change of a saved plan that planning anew does not come to.
type Misfit struct {
	Mirror  string
	Path    RelPath
	Item    ItemID
	Folder  bool
	Actions []Action
	Anew    []Action // what planning anew does to the item instead; nil: nothing
}

// Removes reports whether the change takes the item or its record away, and whether
// planning anew does so as well.
func (m Misfit) Removes() (saved, anew bool) {
	ends := func(a Action) bool { return a == Delete || a == Forget }
	for _, a := range m.Actions {
		saved = saved || ends(a)
	}
	keeps := slices.Contains(m.Actions, Forget)
	for _, a := range m.Anew {
		anew = anew || a == Delete || keeps && a == Forget
	}
	return saved, anew
}

// Misfits yields the changes of the saved plan that do not follow. sameSource says
// whether both plans were made from the same listing of a mirror's source.
func (f *Follower) Misfits(sameSource func(mirror string) bool) iter.Seq2[Misfit, error] {
	return func(yield func(Misfit, error) bool) {
		next, stop := iter.Pull2(decodeLines[gist](f.anew.Lines()))
		defer stop()
		at, err, more := next()
		for g, e := range decodeLines[gist](f.saved.Lines()) {
			for e == nil && err == nil && more && bytes.Compare(at.key(), g.key()) < 0 {
				at, err, more = next()
			}
			if e := errors.Join(e, err); e != nil {
				yield(Misfit{}, e)
				return
			}
			misfit := Misfit{Mirror: g.Mirror, Path: g.Path, Item: g.Item, Folder: g.Folder, Actions: g.Actions}
			if more && bytes.Equal(at.key(), g.key()) {
				if g.follows(&at, sameSource(g.Mirror)) {
					at, err, more = next() // each change answers for one
					continue
				}
				misfit.Anew = at.Actions
			}
			if !yield(misfit, nil) {
				return
			}
		}
	}
}
