package plan

import (
	"fmt"
	"slices"
	"strings"
)

// ledger counts changes and derives from them what a header says of its mirrors. Its
// memory grows with folders, not with changes.
type ledger struct {
	mirrors map[string]*Mirror
	folders map[string]*folderCounts
	samples map[string]*sampler
	deletes map[string]map[string]int64 // files deleted, by mirror and top folder
}

func newLedger() ledger {
	return ledger{
		mirrors: make(map[string]*Mirror), folders: make(map[string]*folderCounts),
		samples: make(map[string]*sampler), deletes: make(map[string]map[string]int64),
	}
}

// open starts the counts of a mirror at zero.
func (l *ledger) open(m *Mirror) {
	m.Summary, m.Causes, m.Reasons = make(map[Action]Sum), make(map[Cause]int64), make(map[Action]ReasonSum)
	m.restored, m.requests, m.units, m.versioned, m.columns = 0, 0, 0, 0, make(map[ItemID]int64)
	l.mirrors[m.Address] = m
	l.folders[m.Address] = newFolderCounts()
	l.samples[m.Address] = newSampler(samplesPerAction)
	delete(l.deletes, m.Address)
}

// count takes one change of a mirror that was opened before.
func (l *ledger) count(c *Change) error {
	m := l.mirrors[c.Mirror]
	if m == nil {
		return fmt.Errorf("change of unknown mirror %q", c.Mirror)
	}
	action := c.Action()
	sum := m.Summary[action]
	sum.add(c)
	requests, units := c.besideCost()
	m.requests, m.units = m.requests+requests, m.units+units
	if c.NeedsColumns() {
		m.columns[c.Parent]++
	}
	if slices.Contains(c.Beside, BesideVersions) {
		m.versioned++
	}
	m.Summary[action] = sum
	if action != Blocked { // what is held back is no change
		m.Causes[c.Cause]++
	}
	if m.Reasons[action] == nil {
		m.Reasons[action] = make(ReasonSum)
	}
	m.Reasons[action][c.Reason]++
	if c.Reason == MissingOnDisk && action == Add && !c.Folder {
		m.restored++
	}
	l.folders[c.Mirror].add(c)
	l.samples[c.Mirror].add(c)
	l.countTop(c)
	return nil
}

// TopDeletes counts the files that a mirror's plan deletes, by the folder directly
// below the target that they are in.
func (l *ledger) TopDeletes(address string) map[string]int64 { return l.deletes[address] }

// countTop takes a deleted file into the count of its top folder.
func (l *ledger) countTop(c *Change) {
	top, _, below := strings.Cut(string(c.Path), "/")
	if c.Folder || c.Action() != Delete || !below {
		return
	}
	if l.deletes[c.Mirror] == nil {
		l.deletes[c.Mirror] = make(map[string]int64)
	}
	l.deletes[c.Mirror][top]++
}

// close writes what follows from the counts into the header.
func (l *ledger) close(h *Header) {
	h.Complete = !h.Options.Narrowed()
	for _, m := range h.Mirrors {
		m.Folders = l.folders[m.Address].table(folderRows)
		m.Samples = l.samples[m.Address].take()
		m.Actions, m.ActionReason = mirrorActions(m)
		h.Complete = h.Complete && m.Planned()
	}
	h.Totals = totals(h.Mirrors)
	h.Blocked = slices.ContainsFunc(h.Guards, GuardResult.Blocks) || slices.ContainsFunc(h.Checks, CheckResult.Blocks)
	h.Applyable = h.Totals.Changes() > 0 && !h.Errored && !h.Speculative
}
