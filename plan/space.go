package plan

import "fmt"

// Space is the disk of a mirror's target as the guard sees it. Mirrors whose Device is
// equal share it. Known is false when it could not be read.
type Space struct {
	Known  bool
	Device string
	Free   int64
}

// Demand is what one mirror of a plan takes from its disk.
type Demand struct {
	Mirror *Mirror
	Limit  *int64 // min_free_space; nil means none
	Space  Space
}

// download is what the mirror brings to its disk. A new version stands beside the old
// one, which goes to the trash.
func (d Demand) download() int64 {
	if !d.Mirror.Planned() {
		return 0
	}
	return d.Mirror.Summary[Add].Bytes + d.Mirror.Summary[Update].Bytes
}

// GuardSpace evaluates min_free_space of all mirrors of a plan. Each of them is judged by
// what is left of its disk when all mirrors on it are done: one by one they may fit where
// together they do not.
func GuardSpace(list []Demand) []GuardResult {
	taken := make(map[string]int64)
	for _, d := range list {
		taken[d.Space.Device] += d.download()
	}
	var results []GuardResult
	for _, d := range list {
		if d.Limit == nil || !d.Space.Known || d.download() == 0 {
			continue
		}
		left := d.Space.Free - taken[d.Space.Device]
		g := guarding{mirror: d.Mirror.Address}
		g.check(guardFreeSpace, left < *d.Limit, fmt.Sprint(left), fmt.Sprint(*d.Limit), "bytes free after")
		results = append(results, g.results...)
	}
	return results
}

// AskSpace puts new results of min_free_space in place of those that a saved plan brings
// along: other programs may have filled the disk since.
func (h *Header) AskSpace(now []GuardResult) {
	var kept []GuardResult
	for _, g := range h.Guards {
		if g.Name != guardFreeSpace {
			kept = append(kept, g)
		}
	}
	h.Guards = append(kept, now...)
}
