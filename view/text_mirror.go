package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// mirrors writes those with changes in full, then the others in a line each.
func (x *planText) mirrors() error {
	var quiet []*plan.Mirror
	for _, m := range x.h.Mirrors {
		switch c := x.t.of(m); {
		case !m.Planned():
			x.notPlanned(m)
		case m.Changes()+c.of(plan.Blocked) == 0:
			quiet = append(quiet, m)
		default:
			if err := x.mirror(m, c); err != nil {
				return err
			}
		}
	}
	x.gap()
	if x.h.Totals.Changes() == 0 && x.t.total.of(plan.Blocked) == 0 && !x.opt.Verbose {
		return nil // the summary says it for all of them
	}
	if len(quiet) > maxQuietMirrors && !x.opt.Verbose {
		x.line("# ", count(int64(len(quiet)), "mirror"), " without changes hidden (-verbose shows them)")
		return nil
	}
	for _, m := range quiet {
		x.line(x.out.paint(bold, Name(m.Address)), "   no changes (", count(m.Compared, "item"), " compared)")
		x.leftOut(m)
	}
	return nil
}

func (x *planText) notPlanned(m *plan.Mirror) {
	x.gap()
	x.line(x.out.paint(red, "? "), x.out.paint(bold, Name(m.Address)), "   not planned: ",
		Message(m.Problem.Summary), " [", Message(m.Problem.Code), "]")
	for line := range strings.Lines(m.Problem.Detail) {
		x.line("    ", Message(strings.TrimSuffix(line, "\n")))
	}
	if id := m.Problem.RequestID; id != "" && !strings.Contains(m.Problem.Detail, id) {
		x.line("    request id ", Message(m.Problem.RequestID))
	}
}

// mirror writes one mirror: counts, folders, what is dangerous, samples.
func (x *planText) mirror(m *plan.Mirror, c *counts) error {
	x.gap()
	source := sourceName(m.Source)
	if source != "" {
		source += "  "
	}
	x.line(x.out.paint(bold, Name(m.Address)), "   ", source, "->  ", Name(m.Target.Path))
	if m.PreviousAddress != "" {
		x.line("  # was ", Name(m.PreviousAddress))
	}
	switch m.ActionReason {
	case string(plan.MirrorRemoved):
		x.line("  # no longer in the configuration")
	case string(plan.ShortcutGone):
		x.line("  # the shortcut is gone, or is not followed any more")
	}
	x.actions(m, c)
	x.leftOut(m)
	all := x.opt.Verbose || (m.Changes() <= smallMirror && x.names != NamesFolders)
	if !all {
		x.folders(m, c)
	}
	if err := x.dangerous(m, c); err != nil {
		return err
	}
	if all {
		return x.others(m, c)
	}
	x.samples(m, c)
	return nil
}

func sourceName(s plan.SourceRef) string {
	var parts []string
	if s.Site != "" {
		site := strings.TrimRight(s.Site, "/")
		parts = append(parts, Name(site[strings.LastIndexByte(site, '/')+1:]))
	}
	if s.Drive != "" {
		parts = append(parts, Name(s.Drive))
	}
	if len(parts) == 0 {
		parts = append(parts, Name(string(s.DriveID)))
	}
	for _, part := range strings.Split(s.Folder, "/") {
		if part != "" {
			parts = append(parts, Name(part))
		}
	}
	return strings.Join(parts, " / ")
}

// actions writes one line for each action: how many, how much, why.
func (x *planText) actions(m *plan.Mirror, c *counts) {
	rows := newTable(2, 3)
	for _, a := range shownOrder {
		if c.of(a) == 0 {
			continue
		}
		s := m.Summary[a]
		bytes := "-"
		if a != plan.Move && a != plan.Metadata && s.Bytes > 0 {
			bytes = size(s.Bytes)
		}
		var causes []string
		for _, by := range c.causesOf(a) {
			causes = append(causes, string(by))
		}
		rows.add(
			cell{text: symbol(a), colour: colourOf(a)},
			cell{text: commas(s.Items), right: true},
			cell{text: noun(s)},
			cell{text: bytes, right: true},
			cell{text: strings.Join(causes, ", ")},
			cell{text: x.why(m, a, c)},
		)
	}
	rows.write(x.page, x.out)
}

// leftOut counts by class what was looked at and is not mirrored, so that nothing of
// the source is passed over in silence (I-51).
func (x *planText) leftOut(m *plan.Mirror) {
	var parts []string
	for _, skip := range slices.Sorted(maps.Keys(m.Skipped)) {
		parts = append(parts, skipPhrase(skip, m.Skipped[skip]))
	}
	if len(parts) > 0 {
		x.line("  # left out: ", strings.Join(parts, ", "))
	}
}

// skipPhrase counts items of a class that is left out, in words.
func skipPhrase(s plan.Skip, n int64) string {
	nouns := map[plan.Skip][2]string{
		plan.SkipOutside:    {"outside the folder", "outside the folder"},
		plan.SkipDeselected: {"not selected", "not selected"},
		plan.SkipPackage:    {"notebook", "notebooks"},
		plan.SkipPart:       {"part of a notebook", "parts of notebooks"},
		plan.SkipShortcut:   {"shortcut to another drive", "shortcuts to other drives"},
		plan.SkipBundle:     {"bundle", "bundles"},
		plan.SkipUnknown:    {"of unknown type", "of unknown type"},
		plan.SkipKept:       {"changed on disk and kept so", "changed on disk and kept so"},
		plan.SkipNarrowed:   {"change outside -target-path", "changes outside -target-path"},
	}
	words, ok := nouns[s]
	switch {
	case !ok:
		return commas(n) + " " + Message(string(s))
	case n == 1:
		return "1 " + words[0]
	}
	return commas(n) + " " + words[1]
}

func noun(s plan.Sum) string {
	switch {
	case s.Folders == 0:
		return plural(s.Files, "file")
	case s.Files == 0:
		return plural(s.Folders, "folder")
	}
	return "items (" + itemsOf(s.Files, s.Folders) + ")"
}

// why names the most frequent reasons of an action.
func (x *planText) why(m *plan.Mirror, a plan.Action, c *counts) string {
	list := reasonsOf(m, a)
	var parts []string
	for i, r := range list {
		if len(list) == 1 {
			parts = append(parts, phrase(r))
			break
		}
		if i == 2 && len(list) > 3 {
			parts = append(parts, count(int64(len(list)-i), "other reason"))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", phrase(r), commas(m.Reasons[a][r])))
	}
	if a == plan.Delete && c.forGood > 0 {
		parts = append(parts, x.out.paint(red, commas(c.forGood)+" FOR GOOD, not to trash"))
	}
	if a == plan.Forget {
		parts = append(parts, "files stay")
	}
	return strings.Join(parts, ", ")
}

// folders writes the table of folders. Its numbers add up to those of the mirror.
func (x *planText) folders(m *plan.Mirror, c *counts) {
	rows := cutDepth(m.Folders, x.opt.Depth)
	if len(rows) == 0 {
		return
	}
	x.gap()
	t := newTable(2, 0)
	head := []cell{{text: "Folder"}}
	var used []plan.Action
	for _, a := range shownOrder {
		if c.of(a) > 0 {
			used = append(used, a)
			head = append(head, cell{text: string(a), right: true})
		}
	}
	t.add(append(head, cell{text: "download", right: true})...)
	nameWidth := x.out.width() - 4 - len("download") - 6
	for _, a := range used {
		nameWidth -= max(len(a), 6) + 3
	}
	nameWidth = max(20, nameWidth)
	for _, r := range rows {
		line := []cell{{text: "  " + fit(x.rowName(r), nameWidth)}}
		for _, a := range used {
			line = append(line, cell{text: commas(r.Counts[a]), right: true})
		}
		t.add(append(line, cell{text: size(r.DownloadBytes), right: true})...)
	}
	t.write(x.page, x.out)
}

func (x *planText) rowName(r plan.FolderRow) string {
	if r.Path == "" {
		return "(" + count(int64(r.Others), "other folder") + ")"
	}
	return Name(x.names.folder(r.Path))
}

// cutDepth merges rows whose folders are equal down to a depth.
func cutDepth(rows []plan.FolderRow, depth int) []plan.FolderRow {
	if depth <= 0 {
		return rows
	}
	var out []plan.FolderRow
	index := map[string]int{}
	for _, r := range rows {
		path := r.Path
		if parts := strings.Split(strings.Trim(path, "/"), "/"); path != "" && len(parts) > depth {
			path = "/" + strings.Join(parts[:depth], "/") + "/"
		}
		i, ok := index[path]
		if !ok {
			i = len(out)
			index[path] = i
			out = append(out, plan.FolderRow{Path: path, Counts: map[plan.Action]int64{}, Others: r.Others})
		}
		for a, n := range r.Counts {
			out[i].Counts[a] += n
		}
		out[i].DownloadBytes += r.DownloadBytes
	}
	return out
}

// samples writes the largest adds and updates and some moves.
func (x *planText) samples(m *plan.Mirror, c *counts) {
	if x.names == NamesFolders {
		return
	}
	for _, a := range []plan.Action{plan.Update, plan.Move, plan.Add} {
		list := m.Samples[a]
		if len(list) == 0 {
			continue
		}
		x.gap()
		title := "Largest of " + commas(c.of(a)) + " to " + string(a)
		if int64(len(list)) == c.of(a) {
			title = strings.ToUpper(string(a)[:1]) + string(a)[1:] + " (" + commas(c.of(a)) + ")"
		}
		x.line("  ", title)
		for i := range list {
			x.change(list[i], false, dominant(m, a))
		}
		if more := c.of(a) - int64(len(list)); more > 0 {
			x.more(more, a)
		}
	}
}

// more names what a list leaves out and the command that shows it.
func (x *planText) more(n int64, a plan.Action) {
	x.line("      ... ", commas(n), " more: ", x.showCommand(a))
}

func (x *planText) showCommand(a plan.Action) string {
	if x.opt.PlanFile == "" {
		return "spmirror plan -verbose"
	}
	return "spmirror show -action=" + string(a) + " " + shellWord(x.opt.PlanFile)
}

// shellWord quotes a file's name for a command that people copy.
func shellWord(s string) string {
	safe := !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+=@:,%", r)
	})
	if safe && s != "" && !strings.HasPrefix(s, "-") {
		return s
	}
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return "'" + strings.ReplaceAll(escape(s, false), "'", `'\''`) + "'"
}
