package view

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// The page's script reads its data from two script elements of type
// application/json, which browsers do not run. Changes are grouped by folder:
//
//	[mirror, action, folder, [[name, bytes, cause, reason, modified, more], ...]]
//
// Mirror, action, cause and reason are indexes into the lists of pageHead; more is
// there only where there is more to say. Every text went through Name or Message.

// pageHead is what the script needs to read the rows.
type pageHead struct {
	Mirrors []string     `json:"mirrors"`
	Actions []pageAction `json:"actions"`
	Causes  []string     `json:"causes"`
	Reasons []string     `json:"reasons"`
	Count   int64        `json:"count"`
}

type pageAction struct {
	Name   string `json:"name"`
	Symbol string `json:"symbol"`
	Text   string `json:"text"`
	Rank   int    `json:"rank"`
	Count  int64  `json:"count"`
}

// pageMore is what only some changes have.
type pageMore struct {
	Folder   bool   `json:"folder,omitempty"`
	Previous string `json:"previous,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Wanted   string `json:"wanted,omitempty"`
	Disposal string `json:"disposal,omitempty"`
	By       string `json:"by,omitempty"`
	Local    *int64 `json:"local,omitempty"`
}

// pageReasons lists the reasons of a plan in a stable order: their place is their
// number. One that the header forgot is written out in its row.
func (v *pageView) pageReasons() []plan.Reason {
	found := make(map[plan.Reason]bool)
	for _, m := range v.h.Mirrors {
		for _, sums := range m.Reasons {
			for r := range sums {
				found[r] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (v *pageView) head() pageHead {
	head := pageHead{Mirrors: []string{}, Reasons: []string{}}
	for _, m := range v.h.Mirrors {
		head.Mirrors = append(head.Mirrors, Name(m.Address))
		for _, a := range plan.Actions {
			head.Count += v.t.of(m).of(a)
		}
	}
	for _, a := range plan.Actions {
		head.Actions = append(head.Actions, pageAction{
			Name: string(a), Symbol: symbol(a), Text: legend(a, &v.t.total), Rank: actionRank(a), Count: v.t.total.of(a),
		})
	}
	head.Causes = []string{"configuration", "SharePoint", "disk", "last run"}
	for _, r := range v.pageReasons() {
		head.Reasons = append(head.Reasons, phrase(r))
	}
	return head
}

// actionRank puts deletes first, then what is held back, then the usual order.
func actionRank(a plan.Action) int {
	if a == plan.Delete {
		return -1
	}
	return slices.Index(shownOrder[:], a)
}

// writeData writes the data of the script.
func (v *pageView) writeData(out *bufio.Writer, p Plan) error {
	head, err := scriptJSON(v.head())
	if err != nil {
		return err
	}
	out.WriteString(`<script type="application/json" id="head">`)
	out.Write(head)
	out.WriteString("</script>\n<script type=\"application/json\" id=\"changes\">[")
	if err := v.writeChanges(out, p); err != nil {
		return err
	}
	out.WriteString("]</script>\n<script type=\"application/json\" id=\"drift\">[")
	if err := v.writeDrift(out, p); err != nil {
		return err
	}
	_, err = out.WriteString("]</script>\n")
	return err
}

// scriptJSON encodes a value for the inside of a script element: no <, > or & and
// no line separator is left, so neither the element nor a line can end early.
func scriptJSON(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonSafe(data), nil
}

// pageGroup is the folder whose rows are being written.
type pageGroup struct {
	mirror, action int
	folder         string
}

func (v *pageView) writeChanges(out *bufio.Writer, p Plan) error {
	mirrors := make(map[string]int, len(v.h.Mirrors))
	for i, m := range v.h.Mirrors {
		mirrors[m.Address] = i
	}
	reasons := v.pageReasons()
	open := false
	var at pageGroup
	for c, err := range p.Changes() {
		if err != nil {
			return err
		}
		c = v.names.change(c)
		folder, name := path.Split(string(c.Path))
		next := pageGroup{mirrors[c.Mirror], slices.Index(plan.Actions[:], c.Action()), strings.TrimSuffix(folder, "/")}
		row, err := scriptJSON(pageRow(&c, name, reasons))
		if err != nil {
			return err
		}
		if open && next == at {
			out.WriteByte(',')
		} else {
			if open {
				out.WriteString("]],\n")
			}
			if err := next.begin(out); err != nil {
				return err
			}
			open, at = true, next
		}
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	if open {
		out.WriteString("]]")
	}
	return nil
}

// begin writes a group up to its first row.
func (g pageGroup) begin(out *bufio.Writer) error {
	start, err := scriptJSON([]any{g.mirror, g.action, Name(g.folder)})
	if err != nil {
		return err
	}
	out.Write(bytes.TrimSuffix(start, []byte("]")))
	_, err = out.WriteString(",[")
	return err
}

func pageRow(c *plan.Change, name string, reasons []plan.Reason) []any {
	var reason any = slices.Index(reasons, c.Reason)
	if reason == -1 {
		reason = phrase(c.Reason)
	}
	var modified int64
	if c.Remote != nil && !c.Remote.Modified.IsZero() {
		modified = c.Remote.Modified.Unix()
	}
	row := []any{Name(name), c.Bytes(), slices.Index(plan.Causes[:], c.Cause), reason, modified}
	if more := moreOfChange(c); more != (pageMore{}) {
		row = append(row, more)
	}
	return row
}

func moreOfChange(c *plan.Change) pageMore {
	more := pageMore{Folder: c.Folder, Detail: Message(c.Detail), Wanted: Name(string(c.Wanted)), Disposal: Name(c.Disposal)}
	if c.Moves() {
		more.Previous = Name(string(c.PreviousPath))
	}
	if c.Remote != nil {
		more.By = Name(c.Remote.By)
	}
	if c.Local != nil && c.Action() == plan.Update {
		more.Local = &c.Local.Size
	}
	return more
}

// writeDrift writes [mirror, path, kind, text] for each difference on disk.
func (v *pageView) writeDrift(out *bufio.Writer, p Plan) error {
	first := true
	for d, err := range p.Drifts() {
		if err != nil {
			return err
		}
		d = v.names.drift(d)
		row, err := scriptJSON([]any{Name(d.Mirror), Name("/" + string(d.Path)), string(d.Kind), driftText(d)})
		if err != nil {
			return err
		}
		if !first {
			out.WriteString(",\n")
		}
		first = false
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return nil
}
