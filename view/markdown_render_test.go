package view

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	gmtext "github.com/yuin/goldmark/text"

	"github.com/spmirror/spmirror/plan"
)

// rendered is a Markdown text as a renderer of code hosts understands it: with tables,
// bare links and HTML.
type rendered struct {
	t      *testing.T
	source []byte
	root   ast.Node
}

func render(t *testing.T, markdown string) rendered {
	t.Helper()
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	return rendered{t, []byte(markdown), parser.Parse(gmtext.NewReader([]byte(markdown)))}
}

func (r rendered) each(visit func(ast.Node)) {
	_ = ast.Walk(r.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
}

// text is what is read of a node and all below it.
func (r rendered) text(n ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Value(r.source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// ours are the elements that the program itself writes; a summary may hold code.
var ours = regexp.MustCompile(`^(<!-- spmirror:plan[^<>]* -->|<details( open)?>(<summary>([^<>]|</?code>)*</summary>)?|</details>|<summary>[^<>]*</summary>|<br>)$`)

// intact checks that a renderer finds no element but ours, and no link, image or mention.
func (r rendered) intact() {
	r.t.Helper()
	html := func(text string) {
		for l := range strings.Lines(text) {
			if l = strings.TrimSpace(l); l != "" && !ours.MatchString(l) {
				r.t.Errorf("HTML that is not ours: %q", l)
			}
		}
	}
	r.each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Link, *ast.AutoLink, *ast.Image:
			r.t.Errorf("a %s was made of %q", n.Kind(), r.text(n))
		case *ast.RawHTML:
			html(string(n.Segments.Value(r.source)))
		case *ast.HTMLBlock:
			block := string(n.Lines().Value(r.source))
			if n.HasClosure() {
				block += string(n.ClosureLine.Value(r.source))
			}
			html(block)
		case *ast.Text:
			if s := string(n.Value(r.source)); n.Parent().Kind() != ast.KindCodeSpan && strings.ContainsAny(s, "@<>") {
				r.t.Errorf("%q is no code", s)
			}
		}
	})
}

// rows are the cells of all tables with this head.
func (r rendered) rows(head string) [][]string {
	var out [][]string
	r.each(func(n ast.Node) {
		table, ok := n.(*extast.Table)
		if !ok || strings.Join(r.cells(table.FirstChild()), "|") != head {
			return
		}
		for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
			out = append(out, r.cells(row))
		}
	})
	return out
}

func (r rendered) cells(row ast.Node) []string {
	var cells []string
	for c := row.FirstChild(); c != nil; c = c.NextSibling() {
		cells = append(cells, strings.TrimSpace(r.text(c)))
	}
	return cells
}

// crowd has 50,000 changes: deletes in more folders than fit, with hostile names.
func crowd(t *testing.T) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	for i := range 50_000 {
		name := strings.ReplaceAll(hostileNames[i%len(hostileNames)], "/", "_")
		path := fmt.Sprintf("%d %s/%s/%06d %s", i%1200, name, name, i, name)
		if i%8 == 0 {
			p.add(file(reports, plan.Delete, path, 1<<20, plan.BySource, plan.Removed))
			continue
		}
		p.add(file(reports, plan.Add, path, int64(i), plan.ByConfig, plan.SelectedByInclude))
	}
	return p.finish([]plan.GuardResult{{Name: "max_delete_count", Mirror: reports, Status: plan.GuardBlocked, Value: "6250", Limit: "1000"}}, nil)
}

func TestARendererShowsMarkdownOf50000ChangesWithEveryDelete(t *testing.T) {
	p := crowd(t)
	out := markdownOf(t, p, MarkdownOptions{})
	if len(out) > 60_000 || len(out) < 10_000 {
		t.Errorf("%d bytes", len(out))
	}
	r := render(t, out)
	r.intact()
	var sum int64
	for _, row := range r.rows("Mirror|Folder|Items|Size") {
		sum += num(t, row[2])
	}
	if want := p.Totals.Count(plan.Delete); sum != want || want != 6250 {
		t.Errorf("the tables tell of %d deletes, the plan has %d", sum, want)
	}
	if !strings.Contains(r.text(r.root), "6,250 to delete") {
		t.Error("the headline does not count the deletes")
	}
}

func TestARendererShowsEveryPlanIntact(t *testing.T) {
	for name, build := range plans {
		t.Run(name, func(t *testing.T) {
			p := build(t)
			for _, limit := range []int{2000, 5000, 60_000} {
				r := render(t, markdownOf(t, p, MarkdownOptions{MaxBytes: limit, Marker: "--> <script>", PlanFile: "`x`|@team.spplan"}))
				r.intact()
				if rows := r.rows("Mirror|Path|Size|Why"); name == "hostile" && limit == 60_000 && len(rows) != 21 {
					t.Errorf("%d deletes and blocked items are listed, of 21", len(rows))
				}
			}
		})
	}
}
