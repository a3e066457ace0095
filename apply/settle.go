package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// Settled is what a mirror was last applied with. It is stored with the mirror, so
// that the next plan knows whether the selection changed and what it was.
type Settled struct {
	Select plan.Select `json:"select"`
	// Content settings that decide which items are files at all.
	Notebooks string `json:"notebooks,omitempty"`
	Shortcuts string `json:"shortcuts,omitempty"`
	// Names and Times change what is wanted on disk.
	Names string `json:"names,omitempty"`
	Times bool   `json:"times,omitempty"`
	// Permissions and Columns are what is kept beside the items.
	Permissions string   `json:"permissions,omitempty"`
	Columns     []string `json:"columns,omitempty"`
	Versions    string   `json:"versions,omitempty"`
}

// SettledOf returns what a plan of a mirror settles.
func SettledOf(m *plan.Mirror) Settled {
	return Settled{
		Select: m.Select, Notebooks: m.Policy.Notebooks, Shortcuts: m.Policy.Shortcuts,
		Names: m.Target.Names, Times: m.Policy.Times, Permissions: m.Policy.Permissions, Columns: m.Policy.Columns, Versions: m.Policy.Versions,
	}
}

// Encode returns the text that is stored.
func (s Settled) Encode() string {
	data, err := json.Marshal(s)
	if err != nil {
		return "" // plain values only
	}
	return string(data)
}

// DecodeSettled reads what Encode wrote; ok is false for a mirror that never was
// settled.
func DecodeSettled(text string) (s Settled, ok bool) {
	if text == "" || json.Unmarshal([]byte(text), &s) != nil {
		return Settled{}, false
	}
	return s, true
}

// settle records that the plan is carried out up to its observed generation, with
// the items that are left over as pending in the same transaction: the source
// will not offer them again (Q27, I-50). A plan of a part of a mirror settles nothing,
// and neither does one that lacks something.
func (m *mirrorRun) settle(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	if m.Header.Options.Partial() || m.Lacks || m.Header.Mode != plan.ModeNormal {
		return m.flushResults()
	}
	return m.commit(nil, func(tx *state.Tx) error {
		return Settle(ctx, m.Store, tx, m.Key, m.Plan, m.leftover)
	})
}

// sweep removes what killed runs left in staging, except for partial downloads that
// will be resumed. Files that are not ours stay (I-11).
func (m *mirrorRun) sweep(ctx context.Context) error {
	keep, err := m.dropPartials(ctx)
	if err != nil {
		return err
	}
	foreign, err := m.Dir.Sweep(func(name string) bool { return keep[name] })
	if err != nil {
		m.Log.Warn("staging not swept", "mirror", m.Plan.Address, "error", err)
	}
	for _, name := range foreign {
		m.Log.Warn("foreign file in staging", "mirror", m.Plan.Address, "name", name)
	}
	return nil
}

// dropPartials forgets the partial downloads that nobody will resume: those of items
// that a whole plan did not leave over. It returns the staging names of the others.
func (m *mirrorRun) dropPartials(ctx context.Context) (keep map[string]bool, err error) {
	failed := make(map[state.ItemID]bool)
	for _, p := range m.leftover {
		failed[p.Item] = true
	}
	keep = make(map[string]bool)
	var over []state.ItemID
	for p, err := range m.Store.Partials(ctx, m.Key) {
		if err != nil {
			return nil, fmt.Errorf("read partials: %w", err)
		}
		if failed[p.Item] || m.Header.Options.Partial() {
			keep[p.Staging] = true
			continue
		}
		over = append(over, p.Item)
	}
	if len(over) == 0 {
		return keep, nil
	}
	return keep, m.commit(nil, func(tx *state.Tx) error { return tx.DeletePartials(m.Key, over) })
}

// Settle writes in one transaction that a mirror agrees with its plan but for the
// pending items.
func Settle(ctx context.Context, store *state.Store, tx *state.Tx, key state.MirrorKey, m *plan.Mirror, left []state.Pending) error {
	attempts := make(map[state.ItemID]int, len(left))
	for _, p := range left {
		attempts[p.Item] = 1
	}
	var over []state.ItemID
	for p, err := range store.PendingItems(ctx, key) {
		if err != nil {
			return fmt.Errorf("read pending: %w", err)
		}
		if attempts[p.Item] == 0 {
			over = append(over, p.Item)
		} else {
			attempts[p.Item] = p.Attempts + 1
		}
	}
	if err := tx.ClearPending(key, over); err != nil {
		return err
	}
	for i := range left {
		left[i].Attempts = attempts[left[i].Item]
	}
	if err := tx.PutPending(key, left); err != nil {
		return err
	}
	if err := tx.Settle(key, state.Generation(m.Generation.Observed), SettledOf(m).Encode()); err != nil {
		return err
	}
	return tx.TrimLog()
}

// Changes lists the settings in which a later configuration differs, in a fixed
// order.
func (s Settled) Changes(now Settled) []plan.ConfigChange {
	list := s.Select.Changes(now.Select)
	for _, c := range []struct{ path, before, after string }{
		{"content.notebooks", s.Notebooks, now.Notebooks}, {"content.shortcuts", s.Shortcuts, now.Shortcuts},
		{"names", s.Names, now.Names}, {"content.versions", s.Versions, now.Versions}, {"metadata.permissions", s.Permissions, now.Permissions},
		{"metadata.columns", strings.Join(s.Columns, ", "), strings.Join(now.Columns, ", ")},
	} {
		if c.before != c.after {
			list = append(list, plan.ConfigChange{Path: c.path, Before: c.before, After: c.after})
		}
	}
	if s.Times != now.Times {
		list = append(list, plan.ConfigChange{Path: "metadata.times", Before: s.Times, After: now.Times})
	}
	return list
}
