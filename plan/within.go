package plan

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// A reviewed plan can bound a later one (UX 4.6): the later plan may do less, and may
// bring more of what people at the source do all day, but nothing that takes bytes
// away or that a configuration decides unless it was reviewed.

// DefaultTolerance is how much more than reviewed a plan may transfer.
const DefaultTolerance Tolerance = 0.25

// Tolerance is a share of what the reviewed plan adds, updates and moves, in items and
// in bytes.
type Tolerance float64

// AnyTolerance lets the source add and change as much as it wants.
const AnyTolerance Tolerance = -1

// allows reports whether a number is within the tolerance of the reviewed one. The
// share is rounded up, so that a plan of few items is not outgrown by one.
func (t Tolerance) allows(reviewed, now int64) bool {
	return t < 0 || float64(now) <= float64(reviewed)+math.Ceil(float64(reviewed)*float64(t))
}

// Reasons why a reviewed plan cannot bound another one at all.
var (
	ErrOtherState         = errors.New("the reviewed plan was made for another state")
	ErrOtherConfiguration = errors.New("the configuration is not the one of the reviewed plan")
	ErrOtherScope         = errors.New("the reviewed plan was made with other -target, -exclude or -replace")
)

// Coverage says how far a reviewed plan covers a fresh one.
type Coverage struct {
	// Uncovered are items and mirrors that were not reviewed, the worst first, up to a
	// limit; Count is their true number.
	Uncovered []Uncovered
	Count     int64
	// Items and Bytes are what is added, updated and moved: reviewed and now.
	Items, Bytes Amount
}

// Amount is a number as reviewed and as it is now.
type Amount struct {
	Reviewed, Now int64
	Exceeded      bool
}

// Covered reports whether the fresh plan may go ahead.
func (c *Coverage) Covered() bool { return c.Count == 0 && !c.Items.Exceeded && !c.Bytes.Exceeded }

// Uncovered is one thing that was not reviewed.
type Uncovered struct {
	Mirror string
	// Change is nil when it concerns the mirror as a whole.
	Change *Change
	Why    string
}

// uncoveredLimit bounds the things that are named, of each kind.
const uncoveredLimit = 200

// Reviewed is a plan as Within reads it: *Plan and *File have both parts.
type Reviewed struct {
	Header  *Header
	Changes iter.Seq2[Change, error]
}

// Within decides whether a fresh plan is covered by a reviewed one. It is pure; memory
// grows only with the deletes, forgets and other decisions of the reviewed plan.
func Within(reviewed, fresh Reviewed, t Tolerance) (*Coverage, error) {
	if err := sameGround(reviewed.Header, fresh.Header); err != nil {
		return nil, err
	}
	w := within{mirrors: make(map[string]*Mirror), granted: make(map[itemKey]decision)}
	for _, m := range reviewed.Header.Mirrors {
		w.mirrors[m.Address] = m
	}
	for c, err := range reviewed.Changes {
		if err != nil {
			return nil, fmt.Errorf("read reviewed plan: %w", err)
		}
		w.review(&c)
	}
	for _, m := range fresh.Header.Mirrors {
		w.mirror(m)
	}
	for c, err := range fresh.Changes {
		if err != nil {
			return nil, fmt.Errorf("read plan: %w", err)
		}
		w.item(&c)
	}
	return w.coverage(t), nil
}

// sameGround refuses plans of different states, configurations or scopes.
func sameGround(reviewed, fresh *Header) error {
	a, b := reviewed.Options, fresh.Options
	switch {
	case reviewed.State.Lineage != fresh.State.Lineage:
		return ErrOtherState
	case reviewed.Configuration.Digest != fresh.Configuration.Digest:
		return ErrOtherConfiguration
	case reviewed.Mode != fresh.Mode, !slices.Equal(a.Targets, b.Targets), !slices.Equal(a.TargetPaths, b.TargetPaths),
		!slices.Equal(a.Excludes, b.Excludes), !slices.Equal(a.Replace, b.Replace):
		return ErrOtherScope
	}
	return nil
}

// decision is a set of things about an item that only a review allows.
type decision uint8

const (
	deletes    decision = 1 << iota
	deletesNow          // bytes go for good, not to the trash
	overwrites          // a local change gives way
	forgets
	moves // by the configuration
	updates
	retimes
)

// decisions of a change. Adds are none: the configuration is the reviewed one, so an
// item that it newly selects is new at the source and matched by the reviewed rule.
func (c *Change) decisions() decision {
	if c.Action() == Blocked {
		return 0
	}
	var d decision
	removes := slices.Contains(c.Actions, Delete) // also of a file that becomes a folder
	if removes {
		d |= deletes
	}
	if slices.Contains(c.Actions, Forget) {
		d |= forgets
	}
	if !removes && c.Disposal != "" {
		d |= overwrites
	}
	if c.Disposal == DisposeDelete || removes && c.Disposal != DisposeTrash {
		d |= deletesNow
	}
	if c.Cause == ByConfig {
		d |= map[Action]decision{Move: moves, Update: updates, Metadata: retimes}[c.Action()]
	}
	return d
}

type itemKey struct {
	mirror string
	item   ItemID
}

// within is one comparison.
type within struct {
	mirrors      map[string]*Mirror // of the reviewed plan
	granted      map[itemKey]decision
	kinds        [5][]Uncovered // by severity
	count        int64
	items, bytes Amount
}

func (w *within) review(c *Change) {
	if d := c.decisions(); d != 0 {
		w.granted[itemKey{c.Mirror, c.ItemID}] |= d
	}
	items, bytes := c.transfer()
	w.items.Reviewed += items
	w.bytes.Reviewed += bytes
}

// transfer is what of a change counts against the tolerance.
func (c *Change) transfer() (items, bytes int64) {
	switch c.Action() {
	case Add, Update, Move, Metadata, Adopt:
		return 1, c.DownloadBytes()
	}
	return 0, 0
}

func (w *within) miss(severity int, u Uncovered) {
	w.count++
	if len(w.kinds[severity]) < uncoveredLimit {
		w.kinds[severity] = append(w.kinds[severity], u)
	}
}

// mirror compares what happens to a mirror as a whole.
func (w *within) mirror(m *Mirror) {
	if !m.Planned() || m.Changes() == 0 && m.ActionReason == "" {
		return
	}
	r := w.mirrors[m.Address]
	why := ""
	switch {
	case r == nil:
		why = "the mirror is not in the reviewed plan"
	case !r.Planned():
		why = "the mirror could not be planned when it was reviewed"
	case m.Vanished() && !r.Vanished():
		why = "the mirror is removed"
	case m.PreviousAddress != r.PreviousAddress:
		why = "the mirror had another address"
	case m.Source.DriveID != r.Source.DriveID || m.Source.FolderID != r.Source.FolderID:
		why = "the source is another drive or folder"
	case m.Generation.Base == 0 && r.Generation.Base != 0:
		why = "the mirror is made anew"
	case !m.Select.Equal(r.Select):
		why = "the selection is another one"
	default:
		return
	}
	w.miss(0, Uncovered{Mirror: m.Address, Why: why})
}

func (w *within) item(c *Change) {
	items, bytes := c.transfer()
	w.items.Now += items
	w.bytes.Now += bytes
	missing := c.decisions() &^ w.granted[itemKey{c.Mirror, c.ItemID}]
	severity, why := 0, ""
	switch {
	case missing == 0:
		return
	case missing&deletes != 0:
		severity, why = 1, "delete was not reviewed"
	case missing&deletesNow != 0:
		severity, why = 1, "reviewed was to keep its bytes in the trash, now they go for good"
	case missing&overwrites != 0:
		severity, why = 2, "overwrites a local change that was not reviewed"
	case missing&forgets != 0:
		severity, why = 3, "forget was not reviewed"
	default:
		severity, why = 4, "the configuration causes it, and it was not reviewed"
	}
	w.miss(severity, Uncovered{Mirror: c.Mirror, Change: c, Why: why})
}

func (w *within) coverage(t Tolerance) *Coverage {
	w.items.Exceeded = !t.allows(w.items.Reviewed, w.items.Now)
	w.bytes.Exceeded = !t.allows(w.bytes.Reviewed, w.bytes.Now)
	return &Coverage{Uncovered: slices.Concat(w.kinds[:]...), Count: w.count, Items: w.items, Bytes: w.bytes}
}
