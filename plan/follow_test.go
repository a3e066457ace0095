package plan

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestAChangeFollowsOnlyIfAllThatApplyReadsOfItIsTheSame(t *testing.T) {
	update := Change{
		Mirror: "mirror.a", Path: "dir/new.txt", PreviousPath: "dir/old.txt", ItemID: "1", Actions: []Action{Move, Update}, Cause: BySource,
		Reason: ContentChanged, Remote: &Remote{ETag: "e", Size: 1, Hash: "h"}, Local: &Local{Size: 2}, Parent: "dir", Name: "new.txt", Fold: "new.txt",
		Disposal: DisposeTrash, Beside: []string{BesideColumns},
	}
	remove := Change{
		Mirror: "mirror.a", Path: "dir/old.txt", ItemID: "1", Actions: []Action{Delete}, Cause: BySource, Reason: Removed,
		Local: &Local{Size: 2}, Parent: "dir", Name: "old.txt", Fold: "old.txt", Disposal: DisposeTrash,
	}
	// silent are the fields that apply does not act upon: to edit them changes what is shown.
	for name, test := range map[string]struct {
		change Change
		silent []string
	}{
		"an update": {update, []string{"Cause", "Reason", "Detail", "Wanted"}},
		"a delete":  {remove, []string{"Detail", "Wanted"}}, // cause and reason decide whether the source is asked
	} {
		t.Run(name, func(t *testing.T) {
			anew := gistOf(&test.change)
			if same := gistOf(&test.change); !same.follows(&anew, true) {
				t.Fatal("it does not follow from itself")
			}
			of := reflect.TypeFor[Change]()
			for i := range of.NumField() {
				field := of.Field(i).Name
				edited := test.change
				alter(t, reflect.ValueOf(&edited).Elem().Field(i), field)
				g := gistOf(&edited)
				follows := bytes.Equal(g.key(), anew.key()) && g.follows(&anew, true)
				if follows != slices.Contains(test.silent, field) {
					t.Errorf("with another %s it follows: %v", field, follows)
				}
			}
		})
	}
}

// alter gives a field another value.
func alter(t *testing.T, v reflect.Value, field string) {
	t.Helper()
	switch {
	case field == "Actions":
		v.Set(reflect.ValueOf([]Action{Metadata}))
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.Zero(v.Type()))
		if field == "Beside" {
			v.Set(reflect.ValueOf([]string{BesideVersions}))
		}
	case v.Kind() == reflect.Pointer && v.IsNil():
		v.Set(reflect.New(v.Type().Elem()))
	case v.Kind() == reflect.Pointer:
		other := reflect.New(v.Type().Elem())
		other.Elem().Set(v.Elem())
		other.Elem().FieldByName("Size").SetInt(v.Elem().FieldByName("Size").Int() + 1)
		v.Set(other)
	default:
		t.Fatalf("the test does not know how to alter %s", field)
	}
}

// misfits compares two lists of changes as plans of one listing.
func misfits(t *testing.T, saved, anew []Change) (list []Misfit) {
	t.Helper()
	f, err := NewFollower(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range saved {
		if err := f.Saved(&saved[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range anew {
		if err := f.Anew(&anew[i]); err != nil {
			t.Fatal(err)
		}
	}
	for m, err := range f.Misfits(func(string) bool { return true }) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

func TestTwoPlansDifferInWhatOnlyOneOfThemHas(t *testing.T) {
	change := func(id ItemID, actions ...Action) Change {
		return Change{Mirror: "mirror.a", ItemID: id, Path: RelPath(id), Actions: actions}
	}
	saved := []Change{change("b", Update), change("c", Blocked), change("d", Delete), change("e", Add), change("e", Add), change("g", Blocked)}
	anew := []Change{change("a", Update), change("b", Update), change("c", Add), change("d", Move), change("e", Add), change("f", Blocked), change("h", Forget)}
	type difference struct {
		Item        ItemID
		saved, anew Action
	}
	want := []difference{{"a", "", Update}, {"d", Delete, Move}, {"e", Add, ""}, {"h", "", Forget}}
	var got []difference
	for _, m := range misfits(t, saved, anew) {
		d := difference{Item: m.Item}
		if len(m.Actions) > 0 {
			d.saved = m.Actions[0]
		}
		if len(m.Anew) > 0 {
			d.anew = m.Anew[0]
		}
		if m.Lacking() != (d.saved == "") {
			t.Errorf("%s: lacking %v", m.Item, m.Lacking())
		}
		got = append(got, d)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the plans differ in %v, want %v", got, want)
	}
}

func TestAFileThatLiesInTheWayIsTakenOnlyAsThePolicySays(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	hashed := Change{Actions: []Action{Adopt}, Local: &Local{Size: 1, SHA256: "s"}, Remote: &Remote{Size: 1, Hash: "h"}}
	timed := Change{Actions: []Action{Adopt}, Local: &Local{Size: 1, MTime: at.Add(time.Millisecond)}, Remote: &Remote{Size: 1, Modified: at}}
	longer, later, unread := hashed, timed, hashed
	longer.Local = &Local{Size: 2, SHA256: "s"}
	later.Local = &Local{Size: 1, MTime: at.Add(time.Second)}
	unread.Local = &Local{Size: 1}
	renamed := Change{Actions: []Action{Add}, Disposal: DisposeRename, Local: &Local{Size: 1}}
	folder := Change{Actions: []Action{Adopt}, Folder: true}
	by := Policy{OnUntracked: "adopt"}
	byTime := Policy{OnUntracked: "adopt", AdoptBy: AdoptBySizeTime}
	for name, test := range map[string]struct {
		policy Policy
		change Change
		want   bool
	}{
		"an equal file":                   {by, hashed, true},
		"an equal file, blocked":          {Policy{OnUntracked: "block"}, hashed, false},
		"a file of another size":          {by, longer, false},
		"a file that was not read":        {by, unread, false},
		"a file of that time":             {byTime, timed, true},
		"a file of that time, by hash":    {by, timed, false},
		"a file of another time":          {byTime, later, false},
		"a directory":                     {Policy{OnUntracked: "block"}, folder, true},
		"a file that gets another name":   {Policy{OnUntracked: "rename"}, renamed, true},
		"a file that is to keep its name": {by, renamed, false},
	} {
		if got := test.policy.takesPlace(&test.change); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
