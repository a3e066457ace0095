package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spmirror/spmirror/plan"
)

// Plan is a plan to show: *plan.Plan and *plan.File are. Its header is passed
// beside it.
type Plan interface {
	Changes() iter.Seq2[plan.Change, error]
	Drifts() iter.Seq2[plan.Drift, error]
	ChangeLines() iter.Seq2[[]byte, error]
	DriftLines() iter.Seq2[[]byte, error]
}

// ErrDisagrees says that the header of a plan and its items do not say the same.
var ErrDisagrees = errors.New("the plan's header and its items disagree")

// tally counts the items of a plan: what is shown comes from here.
type tally struct {
	mirrors map[string]*counts // by address, as it stands in JSON
	total   counts
}

// counts are the items of one mirror, by action and cause.
type counts struct {
	mirror  *plan.Mirror
	items   [len(plan.Actions)][len(plan.Causes)]int64
	files   [len(plan.Actions)]int64
	forGood int64 // deletes that do not go to the trash
}

func (c *counts) of(a plan.Action) int64 {
	var n int64
	for _, k := range c.items[slices.Index(plan.Actions[:], a)] {
		n += k
	}
	return n
}

func (c *counts) cell(a plan.Action, by plan.Cause) int64 {
	return c.items[slices.Index(plan.Actions[:], a)][slices.Index(plan.Causes[:], by)]
}

// downloads counts the files that are fetched.
func (c *counts) downloads() int64 {
	return c.files[slices.Index(plan.Actions[:], plan.Add)] + c.files[slices.Index(plan.Actions[:], plan.Update)]
}

// cause counts the items of a cause that an apply would touch.
func (c *counts) cause(by plan.Cause) int64 {
	var n int64
	for _, a := range plan.Actions {
		if a != plan.Blocked {
			n += c.cell(a, by)
		}
	}
	return n
}

// causesOf lists the causes of an action, the most frequent first.
func (c *counts) causesOf(a plan.Action) []plan.Cause {
	list := slices.DeleteFunc(slices.Clone(plan.Causes[:]), func(by plan.Cause) bool { return c.cell(a, by) == 0 })
	slices.SortStableFunc(list, func(x, y plan.Cause) int { return int(min(1, max(-1, c.cell(a, y)-c.cell(a, x)))) })
	return list
}

// countItems reads every line of a plan once and compares what it finds with the
// header, so that a plan cannot say one thing and do another (T-05).
func countItems(h *plan.Header, p Plan) (*tally, error) {
	t := &tally{mirrors: make(map[string]*counts, len(h.Mirrors))}
	for _, m := range h.Mirrors {
		if m == nil {
			return nil, fmt.Errorf("%w: a mirror is null", ErrDisagrees)
		}
		t.mirrors[jsonText(m.Address)] = &counts{mirror: m}
	}
	for line, err := range p.ChangeLines() {
		if err != nil {
			return nil, err
		}
		raw, err := readLine(line)
		if err != nil {
			return nil, err
		}
		if err := t.add(raw); err != nil {
			return nil, err
		}
	}
	return t, t.check(h)
}

// jsonText is a string as it stands between quotes in a line of a plan.
func jsonText(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return string(unquoted(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

func (t *tally) add(raw rawLine) error {
	c := t.mirrors[string(raw.mirror)]
	a := slices.Index(plan.Actions[:], plan.Action(raw.action))
	by := slices.Index(plan.Causes[:], plan.Cause(raw.cause))
	if c == nil || a < 0 || by < 0 {
		return fmt.Errorf("%w: an item has an unknown mirror, action or cause", ErrDisagrees)
	}
	for _, c := range []*counts{c, &t.total} {
		c.items[a][by]++
		if !raw.folder {
			c.files[a]++
		}
		if plan.Actions[a] == plan.Delete && string(raw.disposal) != plan.DisposeTrash {
			c.forGood++
		}
	}
	return nil
}

func (t *tally) check(h *plan.Header) error {
	for _, c := range t.mirrors {
		for i, a := range plan.Actions {
			sum := c.mirror.Summary[a]
			if sum.Items != c.of(a) || sum.Files != c.files[i] {
				return fmt.Errorf("%w: %s: header has %d to %s, items are %d",
					ErrDisagrees, Name(c.mirror.Address), sum.Items, a, c.of(a))
			}
		}
	}
	for _, a := range plan.Actions {
		if h.Totals.Count(a) != t.total.of(a) {
			return fmt.Errorf("%w: header has %d to %s in all, items are %d", ErrDisagrees, h.Totals.Count(a), a, t.total.of(a))
		}
	}
	if n := t.total.downloads(); h.Totals.DownloadFiles != n {
		return fmt.Errorf("%w: header has %d files to download, items are %d", ErrDisagrees, h.Totals.DownloadFiles, n)
	}
	return nil
}

func decode(line []byte, into any) error {
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	return nil
}

// of returns the counts of a mirror.
func (t *tally) of(m *plan.Mirror) *counts { return t.mirrors[jsonText(m.Address)] }

// cursor walks the lines of a plan once, forward, and hands out the changes of
// one mirror and some actions at a time. Lines that nobody asks for are not
// decoded.
type cursor struct {
	actions []plan.Action
	next    func() ([]byte, error, bool)
	stop    func()
	line    []byte
	raw     rawLine
	err     error
	done    bool
}

func newCursor(p Plan, actions ...plan.Action) *cursor {
	next, stop := iter.Pull2(p.ChangeLines())
	c := &cursor{actions: actions, next: next, stop: stop}
	c.advance()
	return c
}

func (c *cursor) advance() {
	line, err, ok := c.next()
	if !ok || err != nil {
		c.done, c.err = true, err
		return
	}
	c.line = line
	c.raw, c.err = readLine(line)
	c.done = c.err != nil
}

// of yields the changes of a mirror. Mirrors must be asked for in the order of
// the header, which is that of the lines.
func (c *cursor) of(m *plan.Mirror) iter.Seq2[plan.Change, error] {
	address := []byte(jsonText(m.Address))
	return func(yield func(plan.Change, error) bool) {
		for ; !c.done && c.before(address, m.Address); c.advance() {
		}
		for ; !c.done && bytes.Equal(c.raw.mirror, address); c.advance() {
			if !slices.Contains(c.actions, plan.Action(c.raw.action)) {
				continue
			}
			var change plan.Change
			if err := decode(c.line, &change); err != nil {
				yield(change, err)
				return
			}
			if !yield(change, nil) {
				return
			}
		}
		if c.err != nil {
			yield(plan.Change{}, c.err)
		}
	}
}

// before reports whether the cursor is at a mirror ahead of the wanted one.
func (c *cursor) before(encoded []byte, address string) bool {
	if bytes.Equal(c.raw.mirror, encoded) {
		return false
	}
	var at string
	if err := json.Unmarshal(append(append([]byte{'"'}, c.raw.mirror...), '"'), &at); err != nil {
		return true
	}
	return at < address
}
