package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spmirror/spmirror/plan"
)

func pageOf(t testing.TB, p *plan.Plan, names string) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, p.Header, p, names); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var dataElement = regexp.MustCompile(`(?s)<script type="application/json" id="(\w+)">(.*?)</script>`)

// pageData returns the elements with data of a page, by id.
func pageData(t testing.TB, page string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, m := range dataElement.FindAllStringSubmatch(page, -1) {
		out[m[1]] = m[2]
		if !json.Valid([]byte(m[2])) {
			t.Fatalf("element %s is no JSON:\n%.500s", m[1], m[2])
		}
		if strings.ContainsAny(m[2], "<>&\u2028\u2029") {
			t.Fatalf("element %s holds a character of markup", m[1])
		}
	}
	if len(out) != 3 {
		t.Fatalf("%d elements with data", len(out))
	}
	return out
}

// pagePaths rebuilds the paths of a page's rows as its script does.
func pagePaths(t testing.TB, page string) []string {
	t.Helper()
	var groups [][]json.RawMessage
	if err := json.Unmarshal([]byte(pageData(t, page)["changes"]), &groups); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, g := range groups {
		var action int
		var folder string
		var rows [][]any
		for i, into := range map[int]any{1: &action, 2: &folder, 3: &rows} {
			if err := json.Unmarshal(g[i], into); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range rows {
			paths = append(paths, fmt.Sprintf("%s %s/%s", plan.Actions[action], folder, r[0]))
		}
	}
	return paths
}

// TestThePageIsAsAgreed keeps the part of the page that is ours out of the golden
// file: style and script are files of their own.
func TestThePageIsAsAgreed(t *testing.T) {
	for _, name := range []string{"nochanges", "adds", "mixed", "notplanned"} {
		page := pageOf(t, plans[name](t), "")
		page = strings.Replace(page, pageCSS, "STYLE", 1)
		page = strings.Replace(page, pageJS, "SCRIPT", 1)
		page = regexp.MustCompile(`sha256-[^ ]*'`).ReplaceAllString(page, "sha256-HASH'")
		golden(t, name+".html", page)
	}
}

func TestThePageHoldsEveryChangeOnce(t *testing.T) {
	for name, build := range plans {
		if name == "large" {
			continue // as adds, only longer
		}
		p := build(t)
		got := pagePaths(t, pageOf(t, p, ""))
		i := 0
		for c := range p.Changes() {
			dir, file := "", string(c.Path)
			if at := strings.LastIndex(file, "/"); at >= 0 {
				dir, file = file[:at], file[at+1:]
			}
			if want := fmt.Sprintf("%s %s/%s", c.Action(), Name(dir), Name(file)); i >= len(got) || got[i] != want {
				t.Fatalf("%s: row %d is not %q", name, i, want)
			}
			i++
		}
		if len(got) != i {
			t.Errorf("%s: %d rows for %d changes", name, len(got), i)
		}
	}
}

var markup = regexp.MustCompile(`</?[a-z!]*|>`)

// shape is what of a page could be markup: every < and > and what follows.
func shape(page string) string {
	page = strings.NewReplacer(pageCSS, "", pageJS, "").Replace(page)
	return strings.Join(markup.FindAllString(page, -1), "")
}

func onePlan(t *testing.T, name string) *plan.Plan {
	p := newTestPlan(t)
	m := p.mirror(name)
	m.Source.Site, m.Source.Drive, m.Source.Folder, m.Target.Path = name, name, name, name
	for i, a := range plan.Actions {
		c := file(name, a, fmt.Sprintf("%d/%s", i, name), 10, plan.BySource, plan.Reason(name))
		c.Detail, c.PreviousPath = name, plan.RelPath("x/"+name)
		if c.Remote != nil {
			c.Remote.By = name
		}
		p.add(c)
	}
	if err := p.draft.AddDrift(plan.Drift{Mirror: name, Path: plan.RelPath(name), Kind: plan.DriftMissing}); err != nil {
		t.Fatal(err)
	}
	p.h.Configuration.Branch = name
	return p.finish(
		[]plan.GuardResult{{Name: name, Mirror: name, Status: name, Value: name, Limit: name, Detail: name}},
		[]plan.CheckResult{{Name: name, Status: name, Enforcement: name, Messages: []string{name}}})
}

func TestNoNameChangesTheMarkupOfThePage(t *testing.T) {
	want := shape(pageOf(t, onePlan(t, "plain"), ""))
	try := func(t rapid.TB, outer *testing.T, name string) {
		page := pageOf(outer, onePlan(outer, name), "")
		if got := shape(page); got != want {
			t.Errorf("%+q changes the markup", name)
		}
		rest := strings.NewReplacer(pageCSS, "", pageJS, "", "\n", "").Replace(page)
		if !allowed(rest) {
			t.Errorf("%+q: the page holds a character that hides or reorders", name)
		}
	}
	for _, name := range append(hostileNames, "</script><script>alert(1)</script>", "</style>", "<!--<script>", "-->", "]]>", `"><img src=x>`, "{{.}}", "&lt;b&gt;", "\x00") {
		if name != "" && !strings.Contains(name, "/") {
			try(t, t, name)
		}
	}
	if testing.Short() {
		return
	}
	rapid.Check(t, func(r *rapid.T) {
		pieces := rapid.SampledFrom([]string{"<", ">", "&", "'", `"`, "script", "!--", "\u2028", "\u202e", "a", "\\", "=", "\xff"})
		try(r, t, "n"+strings.Join(rapid.SliceOfN(pieces, 1, 8).Draw(r, "name"), ""))
	})
}

func TestTheSizeOfThePageIsBoundedPerChange(t *testing.T) {
	const perChange = 120 // bytes beside the name; folders are named once a group
	p := large(t)
	page := pageOf(t, p, "")
	var names int
	for c := range p.Changes() {
		names += len(c.Name) + len(c.Path)
	}
	if limit := 64<<10 + names + perChange*50000; len(page) > limit {
		t.Errorf("%d bytes, limit %d", len(page), limit)
	}
}

func TestThePageNamesNothingThatIsHidden(t *testing.T) {
	for _, names := range []string{NamesFolders, NamesHashed} {
		page := pageOf(t, mixed(t), names)
		for _, secret := range []string{"ledger-", "minutes-", "virus", "frame.step", "for good.docx"} {
			if strings.Contains(page, secret) {
				t.Errorf("%s: the page names %q", names, secret)
			}
		}
	}
}

func TestThePageLoadsNothing(t *testing.T) {
	page := pageOf(t, mixed(t), "")
	if !strings.Contains(page, `content="default-src &#39;none&#39;; style-src &#39;sha256-`) {
		t.Errorf("no policy: %.400s", page)
	}
	for _, bad := range []string{"src=", "href=\"http", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=\"", "onclick"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

func FuzzNamesInThePage(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		data, err := scriptJSON(pageRow(&plan.Change{Actions: []plan.Action{plan.Add}, Detail: name, Reason: plan.Reason(name)}, name, nil))
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(data) || bytes.ContainsAny(data, "<>&\u2028\u2029\n\r") || !allowed(string(data)) {
			t.Fatalf("%+q becomes %q", name, data)
		}
	})
}
