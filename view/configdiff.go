package view

import (
	"encoding/json"
	"slices"

	"github.com/spmirror/spmirror/plan"
)

// diffLine is one line of the difference of two configurations.
type diffLine struct {
	// Class is "at" for a mirror or setting, "old" for what was, "new" for what is.
	Class string
	Text  string
}

// configDiff shows in which settings each mirror differs from when it was last
// applied: what a reviewer changed, beside what follows from it. Lists are compared
// element by element.
func configDiff(h *plan.Header) []diffLine {
	var lines []diffLine
	for _, m := range h.Mirrors {
		if len(m.ConfigChanges) == 0 {
			continue
		}
		lines = append(lines, diffLine{"at", "  " + Name(m.Address)})
		for _, c := range m.ConfigChanges {
			lines = append(lines, diffLine{"at", "    " + Name(c.Path)})
			before, after := elements(c.Before), elements(c.After)
			for _, e := range before {
				if !slices.Contains(after, e) {
					lines = append(lines, diffLine{"old", "-     " + e})
				}
			}
			for _, e := range after {
				if !slices.Contains(before, e) {
					lines = append(lines, diffLine{"new", "+     " + e})
				}
			}
		}
	}
	return lines
}

// elements shows a value as JSON, a list as its elements, and nothing as nothing.
func elements(v any) []string {
	data, err := json.Marshal(v)
	if err != nil || v == nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		list = []json.RawMessage{data}
	}
	out := make([]string, len(list))
	for i, e := range list {
		var text string
		if json.Unmarshal(e, &text) == nil {
			out[i] = `"` + Name(text) + `"`
		} else {
			out[i] = Message(string(e))
		}
	}
	return out
}
