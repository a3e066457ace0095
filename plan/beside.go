package plan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Need is what of an item's sidecar is not up to date.
type Need struct {
	Item        ItemID
	Permissions bool // to be read
	Columns     bool // to be read
	Inherits    bool // it has no permissions of its own any more
	Versions    bool // to be listed, and those that are missing to be read
}

// What a change does beside its item; Change.Beside lists it.
const (
	BesidePermissions = "permissions" // they are read
	BesideColumns     = "columns"     // they are read
	BesideInherits    = "inherits"    // it has no permissions of its own any more
	BesideVersions    = "versions"    // they are listed, and those that are missing are read
	BesideFile        = "file"        // the file of the mirror is written anew, or removed
)

// Sidecars plans what is kept beside the items of one mirror. It adds to the changes that
// planning finds by itself, and then makes changes of what is left.
type Sidecars struct {
	// Columns says that columns are kept: every new item needs them.
	Columns bool
	// Versions says that earlier versions are kept: all new content needs them.
	Versions bool
	// Configured says that the settings changed, so that they are the cause.
	Configured bool
	// Outdated says that something is kept which nobody wants any more.
	Outdated bool
	// Unwritten says that the lists which show what is kept are behind what is: a run ended
	// before it wrote them.
	Unwritten bool

	changed bool // something of the mirror changes: the lists are written with it
	needs   map[ItemID]Need
	kept    map[ItemID]bool // of those, files that stay as they were changed on disk
}

// Load takes over what is not up to date; an item may come twice.
func (s *Sidecars) Load(needs iter.Seq2[Need, error]) error {
	s.needs, s.kept = make(map[ItemID]Need), make(map[ItemID]bool)
	for n, err := range needs {
		if err != nil {
			return fmt.Errorf("read what is beside: %w", err)
		}
		was := s.needs[n.Item]
		n.Permissions, n.Columns = n.Permissions || was.Permissions, n.Columns || was.Columns
		n.Inherits, n.Versions = n.Inherits || was.Inherits, n.Versions || was.Versions
		s.needs[n.Item] = n
	}
	return nil
}

// words are what a need means for a change.
func (n Need) words() []string {
	var list []string
	if n.Columns {
		list = append(list, BesideColumns)
	}
	if n.Inherits {
		list = append(list, BesideInherits)
	}
	if n.Permissions {
		list = append(list, BesidePermissions)
	}
	if n.Versions {
		list = append(list, BesideVersions)
	}
	return list
}

// Attach wraps where changes go: those that bring an item or change it also bring what is
// kept beside it. An item that leaves or is held back needs nothing.
func (s *Sidecars) Attach(emit func(Change) error) func(Change) error {
	return func(c Change) error {
		s.changed = s.changed || c.Action() != Blocked
		if c.OfMirror() || c.Beside != nil {
			return emit(c)
		}
		need := s.needs[c.ItemID]
		delete(s.needs, c.ItemID)
		switch c.Action() {
		case Add, Adopt:
			need.Columns = need.Columns || s.Columns
			fallthrough
		case Update:
			need.Versions = (need.Versions || s.Versions) && !c.Folder
			fallthrough
		case Move, Metadata:
			c.Beside = need.words()
		}
		return emit(c)
	}
}

// Keep notes a file that stays as it was changed on disk, for Request.Kept.
func (s *Sidecars) Keep(id ItemID) {
	if _, needed := s.needs[id]; needed {
		s.kept[id] = true
	}
}

// Rest emits changes for what is left once everything else is planned: items that change
// in nothing else. What is not below the target, or outside what the plan is narrowed to,
// waits.
func (s *Sidecars) Rest(ctx context.Context, r Request) error {
	only, err := compileGlobs(r.Only)
	if err != nil {
		return err
	}
	if err := s.root(r, only); err != nil {
		return err
	}
	ids := make([]ItemID, 0, len(s.needs))
	for id := range s.needs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	tree := newAppliedTree(r.Store.Applied)
	for pair, err := range r.Store.Of(ctx, ids) {
		if err != nil {
			return fmt.Errorf("read what is beside: %w", err)
		}
		if pair.Entry == nil || pair.Item == nil || pair.turned() {
			continue
		}
		path, err := tree.path(ctx, pair.Entry)
		if err != nil {
			return err
		}
		if len(only) > 0 && !coveredBy(only, string(joinLocal(r.Base, string(path))), pair.Entry.Folder) {
			continue
		}
		c := s.change(r, s.needs[pair.id()], pair.Entry, path)
		if s.kept[pair.id()] {
			c.Detail = "the file itself was changed on disk and is kept so"
			r.Mirror.unskip(SkipKept)
		} else {
			r.Mirror.Unchanged-- // so far it counted as such
		}
		if err := r.Emit(c); err != nil {
			return err
		}
	}
	return s.unwritten(r)
}

// unwritten emits a change of the lists alone, if nothing else brings them.
func (s *Sidecars) unwritten(r Request) error {
	if !s.Unwritten || s.changed || len(r.Only) > 0 {
		return nil
	}
	c := s.change(r, Need{Item: r.Mirror.Source.FolderID}, &Entry{Folder: true}, "")
	c.Cause, c.Reason, c.Beside = ByRetry, BesideUnwritten, []string{BesideFile}
	r.Mirror.Compared++
	return r.Emit(c)
}

// unskip takes one item out of those that are left out.
func (m *Mirror) unskip(why Skip) {
	if m.Skipped[why]--; m.Skipped[why] == 0 {
		delete(m.Skipped, why)
	}
}

// change of an item in nothing but what is kept beside it.
func (s *Sidecars) change(r Request, n Need, e *Entry, path RelPath) Change {
	c := Change{
		Mirror: r.Mirror.Address, Path: path, ItemID: n.Item, Folder: e.Folder, Actions: []Action{Metadata}, Beside: n.words(),
		Parent: e.Parent, Name: e.Name, Fold: e.Fold, Cause: BySource, Reason: ColumnsChanged,
	}
	switch {
	case n.Permissions || n.Inherits:
		c.Reason = SharingChanged
	case n.Versions && !n.Columns:
		c.Cause, c.Reason = ByRetry, VersionsMissing
	}
	if s.Configured {
		c.Cause, c.Reason = ByConfig, BesideWanted
	}
	return c
}

// root emits the change of the mirror's own folder, which is no item of the mirror, or
// that of the file when something in it is not wanted any more.
func (s *Sidecars) root(r Request, only []glob) error {
	need, needed := s.needs[r.Mirror.Source.FolderID]
	delete(s.needs, r.Mirror.Source.FolderID)
	if len(only) > 0 || !needed && !s.Outdated {
		return nil
	}
	c := s.change(r, need, &Entry{Folder: true}, "")
	c.ItemID = r.Mirror.Source.FolderID
	if s.Outdated {
		c.Cause, c.Reason, c.Beside = ByConfig, BesideUnwanted, append(c.Beside, BesideFile)
	}
	r.Mirror.Compared++
	return r.Emit(c)
}

// OnlyBeside reports whether a change touches nothing but what is kept beside its item.
func (c *Change) OnlyBeside() bool {
	return slices.Contains([]Reason{SharingChanged, ColumnsChanged, VersionsMissing, BesideWanted, BesideUnwanted, BesideUnwritten}, c.Reason)
}

// NeedsColumns reports whether the columns of the item are read.
func (c *Change) NeedsColumns() bool { return slices.Contains(c.Beside, BesideColumns) }

// ColumnsPage is how many items of a folder one request brings the columns of: as many as the service lists by itself.
const ColumnsPage = 200

// ListsColumns reports whether to list a folder costs less than to read the columns of so many of its children one by one: two
// units a page instead of one an item (T10).
func ListsColumns(needed, children int64) bool { return 2*columnPages(children) < needed }

func columnPages(children int64) int64 { return (children + ColumnsPage - 1) / ColumnsPage }

// columnsCost is what reading the columns of so many items of one folder costs, if it holds little else.
func columnsCost(needed int64) (requests, units int64) {
	if ListsColumns(needed, needed) {
		return columnPages(needed), 2 * columnPages(needed)
	}
	return needed, needed
}

// besideCost is what the change costs beside its download and its columns, which come by the folder (T10).
func (c *Change) besideCost() (requests, units int64) {
	for _, word := range c.Beside {
		switch word {
		case BesidePermissions:
			requests, units = requests+1, units+5
		case BesideVersions: // what they bring is known once they are listed
			requests, units = requests+1, units+2
		}
	}
	return requests, units
}

// checkBeside refuses words that planning never writes.
func (c *Change) checkBeside() error {
	for _, word := range c.Beside {
		if !slices.Contains([]string{BesidePermissions, BesideColumns, BesideInherits, BesideVersions, BesideFile}, word) {
			return fmt.Errorf("%w: beside %q", ErrAltered, strings.ToValidUTF8(word, "?"))
		}
	}
	return nil
}
