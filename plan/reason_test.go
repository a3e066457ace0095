package plan

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"
)

// lived is a mirror of a file f, a folder d with a file g in it, and a file other, of which all was applied.
func lived(t *testing.T) *disk {
	t.Helper()
	d := &disk{world: newWorld(), harmed: map[ItemID]harm{}, strangers: map[spot]stranger{}}
	for _, it := range []Item{
		{ID: "f", Parent: "root", Name: "f.txt", Class: ClassFile, Size: 1, Hash: "h1"},
		{ID: "d", Parent: "root", Name: "d", Class: ClassFolder, Size: -1},
		{ID: "g", Parent: "d", Name: "g.txt", Class: ClassFile, Size: 2, Hash: "h2"},
		{ID: "other", Parent: "root", Name: "other.txt", Class: ClassFile, Size: 3, Hash: "h3"},
	} {
		d.put(it)
	}
	if err := d.world.apply(d.planned(t, Request{Previous: &Select{}})); err != nil {
		t.Fatal(err)
	}
	return d
}

// planned is what a request plans for the disk.
func (d *disk) planned(t *testing.T, req Request) (changes []Change) {
	t.Helper()
	if req.Mirror == nil {
		req.Mirror = &Mirror{}
	}
	m := req.Mirror
	m.Address, m.Source.FolderID, m.Tracked = "mirror.a", d.root, d.tracked()
	if m.Policy.OnRemoteDelete == "" {
		m.Policy.OnRemoteDelete = "trash"
	}
	m.Policy.OnDeselect, m.Policy.TrashEnabled, m.Policy.Times = "forget", true, true
	req.PreviousFolder, req.Full, req.Verify, req.Disk, req.Names = d.root, true, VerifyStat, d, foldingNames{}
	req.Store = Store{Inventory: d.world, Observed: observedWorld{d.world}, Applied: appliedWorld{d.world}}
	req.Emit = func(c Change) error { changes = append(changes, c); return nil }
	req.Drift = func(Drift) error { return nil }
	if err := req.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestEveryReasonIsGivenWhereItHolds(t *testing.T) {
	edit := func(d *disk, id ItemID, f func(*Item)) {
		it := d.items[id]
		f(&it)
		d.put(it)
	}
	mirror := func(p Policy) *Mirror { return &Mirror{Policy: p} }
	given := map[Reason]bool{}
	for reason, c := range map[Reason]struct {
		do   func(d *disk)
		req  Request
		item ItemID // f, unless it says so
	}{
		NewAtSource:     {do: func(d *disk) { d.put(Item{ID: "n", Parent: "d", Name: "n.txt", Class: ClassFile}) }, item: "n"},
		ContentChanged:  {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Size, it.Hash = 5, "h5" }) }},
		MetadataChanged: {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Modified = time.Unix(99, 0) }) }},
		Renamed:         {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Name = "new.txt" }) }},
		Moved:           {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Parent = "d" }) }},
		Removed:         {do: func(d *disk) { d.remove("f") }},
		LeftFolder:      {do: func(d *disk) { d.root = "d" }},
		TypeChanged:     {do: func(d *disk) { edit(d, "f", func(it *Item) { *it = become(*it, ClassFolder, 0) }) }, item: "f!was-file"},

		MirrorAdded:       {do: func(d *disk) { clear(d.entries) }, req: Request{}},
		SelectedByInclude: {do: func(d *disk) { delete(d.entries, "f") }, req: Request{Previous: &Select{Exclude: []string{"f.txt"}}}},
		Deselected:        {req: Request{Previous: &Select{}, Mirror: &Mirror{Select: Select{Exclude: []string{"f.txt"}}}}},
		ReplaceRequested:  {req: Request{Previous: &Select{}, Replace: []string{"f.txt"}}},

		MissingOnDisk: {do: func(d *disk) { d.harmed["f"] = missing }},
		ChangedOnDisk: {do: func(d *disk) { d.harmed["f"] = changed }},
		EqualOnDisk:   {do: func(d *disk) { delete(d.entries, "f"); d.strangers[spot{"", "f.txt"}] = stranger{hash: "h1"} }, req: Request{Previous: &Select{}, Mirror: mirror(Policy{OnUntracked: "adopt"})}},
		FailedLastRun: {do: func(d *disk) { delete(d.entries, "f"); d.pending["f"] = Pending{Item: "f", Action: string(Add)} }},
		SupersededLastRun: {do: func(d *disk) {
			delete(d.entries, "f")
			d.pending["f"] = Pending{Item: "f", Action: string(Add), Code: PendingSuperseded}
		}},

		BlockedPreventDelete: {do: func(d *disk) { d.remove("f") }, req: Request{Previous: &Select{}, Mirror: mirror(Policy{PreventDelete: true})}},
		BlockedLocalChange:   {do: func(d *disk) { d.harmed["f"] = replaced }},
		BlockedUntracked:     {do: func(d *disk) { delete(d.entries, "f"); d.strangers[spot{"", "f.txt"}] = stranger{hash: "h9"} }},
		BlockedCollision:     {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Name = "OTHER.txt" }) }},
		BlockedPathTooLong:   {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Name = strings.Repeat("n", maxPath+1) }) }},
		BlockedUnsafeName:    {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Name = "bad!" }) }},
		BlockedMalware:       {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Class, it.Hash = ClassMalware, "h7" }) }},
		BlockedOrphan:        {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Parent = "nowhere" }) }},
		BlockedUnknown:       {do: func(d *disk) { edit(d, "f", func(it *Item) { it.Class = ClassUnknown }) }},
		BlockedHolding: {do: func(d *disk) {
			d.remove("d")
			d.put(Item{ID: "g", Parent: "d", Name: "g.txt", Class: ClassFile, Size: 2, Hash: "h2"})
		}, item: "d"},
	} {
		t.Run(string(reason), func(t *testing.T) {
			d := lived(t)
			if c.do != nil {
				c.do(d)
			}
			if c.req.Previous == nil && reason != MirrorAdded {
				c.req.Previous = &Select{}
			}
			if c.item == "" {
				c.item = "f"
			}
			var got []Reason
			for _, change := range d.planned(t, c.req) {
				if change.ItemID == c.item {
					got = append(got, change.Reason)
				}
			}
			if len(got) != 1 || got[0] != reason {
				t.Errorf("the reasons are %q", got)
			}
			given[reason] = true
		})
	}
	// Those of whole mirrors, of what is kept beside items, and of shortcuts have tests of their own.
	elsewhere := strings.Fields("MirrorRemoved ShortcutGone TargetMoved AddressMoved SharingChanged ColumnsChanged VersionsMissing BesideWanted BesideUnwanted BesideUnwritten")
	for name, reason := range declaredReasons(t) {
		if tested := given[reason]; tested == strings.Contains(" "+strings.Join(elsewhere, " ")+" ", " "+name+" ") {
			t.Errorf("%s (%s) is tested here: %v", name, reason, tested)
		}
	}
}

// declaredReasons are the constants of model.go by name.
func declaredReasons(t *testing.T) map[string]Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "model.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Reason{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		kind, _ := spec.Type.(*ast.Ident)
		text, _ := spec.Values[0].(*ast.BasicLit)
		if kind != nil && kind.Name == "Reason" && text != nil {
			found[spec.Names[0].Name] = Reason(strings.Trim(text.Value, `"`))
		}
		return true
	})
	if len(found) < 20 {
		t.Fatalf("%d reasons are declared", len(found))
	}
	return found
}

func TestWhatIsKeptBesideItemsHasReasonsOfItsOwn(t *testing.T) {
	for reason, c := range map[Reason]struct {
		side Sidecars
		need string
	}{
		SharingChanged: {need: "f permissions"}, ColumnsChanged: {need: "f columns"}, VersionsMissing: {need: "f versions"},
		BesideWanted: {need: "f columns", side: Sidecars{Configured: true}}, BesideUnwanted: {side: Sidecars{Outdated: true}},
		BesideUnwritten: {side: Sidecars{Unwritten: true}},
	} {
		d := lived(t)
		var list []string
		if c.need != "" {
			list = append(list, c.need)
		}
		if err := c.side.Load(needs(list...)); err != nil {
			t.Fatal(err)
		}
		var got []Reason
		err := c.side.Rest(t.Context(), Request{
			Mirror: &Mirror{}, Store: Store{Inventory: d.world, Observed: observedWorld{d.world}, Applied: appliedWorld{d.world}},
			Emit: func(c Change) error { got = append(got, c.Reason); return nil },
		})
		if err != nil || len(got) != 1 || got[0] != reason {
			t.Errorf("%s: the reasons are %q, %v", reason, got, err)
		}
	}
}
