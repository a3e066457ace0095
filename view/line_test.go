package view

import (
	"encoding/json"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

// Whatever a line looks like: if it is accepted, every reader of JSON takes from
// it what was counted.
func FuzzALineIsCountedAsItIsDecoded(f *testing.F) {
	for _, s := range []string{
		`{"mirror":"m","path":"p","item_id":"i","actions":["move","update"],"cause":"source","reason":"new"}`,
		`{"mirror":"m","path":"p\"actions\":[\"add\"]","item_id":"i","folder":true,"actions":["delete"],"cause":"source","reason":"new","disposal":"trash"}`,
		`{"actions":["add"],"Actions":["delete"]}`, `{"actions":["add"],"actions":["delete"]}`, `{"actions":["add"],"\u0061ctions":["delete"]}`,
		`{"actions":["add"],"folder":true }`, `{"actions":["add"],"remote":{"actions":["delete"]}}`, `{"actions":["add"],"x":{"a":[1,"}"]},"cause":"source"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		raw, err := readLine(line)
		var c plan.Change
		if err != nil || json.Unmarshal(line, &c) != nil || len(c.Actions) == 0 {
			return
		}
		tally := tally{mirrors: map[string]*counts{jsonText(c.Mirror): {}}}
		if tally.add(raw) != nil {
			return
		}
		if tally.total.of(c.Action()) != 1 || tally.total.cell(c.Action(), c.Cause) != 1 {
			t.Errorf("%q is counted as %q, decoded as %q", line, raw.action, c.Actions)
		}
		files := int64(1)
		if c.Folder {
			files = 0
		}
		for _, n := range tally.total.files {
			files -= n
		}
		if files != 0 {
			t.Errorf("%q: folder is counted as %v, decoded as %v", line, raw.folder, c.Folder)
		}
		if c.Action() == plan.Delete && c.Disposal != plan.DisposeTrash && tally.total.forGood != 1 {
			t.Errorf("%q: a delete for good is not counted as one", line)
		}
	})
}

func TestLinesThatReadersTakeDifferentlyAreRefused(t *testing.T) {
	for _, line := range []string{
		`{"actions":["add"],"Actions":["delete"]}`, `{"actions":["add"],"actions":["delete"]}`, `{"actions":["add"],"\u0061ctions":["delete"]}`,
		`{"actions":["add"],"cause":"source","CAUSE":"config"}`, `{"actions":["add"],"FOLDER":true}`, `{"actions":["add"]} {"actions":["delete"]}`, ``, `[]`, `{"actions"`,
	} {
		if _, err := readLine([]byte(line)); err == nil {
			t.Errorf("%s is accepted", line)
		}
	}
}
