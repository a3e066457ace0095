package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"
)

// DataSource answers data blocks. The program implements it over Microsoft Graph; a
// value that carries its context is made for one call of [Load].
type DataSource interface {
	// ReadData returns the attributes of one data block as plain Go data: maps, slices,
	// strings, numbers and booleans. A result that would be cut off must be an error. What
	// lacks single entries comes with [Gaps]; without a result, they are all that was asked for.
	// Instances of one block are read at the same time.
	ReadData(DataRequest) (map[string]any, error)
}

// DataRequest is one data block after for_each.
type DataRequest struct {
	Kind    string // site, sites, drives, users, groups
	Address string // data.sites.all or data.sites.all["key"]
	Tenant  Tenant

	URL, SiteID, Search, URLPrefix, Site, Group, Filter string
	Include, Exclude, UPNs                              []string
	All, Hidden, TeamsOnly                              bool
	MaxResults                                          int64
}

// defaultMaxResults is how many results a data block may have when it does not say.
const defaultMaxResults = 1000

func (sc *scope) declareData(blocks hcl.Blocks) {
	for _, b := range blocks {
		kind, name := b.Labels[0], b.Labels[1]
		if _, known := dataKinds[kind]; !known {
			sc.session.fail(CodeUnknownBlock, b.LabelRanges[0], "Unknown kind of data", "There is no data %q.%s Kinds are %s.", visible(kind), didYouMean(kind, sortedKeys(dataKinds)), wordList(sortedKeys(dataKinds), "and"))
			continue
		}
		if !sc.checkName(b.LabelRanges[1], name, "data block") {
			continue
		}
		key := "data." + kind + "." + name
		if old := sc.nodes[key]; old != nil {
			sc.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "data %q %q is already declared at %s.", kind, name, place(old.rng))
			continue
		}
		sc.nodes[key] = &node{rng: b.DefRange, compute: func() cty.Value { return sc.computeData(b, kind, key) }}
	}
}

func (sc *scope) computeData(b *hcl.Block, kind, address string) cty.Value {
	var questions []*question
	values, single := map[string]cty.Value{}, false
	for _, inst := range sc.expand(b, address) {
		single = !inst.keyed
		q := inst.question(kind)
		switch {
		case inst.unknown:
			return cty.DynamicVal
		case q != nil:
			questions = append(questions, q)
		}
		values[inst.key] = cty.DynamicVal
	}
	askAll(sc.session.data, questions)
	takeAnswers(questions, values)
	if single { // without for_each
		return values[""]
	}
	return cty.ObjectVal(values)
}

// question is a data block that is to be read.
type question struct {
	instance
	rng     hcl.Range
	strict  bool // an entry that cannot be read fails the block
	request DataRequest
	result  map[string]any
	err     error
}

// questionsAtOnce bounds the questions under way: the source paces them, and those of one block wait for nothing but each other.
const questionsAtOnce = 16

// askAll reads the instances of a data block.
func askAll(data DataSource, questions []*question) {
	var g errgroup.Group
	g.SetLimit(questionsAtOnce)
	for _, q := range questions {
		g.Go(func() error {
			q.result, q.err = data.ReadData(q.request)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the questions
}

// question decodes one data block; nil if it cannot be read. Offline its result is not known.
func (inst instance) question(kind string) *question {
	s := inst.session
	r := inst.open(inst.block.Body, dataSpecOf(kind), inst.block.DefRange)
	before := len(s.diags)
	req := DataRequest{
		Kind: kind, Address: inst.address,
		URL: r.siteURL("url"), SiteID: r.word("site_id"), Search: r.text("search"), URLPrefix: r.text("url_prefix"),
		Site: r.siteURL("site"), Group: r.text("group"), Filter: r.text("filter"),
		Include: r.texts("include"), Exclude: r.texts("exclude"), UPNs: r.texts("upns"),
		All: r.boolean("all", false), Hidden: r.boolean("hidden", false), TeamsOnly: r.boolean("teams_only", false),
		MaxResults: defaultMaxResults,
	}
	if n := r.whole("max_results", 1, 1_000_000); n != nil {
		req.MaxResults = *n
	}
	strict := r.boolean("strict", false)
	r.checkData(kind)
	tenant := r.tenantRef()
	if len(s.diags) > before || s.offline || inst.unknown || tenant == "" {
		return nil
	}
	for _, list := range s.rootScope.tenants {
		for _, t := range list {
			if t.Address == tenant {
				req.Tenant = t
			}
		}
	}
	return &question{instance: inst, rng: r.rng, strict: strict, request: req}
}

// checkData asks for exactly one way to name what is looked for.
func (r *reader) checkData(kind string) {
	ways := map[string][]string{"site": {"url", "site_id"}, "drives": {"site", "site_id"}}[kind]
	if kind == "users" && r.written("group") && r.written("filter") {
		r.reject("filter", CodeSource, "Group and filter", "The members of a group cannot be filtered; use upns, include or exclude, or filter without group.")
	}
	n := 0
	for _, w := range ways {
		if r.written(w) {
			n++
		}
	}
	if len(ways) > 0 && n != 1 {
		r.session.fail(CodeSource, r.rng, "No source or several", "Set exactly one of %s.", joinWords(ways, "and"))
	}
}

// answer is what was read, as a value; what could not be read is reported.
func (q *question) answer() cty.Value {
	if q.err != nil {
		q.session.fail(CodeData, q.rng, "Data cannot be read", "Reading %s: %s.", q.request.Address, visible(q.err.Error()))
		return cty.DynamicVal
	}
	v, err := fromGo(q.result)
	if err != nil {
		q.session.fail(CodeData, q.rng, "Data cannot be read", "The answer for %s cannot be used: %s.", q.request.Address, visible(err.Error()))
		return cty.DynamicVal
	}
	return v
}
