package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

// showState shows what is recorded: the other thing that show shows, if no plan is named.
func (s *session) showState(ctx context.Context, c *cli.Command, o showOptions) error {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	recorded := &view.State{Lineage: s.store.Lineage(), Names: s.out.Names, Items: s.itemsOf(ctx, rows, o.text.Path)}
	if o.names != "" {
		recorded.Names, s.out.Names = o.names, o.names
	}
	if recorded.Serial, err = s.store.Serial(ctx); err != nil {
		return err
	}
	for _, row := range rows {
		m, err := s.mirrorRecord(ctx, row)
		if err != nil {
			return err
		}
		recorded.Mirrors = append(recorded.Mirrors, m)
	}
	out := s.env.stdout
	switch {
	case c.Bool("json"):
		return view.WriteStateJSON(out, recorded)
	case c.Bool("jsonl"):
		return view.WriteStateJSONL(out, recorded)
	case c.Bool("csv"):
		return view.WriteStateCSV(out, recorded)
	case c.Bool("html"):
		return view.WriteStateHTML(out, recorded)
	case c.Bool("md"):
		return view.WriteStateMarkdown(out, recorded, c.String("marker"), int(c.Int("max-bytes")))
	}
	return s.showStateText(recorded, o)
}

// itemsOf yields the tracked items of mirrors, or those of them whose path matches.
func (s *session) itemsOf(ctx context.Context, rows []state.Mirror, match func(path string, folder bool) bool) iter.Seq2[view.StateItem, error] {
	return func(yield func(view.StateItem, error) bool) {
		for _, row := range rows {
			for e, err := range s.entriesOf(ctx, row) {
				if err == nil && match != nil && !match(e.path, e.Folder) {
					continue
				}
				if !yield(recordOf(row.Address, e.path, e.Entry), err) || err != nil {
					return
				}
			}
		}
	}
}

// showStateText prints the mirrors and, with -verbose or -path, what they have.
func (s *session) showStateText(recorded *view.State, o showOptions) error {
	if len(recorded.Mirrors) == 0 {
		_, err := fmt.Fprintln(s.env.stdout, "The state is empty: nothing was applied yet.")
		return err
	}
	for i, m := range recorded.Mirrors {
		var err error
		if o.text.Compact {
			_, err = fmt.Fprintf(s.env.stdout, "%s  %s, %s  %s\n", view.Name(m.Address), plural(m.Files, "file"), view.Size(m.Bytes), view.Name(m.Target))
		} else {
			if i > 0 {
				fmt.Fprintln(s.env.stdout)
			}
			err = s.showMirror(m)
		}
		if err != nil {
			return err
		}
	}
	if !o.text.Verbose && o.text.Path == nil {
		return nil
	}
	return s.listStateItems(recorded, o.text.ListLimit)
}

// listStateItems prints up to limit items, all if it is 0, and how many more there are.
func (s *session) listStateItems(recorded *view.State, limit int) error {
	if _, err := fmt.Fprintln(s.env.stdout); err != nil {
		return err
	}
	var listed int
	for i, err := range recorded.Items {
		if err != nil {
			return err
		}
		if listed++; limit > 0 && listed > limit {
			continue
		}
		name, detail := "/"+i.Path, sizeText(i.Size)+", "+orText(i.Verdict, "not verified")
		if i.Folder {
			name, detail = name+"/", "folder"
		}
		if _, err := fmt.Fprintf(s.env.stdout, "%s  %s  %s\n", view.Name(i.Mirror), s.shown(name, i.Folder), detail); err != nil {
			return err
		}
	}
	if limit > 0 && listed > limit {
		_, err := fmt.Fprintf(s.env.stdout, "... %d more: spmirror show -verbose\n", listed-limit)
		return err
	}
	return nil
}
