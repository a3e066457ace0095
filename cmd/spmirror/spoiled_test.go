package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// TestEverySpoiledDownloadEndsInTheRightBytes applies a library each of whose files
// has a fault of its own, once: one run of the program gets them all right.
func TestEverySpoiledDownloadEndsInTheRightBytes(t *testing.T) {
	const half = 150_000
	cut := sandbox.Fault{Action: sandbox.ActionTruncate, After: half}
	ranges := func(value string) []sandbox.Fault {
		return []sandbox.Fault{cut, {Action: sandbox.ActionContentRange, Body: value}}
	}
	status := func(code int) []sandbox.Fault { return []sandbox.Fault{{Status: code}} }
	faults := map[string][]sandbox.Fault{
		"reset":               {{Action: sandbox.ActionReset, After: half}},
		"reset at once":       {{Action: sandbox.ActionReset}},
		"truncated":           {cut},
		"ended early":         {{Action: sandbox.ActionShort, After: half}},
		"one bit":             {{Action: sandbox.ActionCorrupt, After: half}},
		"zeros":               {{Action: sandbox.ActionZeros, After: half}},
		"a byte too many":     {{Action: sandbox.ActionLonger}},
		"compressed":          {{Action: sandbox.ActionGzip}},
		"sign-in page":        {{Action: sandbox.ActionHTML}},
		"expired address":     {{Action: sandbox.ActionExpireURL}},
		"expired in between":  {cut, {Action: sandbox.ActionExpireURL}},
		"range ignored":       {cut, {Action: sandbox.ActionIgnoreRange}},
		"no range":            ranges(""),
		"another start":       ranges("bytes {from+1}-{to}/{size}"),
		"another total":       ranges("bytes {from}-{to}/{size+1}"),
		"no numbers":          ranges("bytes */*"),
		"another tag":         {cut, {Action: sandbox.ActionETag, Body: `"another"`}},
		"flipped after a cut": {cut, {Action: sandbox.ActionCorrupt, After: 10}},
		"cut twice":           {cut, {Action: sandbox.ActionReset, After: 10_000}},
		"error page":          {{Status: 500, Body: "<html>Server Error</html>"}},
		"404":                 status(404), "410": status(410), "416": status(416), "401": status(401), "403": status(403),
		"500": status(500), "502": status(502), "504": status(504),
		"503": {{Status: 503, Header: map[string]string{"Retry-After": "1"}}},
		"429": {{Status: 429, Header: map[string]string{"Retry-After": "1"}}},
	}
	var spec sandbox.DriveSpec
	random := rand.New(rand.NewPCG(1, 2))
	for name := range faults {
		text := strings.Repeat(fmt.Sprintf("%s %d ", name, random.IntN(1e9)), 200_000/len(name))[:200_000]
		spec.Files = append(spec.Files, sandbox.FileSpec{Path: "spoiled/" + name, Text: text})
	}
	w := newWorld(t, spec)
	strikes := int64(0)
	for name, list := range faults {
		for i, f := range list {
			f.Name, f.Times, f.On = fmt.Sprint(name, i), 1, []sandbox.Kind{sandbox.KindDownload}
			f.Path = "sites/people/Documents/spoiled/" + name
			w.tenant.AddFault(f)
			strikes++
		}
	}
	w.run(exitOK, "apply", "-auto-approve")
	w.matchesTenant()
	struck := int64(0)
	for _, n := range w.tenant.Stats().Faults {
		struck += n
	}
	if struck != strikes {
		t.Errorf("%d of %d faults struck: %v", struck, strikes, w.tenant.Stats().Faults)
	}
	w.unchanged()
	w.wellBehaved()
}
