package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Draft is a plan in the making: it takes changes in any order, counts them, and
// keeps them sorted. Finish turns it into a Plan.
type Draft struct {
	ledger
	header       *Header
	items, drift *Spool
	divert       func(*Change) error
}

// samplesPerAction is how many of the largest items of an action are kept to be
// shown; UX 3.2 asks for five.
const samplesPerAction = 5

// NewDraft starts a plan. Temporary files go to dir.
func NewDraft(h *Header, dir string) (*Draft, error) {
	items, err := NewSpool(dir)
	if err != nil {
		return nil, err
	}
	drift, err := NewSpool(dir)
	if err != nil {
		items.Close()
		return nil, err
	}
	return &Draft{ledger: newLedger(), header: h, items: items, drift: drift}, nil
}

// Mirror adds a mirror to the plan; its changes follow.
func (d *Draft) Mirror(m *Mirror) {
	d.header.Mirrors = append(d.header.Mirrors, m)
	d.open(m)
}

// Add takes one change of a mirror that was added before.
func (d *Draft) Add(c Change) error {
	if err := d.count(&c); err != nil {
		return err
	}
	if d.divert != nil {
		return d.divert(&c)
	}
	return d.items.Add(sortKey(c.Mirror, string(c.Action()), string(c.Path), c.Folder), &c)
}

// Divert hands the changes on instead of keeping them: the plan has their counts alone.
func (d *Draft) Divert(to func(*Change) error) { d.divert = to }

// Close frees the temporary files of a draft that does not become a plan.
func (d *Draft) Close() error { return errors.Join(d.items.Close(), d.drift.Close()) }

// AddDrift takes one difference found on disk.
func (d *Draft) AddDrift(f Drift) error {
	return d.drift.Add(sortKey(f.Mirror, "", string(f.Path), false), &f)
}

// sortKey orders by mirror, action and path in byte order; NUL cannot be in any
// of them. A folder sorts as its path with a slash, before all that is in it.
func sortKey(mirror, action, path string, folder bool) []byte {
	key := make([]byte, 0, len(mirror)+len(action)+len(path)+3)
	key = append(key, mirror...)
	key = append(key, 0)
	key = append(key, action...)
	key = append(key, 0)
	key = append(key, path...)
	if folder {
		key = append(key, '/')
	}
	return key
}

// drop takes back all that was found of a mirror until planning it failed: half a
// comparison is none, and nobody must take its lines for a plan.
func (d *Draft) drop(m *Mirror) {
	d.open(m)
	m.Skipped, m.Unchanged, m.Compared = nil, 0, 0
	d.items.Drop(m.Address)
	d.drift.Drop(m.Address)
}

// Finish closes the plan: sums, guards, and what follows from them. Problems of
// mirrors make it incomplete, and nothing of such a mirror is in it.
func (d *Draft) Finish(now time.Time, guards []GuardResult, checks []CheckResult) *Plan {
	h := d.header
	h.FormatVersion = FormatVersion
	slices.SortFunc(h.Mirrors, func(a, b *Mirror) int { return strings.Compare(a.Address, b.Address) })
	for _, m := range h.Mirrors {
		if !m.Planned() {
			d.drop(m)
		}
	}
	h.Guards, h.Checks = guards, checks
	d.close(h)
	h.Created = now.UTC()
	return &Plan{Header: h, items: d.items, drift: d.drift}
}

// Judge adds what the check blocks say of the finished plan. They come after the sums, which they look
// at, and before the plan gets its digest.
func (p *Plan) Judge(checks []CheckResult) {
	p.Checks = append(p.Checks, checks...)
	p.Blocked = p.Blocked || slices.ContainsFunc(checks, CheckResult.Blocks)
}

// Blocks reports whether the check holds the plan back.
func (c CheckResult) Blocks() bool { return c.Status != "pass" && c.Enforcement == "mandatory" }

func mirrorActions(m *Mirror) (actions []string, reason string) {
	switch {
	case !m.Planned():
		return []string{"not-planned"}, "source_unreadable"
	case m.ActionReason != "":
		return m.Actions, m.ActionReason
	case m.Generation.Base == 0 && m.Changes() > 0:
		return []string{"create"}, string(MirrorAdded)
	case m.Changes() > 0:
		return []string{"update"}, "items_changed"
	}
	return []string{"no-op"}, ""
}

func totals(mirrors []*Mirror) Totals {
	t := Totals{Actions: make(map[Action]Sum), Causes: make(map[Cause]int64)}
	for _, m := range mirrors {
		t.Observed += m.Observed
		t.Compared += m.Compared
		for a, s := range m.Summary {
			sum := t.Actions[a]
			sum.merge(s)
			t.Actions[a] = sum
			if a == Add || a == Update {
				t.DownloadFiles += s.Files
				t.DownloadBytes += s.Bytes
			}
		}
		for c, n := range m.Causes {
			t.Causes[c] += n
		}
		t.VersionFiles += m.versioned
		requests, units := m.requests, m.units
		for _, n := range m.columns {
			r, u := columnsCost(n)
			requests, units = requests+r, units+u
		}
		t.Requests, t.ResourceUnits = t.Requests+requests, t.ResourceUnits+units
	}
	// Each download asks for its address and then for its bytes, one unit each (T10). The pages of the crawl are paid
	// already; an apply that follows its own crawl has some of the addresses.
	t.Requests, t.ResourceUnits = t.Requests+2*t.DownloadFiles, t.ResourceUnits+2*t.DownloadFiles
	return t
}

// Plan is a finished plan in this process: the header and its sorted items.
type Plan struct {
	*Header
	items, drift *Spool
}

// Close frees the plan's temporary files.
func (p *Plan) Close() error {
	p.drift.Close()
	return p.items.Close()
}

// Changes yields the changes in the order of the plan file.
func (p *Plan) Changes() iter.Seq2[Change, error] { return decodeLines[Change](p.items.Lines()) }

// Drifts yields the differences found on disk.
func (p *Plan) Drifts() iter.Seq2[Drift, error] { return decodeLines[Drift](p.drift.Lines()) }

// ChangeLines yields the changes as JSON lines, undecoded.
func (p *Plan) ChangeLines() iter.Seq2[[]byte, error] { return p.items.Lines() }

// DriftLines yields the drift as JSON lines, undecoded.
func (p *Plan) DriftLines() iter.Seq2[[]byte, error] { return p.drift.Lines() }

func decodeLines[T any](lines iter.Seq2[[]byte, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for line, err := range lines {
			var v T
			if err == nil {
				err = json.Unmarshal(line, &v)
			}
			if err != nil {
				yield(v, fmt.Errorf("read plan: %w", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
