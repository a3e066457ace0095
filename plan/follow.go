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
	r.Header.Mirrors = slices.Clone(h.Mirrors)
	for i, m := range h.Mirrors {
		mirror := *m
		r.Header.Mirrors[i] = &mirror
		r.open(&mirror)
	}
	return r
}

// Count takes one change.
func (r *Recounted) Count(c *Change) error {
	if m := r.mirrors[c.Mirror]; m != nil && !m.Policy.takesPlace(c) {
		return fmt.Errorf("%w: the policy of %s does not let %q take the place of a file that spmirror did not write", ErrAltered, c.Mirror, c.Path)
	}
	return r.count(c)
}

// takesPlace reports whether a policy lets a new file do what the change says to a file
// in its place that spmirror did not write. What that file is, only the disk knows.
func (p Policy) takesPlace(c *Change) bool {
	switch {
	case c.Folder:
	case c.Action() == Adopt:
		return p.OnUntracked == "adopt" && p.adopts(c)
	case c.Action() == Add && c.Disposal == DisposeRename:
		return p.OnUntracked == "rename"
	}
	return true
}

// adopts reports whether a file of which planning found this can be taken over.
func (p Policy) adopts(c *Change) bool {
	switch l, r := c.Local, c.Remote; {
	case l == nil || r == nil || r.Size >= 0 && r.Size != l.Size:
		return false
	case p.AdoptBy == AdoptBySizeTime:
		return l.SHA256 == "" && r.Size >= 0 && r.Modified.Unix() == l.MTime.Unix()
	default:
		return l.SHA256 != "" && r.Hash != ""
	}
}

// Compare refuses a header that says something else than its items.
func (r *Recounted) Compare(h *Header) error {
	r.close(r.Header)
	for i, m := range r.Header.Mirrors {
		was := h.Mirrors[i]
		if !sameJSON(m, was) {
			return fmt.Errorf("%w: the header does not say of %s what its items say", ErrAltered, m.Address)
		}
		if m.Planned() && h.Mode != ModeRefreshOnly && !m.addsUp() { // what is only told of is no item of the plan
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
// plan made anew from the same state: all that apply reads of it.
type gist struct {
	Mirror  string   `json:"m"`
	Item    ItemID   `json:"i"`
	Kind    Reason   `json:"k,omitempty"` // of a change of the mirror itself
	Path    RelPath  `json:"p"`
	Actions []Action `json:"a"`
	Folder  bool     `json:"f,omitempty"`
	Fold    string   `json:"n,omitempty"` // where it is not the name itself
	Missing bool     `json:"g,omitempty"` // it was applied and is not there any more
	Taken   bool     `json:"t,omitempty"` // what lies in place is taken over
	Place   string   `json:"l"`           // digests
	Manner  string   `json:"d"`
	Remote  string   `json:"r"`
}

func gistOf(c *Change) gist {
	g := gist{
		Mirror: c.Mirror, Item: c.ItemID, Path: c.Path, Actions: slices.Clone(c.Actions), Folder: c.Folder,
		Missing: c.Reason == MissingOnDisk, Taken: c.Action() == Adopt,
	}
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
	if c.Fold != c.Name {
		g.Fold = c.Fold
	}
	g.Place = digestOf(c.Path, c.PreviousPath, c.Parent, c.Name, c.Replaces, c.Folder, c.OnlyBeside())
	g.Manner, g.Remote = digestOf(local, disposal, c.doubts()), digestOf(c.Remote, c.Beside)
	return g
}

// doubts are what decides whether the source is asked before a delete (I-26).
func (c *Change) doubts() []any {
	if c.Action() != Delete {
		return nil
	}
	return []any{c.Cause, c.Reason, c.Remote == nil}
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
// version at the source is compared where both plans saw the same, and how the target
// folds names where the saved plan knew of it: there may have been no target yet. What is
// taken over has a reason of its own, be it the place of something that is missing or not.
func (g *gist) follows(anew *gist, sameSource bool) bool {
	return g.Place == anew.Place && g.Manner == anew.Manner && slices.Equal(g.Actions, anew.Actions) &&
		(g.Missing == anew.Missing || g.Taken && !g.Missing) &&
		(g.Fold == "" || g.Fold == anew.Fold) && (!sameSource || g.Remote == anew.Remote)
}

// held reports whether the plan itself holds the change back.
func (g *gist) held() bool { return g.Actions[len(g.Actions)-1] == Blocked }

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
func (f *Follower) Anew(c *Change) error {
	if c.Action() == Blocked {
		return nil // what is held back is not carried out
	}
	return follow(f.anew, c)
}

func follow(s *Spool, c *Change) error {
	g := gistOf(c)
	return s.Add(g.key(), &g)
}

func (g *gist) key() []byte { return sortKey(g.Mirror, string(g.Item), string(g.Kind), false) }

// Misfit is a change in which a saved plan and planning anew differ.
type Misfit struct {
	Mirror  string
	Path    RelPath
	Item    ItemID
	Folder  bool
	Actions []Action // of the saved plan; none: it does not have the change
	Anew    []Action // of the plan made anew; none: it does not come to the change
}

// Lacking reports whether the saved plan says nothing of what planning anew comes to, not
// even that it is held back.
func (m Misfit) Lacking() bool { return len(m.Actions) == 0 }

// Removes reports whether the saved plan takes an item away, and whether
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

// Misfits yields the changes in which the two plans differ. sameSource says whether both
// were made from the same listing of a mirror's source.
func (f *Follower) Misfits(sameSource func(mirror string) bool) iter.Seq2[Misfit, error] {
	return func(yield func(Misfit, error) bool) {
		next, stop := iter.Pull2(decodeLines[gist](f.anew.Lines()))
		defer stop()
		at, err, more := next()
		// lacks yields what the saved plan has nothing of, up to a key; nil: the rest.
		lacks := func(key []byte) bool {
			for err == nil && more && (key == nil || bytes.Compare(at.key(), key) < 0) {
				if !yield(Misfit{Mirror: at.Mirror, Path: at.Path, Item: at.Item, Folder: at.Folder, Anew: at.Actions}, nil) {
					return false
				}
				at, err, more = next()
			}
			if err != nil {
				yield(Misfit{}, err)
			}
			return err == nil
		}
		for g, e := range decodeLines[gist](f.saved.Lines()) {
			if e != nil {
				yield(Misfit{}, e)
				return
			}
			if !lacks(g.key()) {
				return
			}
			misfit := Misfit{Mirror: g.Mirror, Path: g.Path, Item: g.Item, Folder: g.Folder, Actions: g.Actions}
			follows := g.held()
			if more && bytes.Equal(at.key(), g.key()) { // each change answers for one
				follows = follows || g.follows(&at, sameSource(g.Mirror))
				misfit.Anew = at.Actions
				at, err, more = next()
			}
			if !follows && !yield(misfit, nil) {
				return
			}
		}
		lacks(nil)
	}
}
