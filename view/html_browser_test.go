package view

import (
	"fmt"
	"testing"

	"github.com/spmirror/spmirror/plan"
)

// wide has n changes in a tree of folders, of every action.
func wide(t *testing.T, n int) *plan.Plan {
	p := newTestPlan(t)
	p.mirror(reports)
	p.mirror(cad)
	tops := []string{"2024", "2025/Q3", "2025/Q4", "Board", "Projects/P-1180", "Projects/P-2040"}
	for i := range n {
		a, by, why := plan.Add, plan.ByConfig, plan.SelectedByInclude
		switch {
		case i%97 == 0:
			a, by, why = plan.Delete, plan.BySource, plan.Removed
		case i%11 == 0:
			a, by, why = plan.Update, plan.BySource, plan.ContentChanged
		case i%53 == 0:
			a, by, why = plan.Move, plan.BySource, plan.Renamed
		}
		mirror := reports
		if i%5 == 0 {
			mirror = cad
		}
		path := fmt.Sprintf("%s/%c/part-%d/file-%06d.docx", tops[(i*i)%len(tops)], 'a'+i%7, i%31, i)
		c := file(mirror, a, path, int64(i%1000)*int64(i%37)*100+1, by, why)
		if a == plan.Move {
			c.PreviousPath = plan.RelPath("old/" + path)
		}
		p.add(c)
	}
	p.add(file(cad, plan.Delete, "2024/needle <img src=x onerror=window.pwned=1>.docx", 77<<20, plan.BySource, plan.Removed))
	return p.finish([]plan.GuardResult{
		{Name: "max_delete_percent", Mirror: reports, Status: plan.GuardPass, Value: "1.0 %", Limit: "5 %"},
		{Name: "max_delete_bytes", Mirror: cad, Status: plan.GuardBlocked, Value: "80000000", Limit: "1000000", Detail: "bytes"},
	}, []plan.CheckResult{{Name: "nightly_size", Enforcement: "advisory", Status: "fail", Messages: []string{"This run would download 500 MiB."}}})
}

const firstRow = `document.querySelector("#changes-grid .row").innerText.replace(/\s+/g, " ").trim()`

func TestThePageOf100000ChangesWorksInABrowser(t *testing.T) {
	b := startBrowser(t, 1280, 1000)
	b.open(pageOf(t, wide(t, 100_000), ""))

	b.want(`document.querySelectorAll("#treemap .tile.a-delete").length > 0 && document.querySelectorAll("#treemap .tile.a-add").length > 5`, true)
	b.want(`document.querySelectorAll("#changes-grid .row").length < 100`, true)
	b.want(`document.getElementById("changes-grid").getAttribute("aria-rowcount")`, "100002")
	b.want(firstRow+`.startsWith("- delete")`, true)
	b.picture("page")

	// Sorting: by size, the largest first.
	size := `document.querySelectorAll("#changes-grid .head button")[2]`
	b.run(size + ".click();" + size + ".click()")
	b.want(firstRow+`.includes("needle <img src=x onerror=window.pwned=1>.docx") && `+firstRow+`.includes("77.0 MiB")`, true)
	b.want(`document.querySelector("#changes-grid [aria-sort]").getAttribute("aria-sort")`, "descending")

	// Searching.
	b.run(`search.value = "NEEDLE docx"; search.dispatchEvent(new Event("input"))`)
	b.await(`document.getElementById("status").textContent.startsWith("1 of 100,001 changes, 77.0 MiB")`)
	b.want(`document.querySelectorAll("#changes-grid .row").length`, 1.0)
	b.run(`filters.reset()`)
	b.await(`document.getElementById("status").textContent.startsWith("100,001 changes")`)

	// Filtering: only moves are left.
	b.run(`document.querySelectorAll("#actions input").forEach((i) => i.parentElement.textContent.includes("move") || i.click())`)
	b.await(`/^1,\d\d\d of 100,001 changes/.test(document.getElementById("status").textContent)`)
	b.want(`[...document.querySelectorAll("#changes-grid .row")].every((r) => r.innerText.startsWith("> move"))`, true)
	b.run(`filters.reset()`)
	b.await(`document.getElementById("status").textContent.startsWith("100,001 changes")`)

	// The map opens a folder by mouse and keyboard, and the table follows.
	b.run(`document.querySelector("#treemap g[role=button]").dispatchEvent(new MouseEvent("click", { bubbles: true }))`)
	b.run(`document.querySelector("#treemap g[role=button]").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }))`)
	b.want(`document.querySelectorAll("#crumbs button").length`, 3.0)
	b.want(`/ of 100,001 changes, .* in mirror/.test(document.getElementById("status").textContent)`, true)
	b.run(`document.querySelector("#crumbs button").click()`)

	// The keyboard reaches the last row and its details.
	b.run(`document.querySelector("#changes-grid .body").focus();
		for (const key of ["End", "Enter"]) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }))`)
	b.want(`document.getElementById("details").open`, true)
	b.want(`document.querySelector("#changes-grid .current").id`, "changes-grid-100000")
	b.picture("details")
	b.quiet()
}

func TestHostileNamesAreTextInABrowser(t *testing.T) {
	b := startBrowser(t, 390, 844)
	for _, name := range []string{`<img src=x onerror="window.pwned=1">`, `</script><script>window.pwned=1</script>`, `"><svg onload=window.pwned=1>`, "{{1}}", "javascript:window.pwned=1"} {
		b.open(pageOf(t, onePlan(t, name), ""))
		b.run(`for (const key of ["Home", "Enter"]) document.querySelector("#changes-grid .body").dispatchEvent(new KeyboardEvent("keydown", { key }))`)
		b.want(`window.pwned === undefined && document.images.length === 0 && document.scripts.length === 4`, true)
		b.want(`document.body.innerText.includes(`+jsText(name)+`)`, true)
	}
	b.quiet()
}

func TestThePageFitsAPhone(t *testing.T) {
	b := startBrowser(t, 390, 844)
	b.open(pageOf(t, wide(t, 2000), ""))
	b.want(`document.documentElement.scrollWidth <= 390`, true)
	b.picture("phone")
	b.must("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}})
	b.picture("phone-dark")
	b.quiet()
}

func TestAPageWithoutChangesSaysSo(t *testing.T) {
	b := startBrowser(t, 1280, 800)
	b.open(pageOf(t, noChanges(t), ""))
	b.want(`document.querySelector("h1").textContent`, "No changes. Your mirrors match the configuration.")
	b.want(`document.getElementById("map").hidden`, true)
	b.open(pageOf(t, mixed(t), ""))
	b.want(`document.querySelectorAll("#drift-grid .row").length`, 1.0)
	b.picture("mixed")
	b.quiet()
}

func jsText(s string) string {
	data, err := scriptJSON(s)
	if err != nil {
		return "null"
	}
	return string(data)
}
