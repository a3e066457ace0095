package view_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/view"
)

// hostileState has names that would act in one sink or another.
func hostileState(items iter.Seq2[view.StateItem, error]) *view.State {
	return &view.State{Lineage: "l", Serial: 7, Items: items, Mirrors: []view.StateMirror{{Address: `mirror.m["<b>|"]`, Drive: "`x`", Folder: "/", Target: "/t\u202e", Files: 1}}}
}

func TestNamesInAStateAreEscapedForEachSink(t *testing.T) {
	item := view.StateItem{Mirror: `mirror.m["<b>|"]`, Path: "=1\u202e<script>\x1b[2J\n.txt", Size: 1}
	s := hostileState(func(yield func(view.StateItem, error) bool) { yield(item, nil) })
	var json, lines, csv, md, html strings.Builder
	for _, err := range []error{
		view.WriteStateJSON(&json, s), view.WriteStateJSONL(&lines, s), view.WriteStateCSV(&csv, s),
		view.WriteStateMarkdown(&md, s, "--><script>", 0), view.WriteStateHTML(&html, s),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for form, text := range map[string]string{"json": json.String(), "jsonl": lines.String(), "csv": csv.String(), "md": md.String(), "html": html.String()} {
		if strings.ContainsAny(text, "\u202e\x1b") {
			t.Errorf("%s holds control characters: %q", form, text)
		}
	}
	if got := html.String(); strings.Contains(got, "<script") || strings.Contains(got, "<b>|") {
		t.Errorf("the page holds markup of a name: %s", got)
	}
	if got := md.String(); strings.Contains(got, "<script>") || strings.Count(got, "-->") != 1 {
		t.Errorf("Markdown holds what a marker brought: %s", got)
	}
}

func TestAStateThatCannotBeReadIsNoShortList(t *testing.T) {
	broken := errors.New("broken")
	s := hostileState(func(yield func(view.StateItem, error) bool) { yield(view.StateItem{}, broken) })
	var b strings.Builder
	for form, err := range map[string]error{
		"json": view.WriteStateJSON(&b, s), "jsonl": view.WriteStateJSONL(&b, s), "csv": view.WriteStateCSV(&b, s), "html": view.WriteStateHTML(&b, s),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", form, err)
		}
	}
}
