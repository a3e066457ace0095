package apply

import (
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
)

// Bounds of the addresses that are kept. An address has about a kilobyte; the
// service promises minutes and gives an hour (C3).
const (
	maxAddresses = 50_000
	addressLife  = 30 * time.Minute
)

// Addresses keeps the download addresses that came with a listing, so that a plan
// that is applied in the same process needs one request a file and not two. They
// are secrets: they are in memory only, and each is given out once (C8). The zero
// value and nil keep nothing.
type Addresses struct {
	mu     sync.Mutex
	now    func() time.Time
	limit  int
	kept   map[addressKey]address
	oldest []addressKey
}

type addressKey struct {
	drive graph.DriveID
	item  graph.ItemID
}

type address struct {
	item graph.Item
	at   time.Time
}

// NewAddresses returns an empty store of addresses.
func NewAddresses(now func() time.Time) *Addresses {
	return &Addresses{now: now, limit: maxAddresses, kept: make(map[addressKey]address)}
}

// Keep remembers the address of an item that a listing brought. The oldest gives
// way when there are too many.
func (a *Addresses) Keep(drive graph.DriveID, it *graph.Item) {
	if a == nil || a.limit == 0 {
		return
	}
	key := addressKey{drive, it.ID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if it.DownloadURL.IsZero() || !it.Facets.Has(graph.File) || it.Facets.Has(graph.Deleted) || it.Facets.Has(graph.Malware) {
		delete(a.kept, key) // what was known of it is of another version
		return
	}
	if _, known := a.kept[key]; !known {
		a.oldest = append(a.oldest, key)
	}
	a.kept[key] = address{at: a.now(), item: graph.Item{
		ID: it.ID, Size: it.Size, ETag: it.ETag, CTag: it.CTag, QuickXorHash: it.QuickXorHash,
		Modified: it.Modified, ModifiedBy: it.ModifiedBy, Facets: it.Facets, DownloadURL: it.DownloadURL,
	}}
	for len(a.oldest) > a.limit {
		delete(a.kept, a.oldest[0])
		a.oldest = a.oldest[1:]
	}
}

// take gives an address out, once.
func (a *Addresses) take(drive graph.DriveID, item graph.ItemID, now time.Time) (graph.Item, bool) {
	if a == nil {
		return graph.Item{}, false
	}
	key := addressKey{drive, item}
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, ok := a.kept[key]
	delete(a.kept, key)
	return kept.item, ok && now.Sub(kept.at) < addressLife
}
