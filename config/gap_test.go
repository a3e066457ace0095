package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// patchy answers with what it has; what it has an error for comes with that.
type patchy struct {
	result map[string]map[string]any
	err    map[string]error
}

func (p patchy) ReadData(req DataRequest) (map[string]any, error) {
	return p.result[req.Address], p.err[req.Address]
}

const patchyConfig = `
tenant "t" {
  sandbox {}
}

data "sites" "own" {
  STRICT
}

data "drives" "each" {
  for_each = data.sites.own.sites
  site_id  = each.value.id
  STRICT
}

mirror "m" {
  for_each = merge([for site, d in data.drives.each : { for name, drive in d.drives : "${site}/${name}" => drive.drive_id }]...)
  drive_id = each.value
  target   = "./m/${each.key}"
}

mirror "plain" {
  drive_id = "b!1"
  target   = "./plain"
}
`

func sitesCalled(names ...string) map[string]any {
	sites := map[string]any{}
	for _, name := range names {
		sites[name] = map[string]any{"id": "id-" + name, "url": "https://x/" + name, "name": name}
	}
	return map[string]any{"sites": sites}
}

func drivesOf(site string) map[string]any {
	return map[string]any{"drives": map[string]any{"Docs": map[string]any{"drive_id": "b!" + site, "url": "u", "name": "Docs"}}}
}

func TestAnEntryThatCannotBeReadLeavesTheOthersAndWithholdsMirrors(t *testing.T) {
	each := func(site string) string { return fmt.Sprintf("data.drives.each[%q]", site) }
	locked := errors.New("the site is locked")
	for name, c := range map[string]struct {
		source  patchy
		strict  bool
		mirrors string // "" for an error
		warned  []string
	}{
		"nothing is wrong": {source: patchy{}, mirrors: `mirror.m["a/Docs"] mirror.m["b/Docs"] mirror.plain`},
		"a site stands as an error in the list": {
			source:  patchy{err: map[string]error{"data.sites.own": Gaps{{"https://x/c", locked}, {"https://x/d", locked}}}},
			mirrors: `mirror.m["a/Docs"] mirror.m["b/Docs"] mirror.plain`, warned: []string{"data.sites.own lacks https://x/c: the site is locked", "data.sites.own lacks https://x/d"},
		},
		"the libraries of a site cannot be read": {
			source:  patchy{err: map[string]error{each("b"): fmt.Errorf("read: %w", Gaps{{"id-b", locked}})}},
			mirrors: `mirror.m["a/Docs"] mirror.plain`, warned: []string{`data.drives.each["b"] lacks id-b: the site is locked`},
		},
		"the libraries of no site can be read": {
			source:  patchy{err: map[string]error{each("a"): Gaps{{"id-a", locked}}, each("b"): Gaps{{"id-b", locked}}}},
			mirrors: `mirror.plain`, warned: []string{`each["a"] lacks`, `each["b"] lacks`},
		},
		"a strict list":                        {source: patchy{err: map[string]error{"data.sites.own": Gaps{{"https://x/c", locked}}}}, strict: true},
		"strict instances":                     {source: patchy{err: map[string]error{each("b"): Gaps{{"id-b", locked}}}}, strict: true},
		"the whole list cannot be read":        {source: patchy{err: map[string]error{"data.sites.own": locked}}},
		"a block without for_each fails":       {source: patchy{err: map[string]error{"data.sites.own": Gaps{{"all", locked}}}, result: map[string]map[string]any{"data.sites.own": nil}}},
		"an instance fails for another reason": {source: patchy{err: map[string]error{each("b"): locked}}},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]map[string]any{"data.sites.own": sitesCalled("a", "b"), each("a"): drivesOf("a"), each("b"): drivesOf("b")}
			for address := range c.source.err {
				if strings.HasPrefix(address, "data.drives") {
					delete(answers, address)
				}
			}
			for address, result := range c.source.result {
				answers[address] = result
			}
			strict := ""
			if c.strict {
				strict = "strict = true"
			}
			dir := write(t, "main.hcl", strings.ReplaceAll(patchyConfig, "STRICT", strict))
			cfg, diags := Load(Options{Dir: dir, Data: patchy{answers, c.source.err}})
			if diags.HasErrors() != (c.mirrors == "") {
				t.Fatalf("%v", diags)
			}
			if diags.HasErrors() {
				if !HasCode(diags, CodeData) {
					t.Errorf("%v", diags)
				}
				return
			}
			var got []string
			for _, m := range cfg.Mirrors {
				got = append(got, m.Address)
			}
			if strings.Join(got, " ") != c.mirrors {
				t.Errorf("declared are %v", got)
			}
			for _, want := range c.warned {
				if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return strings.Contains(d.Detail, want) }) {
					t.Errorf("%q is not in %v", want, diags.Errs())
				}
			}
			lacks := len(c.warned) > 0
			if HasCode(diags, CodeDataGap) != lacks || (len(cfg.Gaps) > 0) != lacks {
				t.Errorf("gaps %v, %v", cfg.Gaps, diags)
			}
			for address, may := range map[string]bool{
				`mirror.m["c/Docs"]`: true, `mirror.plain["x"]`: true, `mirror.gone["c"]`: false, `mirror.gone`: false, `mirror.m`: false, `module.m["c"].mirror.m`: false,
			} {
				if got := cfg.Withheld(address); got != (may && lacks) {
					t.Errorf("%s is withheld: %v", address, got)
				}
			}
			if !slices.IsSorted(got) {
				t.Error("mirrors are out of order")
			}
		})
	}
}
