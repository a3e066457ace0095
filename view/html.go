package view

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/spmirror/spmirror/plan"
)

// The parts of the page. Style and script are ours and named in the page's policy
// by their hash, so nothing else can run whatever a name holds (T-07).
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/parts.html
	pageParts string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

const (
	// maxPageItems bounds the deleted and blocked items that the page names even
	// where scripts do not run; the table of the script has all of them.
	maxPageItems = 100
	// maxPageFolders bounds the rows of deletes by folder.
	maxPageFolders = 200
)

// WriteHTML writes a plan as one page that needs no network and no other file: a
// map of bytes by folder and action, tables that sort, search and filter, guards,
// checks and causes. The changes are streamed; memory does not grow with them.
func WriteHTML(w io.Writer, h *plan.Header, p Plan, names string) error {
	t, err := countItems(h, p)
	if err != nil {
		return fmt.Errorf("write plan as HTML: %w", err)
	}
	lost, err := collectLost(h, p)
	if err != nil {
		return fmt.Errorf("write plan as HTML: %w", err)
	}
	layout, err := pageLayout(pageHTML)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<18)
	v := &pageView{h: naming(names).header(h), t: t, lost: lost, names: naming(names)}
	steps := []func() error{
		func() error { return layout.Execute(out, v) },
		func() error { return v.writeData(out, p) },
		func() error { return v.writeScript(out) },
		out.Flush,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("write plan as HTML: %w", err)
		}
	}
	return nil
}

// pageLayout is the layout of a page together with the parts that pages share.
func pageLayout(text string) (*template.Template, error) {
	layout, err := template.New("page").Parse(text)
	if err == nil {
		_, err = layout.New("parts").Parse(pageParts)
	}
	if err != nil {
		return nil, fmt.Errorf("layout of the page: %w", err)
	}
	return layout, nil
}

func (v *pageView) writeScript(out *bufio.Writer) error {
	out.WriteString("<script>")
	out.WriteString(pageJS)
	_, err := out.WriteString("</script>\n</body>\n</html>\n")
	return err
}

// Policy is the Content-Security-Policy: nothing may be loaded, and only our own
// style and script, known by their hash, are used.
func (v *pageView) Policy() string {
	return "default-src 'none'; style-src '" + contentHash(pageCSS) + "'; script-src '" + contentHash(pageJS) +
		"'; base-uri 'none'; form-action 'none'"
}

func contentHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Style is our own style sheet; it holds nothing from outside.
func (v *pageView) Style() template.CSS { return template.CSS(pageCSS) }

// pageView is what the layout shows. Its methods return encoded text: names went
// through Name, and the layout escapes them once more for HTML.
type pageView struct {
	h     *plan.Header
	t     *tally
	lost  *losses
	names naming
}

// Title names the plan.
func (v *pageView) Title() string {
	if v.h.PlanID == "" {
		return "spmirror plan"
	}
	return "spmirror plan " + Name(v.h.PlanID)
}

// Summary is the line that scripts know, or that there is nothing to do.
func (v *pageView) Summary() string {
	text := planText{h: v.h, t: v.t}
	switch {
	case v.h.Totals.Changes()+v.t.total.of(plan.Blocked) > 0:
		return PlanLine(v.h.Totals)
	case text.notPlannedCount() > 0 || v.h.Errored:
		return "Nothing planned, because the plan is incomplete."
	case text.recorded():
		return "No changes against recorded data."
	case v.h.Options.Narrowed():
		return "No changes in what was selected."
	case v.h.Mode == plan.ModeRefreshOnly:
		return "Nothing is planned: -refresh-only proposes no transfer."
	case v.h.Blocked:
		return "No changes, but the plan is blocked."
	}
	return "No changes. Your mirrors match the configuration."
}

// Transfer says what is downloaded and what else happens.
func (v *pageView) Transfer() string { return transferLine(v.h.Totals, v.t) }

// Facts are the small print: where the plan comes from and how long it is good.
func (v *pageView) Facts() []pageFact {
	h := v.h
	var facts []pageFact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, pageFact{name, value})
		}
	}
	text := planText{h: h}
	add("Plan", Name(h.PlanID))
	add("Digest", Name(h.Digest))
	add("Commit", Name(h.Configuration.Commit))
	add("Branch", Name(h.Configuration.Branch))
	add("Created", stamp(h.Created))
	if at := text.readAt(); !at.IsZero() {
		add("Source read", stamp(at))
	}
	if !h.Expires.IsZero() {
		add("Valid until", stamp(h.Expires))
	}
	if h.Mode != plan.ModeNormal {
		add("Mode", Name(h.Mode))
	}
	add("spmirror", Name(h.SpmirrorVersion))
	return facts
}

type pageFact struct{ Name, Value string }

// pageAlert is what a reviewer must not miss. Loud ones are red.
type pageAlert struct {
	Text string
	Loud bool
}

// Alerts lists them, the worst first.
func (v *pageView) Alerts() []pageAlert {
	text := planText{h: v.h, t: v.t, names: v.names}
	var list []pageAlert
	add := func(loud bool, text string) { list = append(list, pageAlert{text, loud}) }
	if v.h.Blocked {
		add(true, "The plan is blocked and cannot be applied as it is.")
	}
	c := &v.t.total
	if c.forGood > 0 {
		add(true, count(c.forGood, "item")+" will be DELETED FOR GOOD.")
	}
	if n := c.of(plan.Delete) - c.forGood; n > 0 {
		add(true, count(n, "item")+" will be moved to the trash.")
	}
	if n := c.of(plan.Blocked); n > 0 {
		add(true, count(n, "item")+" held back.")
	}
	if n := text.notPlannedCount(); n > 0 {
		add(true, count(n, "mirror")+" could not be planned; nothing is done for "+pronoun(n)+".")
	}
	if v.h.Speculative {
		add(false, "Speculative: made from an inventory, without the state; it cannot be applied.")
	}
	if text.recorded() {
		add(false, "Made from recorded data; changes at the source since then are unknown.")
	}
	if v.h.Options.Narrowed() {
		add(false, "Only a part was planned: "+Message(scopeText(v.h.Options))+".")
	}
	return list
}

// Findings are guards and checks, those that do not pass first.
func (v *pageView) Findings() []pageFinding {
	var bad, good []pageFinding
	put := func(f pageFinding) {
		if f.Status == "pass" {
			good = append(good, f)
		} else {
			bad = append(bad, f)
		}
	}
	for _, g := range v.h.Guards {
		value, limit, detail := guardText(g)
		put(pageFinding{"guard", Name(g.Name), Name(g.Mirror), value + detail + "; limit " + limit, Message(g.Status)})
	}
	for _, c := range v.h.Checks {
		text := Message(strings.Join(c.Messages, "; "))
		put(pageFinding{"check, " + enforcementWord(c.Enforcement), Name(c.Name), "", text, Message(c.Status)})
	}
	return append(bad, good...)
}

type pageFinding struct{ Kind, Name, Mirror, Text, Status string }

// Passed reports whether the finding is no finding.
func (f pageFinding) Passed() bool { return f.Status == "pass" }

// Diagnostics are the errors and warnings of planning.
func (v *pageView) Diagnostics() []pageFinding {
	var list []pageFinding
	for _, d := range v.h.Diagnostics {
		text := Message(d.Summary)
		if d.Detail != "" {
			text += " " + Message(d.Detail)
		}
		list = append(list, pageFinding{Message(d.Severity), Name(d.Code), Name(d.Address), text, Message(d.Severity)})
	}
	return list
}
