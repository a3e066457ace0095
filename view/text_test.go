package view

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spmirror/spmirror/plan"
)

func num(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	actionRow = regexp.MustCompile(`(?m)^  ([!\-~>m+=.]) +([\d,]+) (?:files?|folders?|items) `)
	headRow   = regexp.MustCompile(`(?m)^  Folder +((?:[a-z]+ +)+)download$`)
	listTitle = regexp.MustCompile(`(?m)^  (Blocked|Delete) \(([\d,]+)\)`)
	foldLine  = regexp.MustCompile(`  (?:([\d,]+) files?)?(?:, )?(?:([\d,]+) folders?)?, [\d.]+ (?:[KMGTP]i)?B(?:  .*)?$`)
	planLine  = regexp.MustCompile(`(?m)^Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\.$`)
	causes    = regexp.MustCompile(`(\d+) (config|source|drift|retry)`)
)

// checkSums reads a plan's text as a careful reader would and adds it up.
func checkSums(t testing.TB, out string) {
	t.Helper()
	symbols := map[string]int64{}
	for _, block := range regexp.MustCompile(`(?m)^mirror\.`).Split(out, -1)[1:] {
		block, _, _ = strings.Cut(block, "\nGuards")
		own := map[string]int64{}
		for _, m := range actionRow.FindAllStringSubmatch(block, -1) {
			own[m[1]] = num(t, m[2])
			symbols[m[1]] += own[m[1]]
		}
		checkFolders(t, block, own)
		checkLists(t, block, own)
	}
	line := planLine.FindStringSubmatch(out)
	if line == nil {
		t.Fatalf("no summary line in:\n%s", out)
	}
	for i, symbols1 := range map[int][]string{1: {"="}, 2: {"+"}, 3: {"~", ">", "m"}, 4: {"-"}, 5: {"."}} {
		var want, got int64
		for _, s := range symbols1 {
			got += symbols[s]
		}
		if line[i] != "" {
			want = num(t, line[i])
		}
		if got != want {
			t.Errorf("mirrors sum to %d of %v, %q", got, symbols1, line[0])
		}
	}
	var byCause, all int64
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, "Cause: ") {
			for _, m := range causes.FindAllStringSubmatch(l, -1) {
				byCause += num(t, m[1])
			}
		}
	}
	for s, n := range symbols {
		if s != "!" {
			all += n
		}
	}
	if byCause != all {
		t.Errorf("causes sum to %d, actions to %d", byCause, all)
	}
}

func checkFolders(t testing.TB, block string, own map[string]int64) {
	t.Helper()
	head := headRow.FindStringSubmatchIndex(block)
	if head == nil {
		return
	}
	actions := strings.Fields(block[head[2]:head[3]])
	sums := make([]int64, len(actions))
	for _, row := range strings.Split(block[head[1]+1:], "\n") {
		if row == "" {
			break
		}
		fields := strings.Fields(row)
		fields = fields[:len(fields)-2] // the download is a number and a unit
		for i := range actions {
			sums[i] += num(t, fields[len(fields)-len(actions)+i])
		}
	}
	for i, a := range actions {
		if want := own[symbol(plan.Action(a))]; sums[i] != want {
			t.Errorf("folders sum to %d to %s, the mirror has %d:\n%s", sums[i], a, want, block)
		}
	}
}

func checkLists(t testing.TB, block string, own map[string]int64) {
	t.Helper()
	for _, title := range listTitle.FindAllStringSubmatchIndex(block, -1) {
		name := block[title[2]:title[3]]
		want := num(t, block[title[4]:title[5]])
		var got int64
		for _, row := range strings.Split(block[title[1]:], "\n")[1:] {
			if row == "" {
				break
			}
			if strings.HasPrefix(row, "      ... ") {
				continue // it counts what the folders above it say
			}
			if m := foldLine.FindStringSubmatch(row); m != nil && m[1]+m[2] != "" {
				for _, n := range m[1:] {
					if n != "" {
						got += num(t, n)
					}
				}
				continue
			}
			got++
		}
		if s := symbol(plan.Action(strings.ToLower(name))); got != want || want != own[s] {
			t.Errorf("%s lists %d of %d, the mirror has %d:\n%s", name, got, want, own[s], block)
		}
	}
}

func TestTheNumbersOfAPlanAddUp(t *testing.T) {
	for name, build := range plans {
		t.Run(name, func(t *testing.T) {
			p := build(t)
			if p.Totals.Changes() == 0 {
				t.Skip("nothing to add up")
			}
			if name == "large" {
				checkSums(t, text(t, p, Output{}, TextOptions{}))
				return
			}
			for _, names := range []string{NamesFull, NamesFolders, NamesHashed} {
				for _, opt := range []TextOptions{{}, {Verbose: true}, {ListLimit: 7}, {Depth: 1}} {
					checkSums(t, text(t, p, Output{Names: names}, opt))
				}
			}
		})
	}
}

func TestTheNumbersOfAnyPlanAddUp(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newTestPlan(t)
		for i := range rapid.IntRange(1, 3).Draw(r, "mirrors") {
			name := fmt.Sprintf("mirror.m%d", i)
			p.mirror(name)
			seen := map[string]bool{}
			for range rapid.IntRange(0, 150).Draw(r, "changes") {
				parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d e"}), 1, 5).Draw(r, "path")
				path := strings.Join(parts, "/")
				a := rapid.SampledFrom(plan.Actions[:]).Draw(r, "action")
				if seen[path] {
					continue
				}
				seen[path] = true
				c := file(name, a, path, rapid.Int64Range(0, 1<<40).Draw(r, "bytes"),
					rapid.SampledFrom(plan.Causes[:]).Draw(r, "cause"), rapid.SampledFrom([]plan.Reason{plan.Removed, plan.Renamed}).Draw(r, "reason"))
				c.Folder = rapid.Bool().Draw(r, "folder")
				p.add(c)
			}
		}
		done := p.finish(nil, nil)
		if done.Totals.Changes() == 0 {
			return
		}
		for _, opt := range []TextOptions{{}, {Verbose: true}, {ListLimit: 5}} {
			checkSums(t, text(t, done, Output{}, opt))
		}
	})
}

// The patterns with which two widely used tools read the summary.
func TestOtherToolsFindTheCounts(t *testing.T) {
	atlantis := regexp.MustCompile(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy`)
	tfcmt := regexp.MustCompile(`(?m)^Plan: (?:\d+ to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, \d+ to forget)?\.`)
	out := text(t, mixed(t), Output{}, TextOptions{})
	if m := atlantis.FindStringSubmatch(out); m == nil || strings.Join(m[1:], " ") != "1 30 36 5" {
		t.Errorf("Atlantis finds %q", m)
	}
	if m := tfcmt.FindStringSubmatch(out); m == nil || strings.Join(m[1:], " ") != "30 36 5" {
		t.Errorf("tfcmt finds %q", m)
	}
	if out := text(t, noChanges(t), Output{}, TextOptions{}); !strings.Contains(out, "\nNo changes. Your mirrors match the configuration.\n") {
		t.Errorf("no changes are said as:\n%s", out)
	}
}

func TestOnlyATrueStatementBeginsLikeNoChanges(t *testing.T) {
	const said = "No changes. Your mirrors match"
	narrowed := noChanges(t)
	narrowed.Options.Targets = []string{"mirror.x"}
	for name, out := range map[string]string{
		"recorded":    text(t, noChanges(t), Output{}, TextOptions{Recorded: true}),
		"narrowed":    text(t, narrowed, Output{}, TextOptions{}),
		"not planned": text(t, notPlanned(t), Output{}, TextOptions{}),
		"compact":     text(t, notPlanned(t), Output{}, TextOptions{Compact: true}),
		"changes":     text(t, mixed(t), Output{}, TextOptions{}),
	} {
		if strings.Contains(out, said) {
			t.Errorf("%s: the text claims %q:\n%s", name, said, out)
		}
	}
}

func TestNoEscapeIsWrittenWithoutColour(t *testing.T) {
	for name, build := range plans {
		if name == "large" {
			continue // it has no names but plain ones
		}
		p := build(t)
		plain := text(t, p, Output{}, TextOptions{Verbose: true})
		for i := range len(plain) {
			if c := plain[i]; c < 0x20 && c != '\n' || c == 0x7f {
				t.Fatalf("%s: byte %#x at %d", name, c, i)
			}
		}
		if !allowed(strings.ReplaceAll(plain, "\n", "")) {
			t.Errorf("%s: a character that a terminal must not get", name)
		}
		coloured := text(t, p, Output{Color: true}, TextOptions{Verbose: true})
		if got := regexp.MustCompile(`\x1b\[[\d;]+m`).ReplaceAllString(coloured, ""); got != plain {
			t.Errorf("%s: colour changes the text", name)
		}
	}
}

func TestALargePlanFitsAScreen(t *testing.T) {
	out := text(t, large(t), Output{}, TextOptions{})
	if n := strings.Count(out, "\n"); n > 60 {
		t.Errorf("%d lines", n)
	}
}

func TestHiddenNamesAreInNoSink(t *testing.T) {
	p := mixed(t)
	for _, names := range []string{NamesFolders, NamesHashed} {
		secrets := []string{"minutes-0", "ledger-", "frame", "sheet-"}
		if names == NamesHashed {
			secrets = append(secrets, "Board", "close/", "P-1180")
		}
		var sinks bytes.Buffer
		sinks.WriteString(text(t, p, Output{Names: names}, TextOptions{Verbose: true}))
		sinks.WriteString(text(t, p, Output{Names: names}, TextOptions{}))
		for _, err := range []error{
			WritePlanJSON(&sinks, p.Header, p, names), WriteJSONL(&sinks, p, names, nil), WriteCSV(&sinks, p.Header, p, names, nil),
			WriteMarkdown(&sinks, p.Header, p, MarkdownOptions{Names: names}), WriteHTML(&sinks, p.Header, p, names),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		// Ids are not names; those of the test are made of them.
		out := regexp.MustCompile(`"?id-[^",]*"?`).ReplaceAllString(sinks.String(), "")
		for _, s := range secrets {
			if i := strings.Index(out, s); i >= 0 {
				t.Errorf("%s: %q is shown: %q", names, s, out[max(0, i-60):min(len(out), i+60)])
			}
		}
	}
}

// liar is a plan whose lines are not those its header was made from.
type liar struct {
	Plan
	lines []string
}

func (l liar) ChangeLines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, line := range l.lines {
			if !yield([]byte(line), nil) {
				return
			}
		}
	}
}

func TestAPlanWhoseHeaderLiesIsNotShown(t *testing.T) {
	p := addsOnly(t)
	var lines []string
	for line, err := range p.ChangeLines() {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	lines[5] = strings.Replace(lines[5], `"actions":["add"]`, `"actions":["delete"]`, 1)
	var b bytes.Buffer
	o := Output{Out: &b}
	if err := o.PlanText(p.Header, liar{p, lines}, TextOptions{}); !errors.Is(err, ErrDisagrees) {
		t.Errorf("shown with %v", err)
	}
	if err := WriteMarkdown(&b, p.Header, liar{p, lines}, MarkdownOptions{}); !errors.Is(err, ErrDisagrees) {
		t.Errorf("shown as Markdown with %v", err)
	}
	if b.Len() > 0 {
		t.Errorf("something was written: %s", b.String())
	}
}

func TestAFolderThatGoesAsAWholeCountsOnlyWhatIsInIt(t *testing.T) {
	p := newTestPlan(t)
	p.mirror(reports)
	for _, path := range []string{"a", "a/b"} {
		dir := file(reports, plan.Delete, path, 0, plan.BySource, plan.Removed)
		dir.Folder = true
		p.add(dir)
	}
	for _, path := range []string{"a/1", "a/b/2", "a b", "ab", "a-"} {
		p.add(file(reports, plan.Delete, path, 1<<20, plan.BySource, plan.Removed))
	}
	out := text(t, p.finish(nil, nil), Output{}, TextOptions{ListLimit: 5})
	for _, want := range []string{`- /a/ +2 files, 2 folders, 2\.0 MiB\n`, `- /ab +1\.0 MiB\n`, `- /a b +1\.0 MiB\n`, `- /a- +1\.0 MiB\n`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing matches %q in:\n%s", want, out)
		}
	}
}

func TestFiltersListWhatTheySelect(t *testing.T) {
	out := text(t, mixed(t), Output{}, TextOptions{Path: func(p string, _ bool) bool { return strings.HasPrefix(p, "Board/2019/") }})
	if !strings.Contains(out, "4 of 74 items of the plan selected: 4 files, 4.0 MiB.") || strings.Contains(out, "Plan:") {
		t.Errorf("filtered text:\n%s", out)
	}
}

func TestTheFooterNamesTheFile(t *testing.T) {
	p := mixed(t)
	show := func(o Output, file string) string {
		var b bytes.Buffer
		o.Out = &b
		if err := o.SavedPlan(p.Header, file); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if out := show(Output{}, "pr-42.spplan"); !strings.Contains(out, "Saved the plan to: pr-42.spplan") || !strings.Contains(out, `    spmirror apply "pr-42.spplan"`) {
		t.Error(out)
	}
	if out := show(Output{}, "a'$(id)"); !strings.Contains(out, `    spmirror apply 'a'\''$(id)'`) {
		t.Error(out)
	}
	if out := show(Output{}, ""); !strings.Contains(out, "Note: ") {
		t.Error(out)
	}
	if out := show(Output{Automation: true}, "x"); out != "" {
		t.Error(out)
	}
}

func TestAGuardOfASavedPlanHasALimitThatCanBeRead(t *testing.T) {
	got := Output{}.GuardText(plan.GuardResult{Name: "min_free_space", Mirror: "mirror.a", Status: plan.GuardPass, Value: "enough", Limit: "1073741824", Detail: "bytes"})
	if want := "min_free_space of mirror.a: enough, limit 1.0 GiB"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestListsUseTheScreenAndKeepSizesNearNames(t *testing.T) {
	tp := newTestPlan(t)
	tp.mirror(reports)
	for i := range 3 {
		tp.add(file(reports, plan.Add, fmt.Sprintf("2025/A name of some fifty columns, as people write %d.docx", i), 1000, plan.ByConfig, plan.MirrorAdded))
	}
	p := tp.finish(nil, nil)
	narrow, wide := text(t, p, Output{Width: 80}, TextOptions{}), text(t, p, Output{Width: 220}, TextOptions{})
	if strings.Contains(narrow, cut+" ") || !strings.Contains(narrow, "people write 2.docx") {
		t.Errorf("names are cut that have room:\n%s", narrow)
	}
	for line := range strings.SplitSeq(wide, "\n") {
		if strings.Contains(line, strings.Repeat(" ", 80)) {
			t.Errorf("a size is far from its name: %s", line)
		}
	}
}
