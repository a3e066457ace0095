package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// Lists of the plan text. Items are read from the plan as they are needed; a list
// that is cut says what it leaves out, by folder, and how to see it.

const (
	maxFolderLines = 20   // folders that name what a list leaves out
	maxFolderKeys  = 4096 // folders counted at once; the rest is one sum
	folderKeyDepth = 2
)

// cursor returns the cursor for a stretch of actions.
func (x *planText) cursor(actions ...plan.Action) *cursor {
	for _, c := range x.cursors {
		if slices.Equal(c.actions, actions) {
			return c
		}
	}
	c := newCursor(x.p, actions...)
	x.cursors = append(x.cursors, c)
	return c
}

// dangerous lists what is blocked and what is deleted.
func (x *planText) dangerous(m *plan.Mirror, c *counts) error {
	for _, a := range []plan.Action{plan.Blocked, plan.Delete} {
		if c.of(a) == 0 {
			continue
		}
		x.gap()
		title := strings.ToUpper(string(a)[:1]) + string(a)[1:] + " (" + commas(c.of(a)) + ")"
		common := dominant(m, a)
		if common != "" {
			title += ": " + phrase(common)
		}
		x.line("  ", x.out.paint(colourOf(a), title))
		if err := x.limited(m, a, c, common); err != nil {
			return err
		}
	}
	return nil
}

// dominant is the reason that covers more than nine tenths of an action; it is
// said once instead of on each line (UX 3.2, rule 4).
func dominant(m *plan.Mirror, a plan.Action) plan.Reason {
	for r, n := range m.Reasons[a] {
		if n*10 > m.Summary[a].Items*9 {
			return r
		}
	}
	return ""
}

// limited lists an action up to the limit, then by folder.
func (x *planText) limited(m *plan.Mirror, a plan.Action, c *counts, common plan.Reason) error {
	limit := x.opt.limit()
	fold := c.of(a) > int64(limit)
	if x.names == NamesFolders {
		limit, fold = 0, false
	}
	rest := newFolderSums()
	var whole *group
	lines := 0
	flush := func() {
		if whole != nil {
			x.wholeFolder(whole, common)
			whole = nil
		}
	}
	for change, err := range x.cursor(a).of(m) {
		if err != nil {
			return err
		}
		if whole != nil && whole.holds(change.Path) {
			whole.add(&change)
			continue
		}
		flush()
		switch {
		case lines >= limit:
			rest.add(&change)
			continue
		case fold && change.Folder:
			whole = &group{change: change}
			whole.add(&change)
		default:
			x.change(change, false, common)
		}
		lines++
	}
	flush()
	rest.write(x, a)
	return nil
}

// group is a folder that goes as a whole, with all that is in it.
type group struct {
	change plan.Change
	sum    folderSum
}

func (g *group) holds(p plan.RelPath) bool {
	return strings.HasPrefix(string(p), string(g.change.Path)+"/")
}

func (g *group) add(c *plan.Change) { g.sum.add(c) }

func (x *planText) wholeFolder(g *group, common plan.Reason) {
	c := x.names.change(g.change)
	a := c.Action()
	name := fit(itemPath(c.Path, true), x.nameWidth())
	x.line("    ", x.out.paint(colourOf(a), symbol(a)), " ", left(name, x.nameColumn()), " ", g.sum.text(), x.note(&c, common))
}

// folderSum counts items for people.
type folderSum struct {
	files, folders, bytes int64
}

func (s *folderSum) add(c *plan.Change) {
	if c.Folder {
		s.folders++
		return
	}
	s.files++
	s.bytes += c.Bytes()
}

func (s *folderSum) items() int64 { return s.files + s.folders }

func (s *folderSum) text() string {
	return itemsOf(s.files, s.folders) + ", " + size(s.bytes)
}

// folderSums counts the items that a list leaves out, by folder.
type folderSums struct {
	by    map[string]*folderSum
	other folderSum
	all   folderSum
}

func newFolderSums() *folderSums { return &folderSums{by: make(map[string]*folderSum)} }

func (f *folderSums) add(c *plan.Change) {
	f.all.add(c)
	key := folderKey(c)
	s := f.by[key]
	if s == nil {
		if len(f.by) == maxFolderKeys {
			f.other.add(c)
			return
		}
		s = &folderSum{}
		f.by[key] = s
	}
	s.add(c)
}

// folderKey is the folder, down to a few levels, that an item is counted under.
func folderKey(c *plan.Change) string {
	parts := strings.Split(string(c.Path), "/")
	if !c.Folder {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts[:min(len(parts), folderKeyDepth)], "/")
}

func (f *folderSums) write(x *planText, a plan.Action) {
	if f.all.items() == 0 {
		return
	}
	keys := make([]string, 0, len(f.by))
	for k := range f.by {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(p, q string) int {
		return cmp.Or(cmp.Compare(f.by[q].items(), f.by[p].items()), strings.Compare(p, q))
	})
	others := 0
	for i, k := range keys {
		if i >= maxFolderLines {
			f.other.merge(f.by[k])
			others++
			continue
		}
		name := "/"
		if k != "" {
			name = itemPath(x.names.path(plan.RelPath(k), true), true)
		}
		x.folderLine(a, name, f.by[k])
	}
	if f.other.items() > 0 {
		x.folderLine(a, "(other folders)", &f.other)
	}
	if x.names != NamesFolders {
		x.more(f.all.items(), a)
	}
}

func (s *folderSum) merge(o *folderSum) {
	s.files += o.files
	s.folders += o.folders
	s.bytes += o.bytes
}

func (x *planText) folderLine(a plan.Action, name string, s *folderSum) {
	x.line("    ", x.out.paint(colourOf(a), symbol(a)), " ", left(fit(name, x.nameWidth()), x.nameColumn()), " ", s.text())
}

// others lists everything that is neither blocked nor deleted.
func (x *planText) others(m *plan.Mirror, c *counts) error {
	for _, actions := range [][]plan.Action{
		{plan.Update}, {plan.Move}, {plan.Metadata}, {plan.Add, plan.Adopt, plan.Forget},
	} {
		var n int64
		for _, a := range actions {
			n += c.of(a)
		}
		if n == 0 {
			continue
		}
		var title plan.Action
		for change, err := range x.cursor(actions...).of(m) {
			if err != nil {
				return err
			}
			if a := change.Action(); a != title {
				title = a
				x.gap()
				x.line("  ", strings.ToUpper(string(a)[:1])+string(a)[1:], " (", commas(c.of(a)), ")")
			}
			x.change(change, x.opt.Verbose, dominant(m, title))
		}
	}
	return nil
}

// nameWidth is how much of a name a list shows that has something to say behind it.
func (x *planText) nameWidth() int { return max(30, x.out.width()-46) }

// nameColumn is the width to which names are filled up: on a wide screen a size stays near its name.
func (x *planText) nameColumn() int { return min(x.nameWidth(), 72) }

// itemPath shows a path below the target, encoded.
func itemPath(p plan.RelPath, folder bool) string {
	return Name(pathText(p, folder))
}

// change writes one item: symbol, path, size, and why unless that was said above.
func (x *planText) change(c plan.Change, full bool, common plan.Reason) {
	c = x.names.change(c)
	a := c.Action()
	head := "    " + x.out.paint(colourOf(a), symbol(a)) + " "
	bytes := "-"
	if !c.Folder && a != plan.Move && a != plan.Metadata {
		bytes = sizeOf(&c)
	}
	w := x.nameWidth()
	name := Name(placeText(&c, c.Path))
	if c.Path == "" && !c.OfMirror() && !c.OnlyBeside() { // those are about the folder of the mirror itself
		name = "item " + Name(string(c.ItemID))
	}
	if c.Moves() {
		x.line(head, Name(placeText(&c, c.PreviousPath)), " -> ", name, sizeAfter(a, bytes), x.note(&c, common))
		return
	}
	note := x.note(&c, common)
	if note == "" {
		w = max(w, x.out.width()-17) // what the symbol and the size leave
	}
	if !full {
		name = fit(name, w)
	}
	x.line(head, left(name, x.nameColumn()), right(bytes, 11), note)
}

func sizeAfter(a plan.Action, bytes string) string {
	if a == plan.Move {
		return ""
	}
	return "  " + bytes
}

// note says why a change is planned, and what it does to bytes on disk.
func (x *planText) note(c *plan.Change, common plan.Reason) string {
	var parts []string
	if c.Reason != common {
		parts = append(parts, phrase(c.Reason))
	}
	if c.Action() == plan.Blocked && c.Wanted != "" {
		parts = append(parts, "would be: "+Name(string(c.Wanted)))
	}
	if c.Detail != "" {
		parts = append(parts, Message(c.Detail))
	}
	if c.Remote != nil && c.Remote.By != "" && c.Cause == plan.BySource && c.Action() != plan.Blocked {
		parts = append(parts, "by "+Name(c.Remote.By))
	}
	switch {
	case c.Action() == plan.Delete && c.Disposal != plan.DisposeTrash:
		parts = append(parts, x.out.paint(red, "DELETED FOR GOOD"))
	case c.Action() != plan.Delete && c.Disposal == plan.DisposeDelete:
		parts = append(parts, x.out.paint(red, "LOCAL VERSION DELETED FOR GOOD"))
	case c.Action() != plan.Delete && c.Disposal == plan.DisposeTrash:
		parts = append(parts, "local version to trash")
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + strings.Join(parts, ", ")
}

// list writes every change that the filters select, and nothing that could be
// taken for the plan's own summary.
func (x *planText) list() error {
	actions := x.opt.Actions
	if len(actions) == 0 {
		actions = plan.Actions[:]
	}
	var sum folderSum
	at := ""
	for line, err := range x.p.ChangeLines() {
		if err != nil {
			return err
		}
		c, ok, err := x.selected(line, actions)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if c.Mirror != at {
			at = c.Mirror
			x.gap()
			x.line(x.out.paint(bold, Name(at)))
		}
		sum.add(&c)
		x.change(c, true, "")
	}
	x.gap()
	all := x.h.Totals.Changes() + x.t.total.of(plan.Blocked)
	x.line(commas(sum.items()), " of ", count(all, "item"), " of the plan selected: ", sum.text(), ".")
	return nil
}

// selected decodes a line if the filters may want it.
func (x *planText) selected(line []byte, actions []plan.Action) (c plan.Change, ok bool, err error) {
	raw, err := readLine(line)
	if err != nil || !slices.Contains(actions, plan.Action(raw.action)) {
		return c, false, err
	}
	if err := decode(line, &c); err != nil {
		return c, false, err
	}
	return c, x.opt.Path == nil || x.opt.Path(string(c.Path), c.Folder) || (c.PreviousPath != "" && x.opt.Path(string(c.PreviousPath), c.Folder)), nil
}
