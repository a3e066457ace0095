package apply

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// largeFile is the size from which an address that came with the item is not
// trusted (Q52).
const largeFile = 15 << 30

// fetch is the download of one file.
type fetch struct {
	*mirrorRun
	change plan.Change
	item   graph.Item
	staged *target.Staged
	received
	saved bool // a partial of the item is in the state
	saves sync.WaitGroup

	total int64  // size of the file as its first answer told, -1 before
	etag  string // of the first answer (C15)
	kind  string // content type of the last answer
	seam  bool   // answers were joined, and no tag says that they are of one version
	ended bool   // a body without a length came to its end
	first string // SHA-256 of a first complete download that did not match

	single bool    // in one stream only: more did not help, or the host does not answer ranges as it should
	parted bool    // some of it came in parts
	alone  float64 // bytes a second of its single stream

	breaks, renewals, lies, restarts int
	atBreak, atRenewal               int64 // where the last of them was
}

// fetch downloads one file into staging and verifies it.
func (m *mirrorRun) fetch(ctx context.Context, c plan.Change) (ready, error) {
	f := &fetch{mirrorRun: m, change: c, total: -1}
	file, err := f.run(ctx)
	if err != nil {
		return ready{}, errors.Join(err, f.leave(err))
	}
	return file, nil
}

func (f *fetch) run(ctx context.Context) (ready, error) {
	to, err := f.filePath(&f.change)
	if err != nil {
		return ready{}, err
	}
	if err := f.begin(ctx); err != nil {
		return ready{}, err
	}
	for {
		if err := f.body(ctx); err != nil {
			return ready{}, err
		}
		verdict, again, err := f.verify(ctx)
		if err != nil {
			return ready{}, err
		}
		if !again {
			return f.finish(to, verdict)
		}
		if err := f.again(); err != nil { // also a file that changes for ever has an end
			return ready{}, err
		}
	}
}

// begin finds out what to fetch and from where on. Only a new download of an item
// that was listed a moment ago needs no question: its address came with it.
func (f *fetch) begin(ctx context.Context) error {
	f.saved = f.partials[state.ItemID(f.change.ItemID)]
	if !f.saved && f.remembered() {
		return f.restart()
	}
	if err := f.look(ctx); err != nil {
		return err
	}
	return f.resume(ctx)
}

// remembered takes the address that the crawl brought, if it is of the version of
// the plan.
func (f *fetch) remembered() bool {
	it, ok := f.Addresses.take(graph.DriveID(f.Plan.Source.DriveID), graph.ItemID(f.change.ItemID), f.Now())
	if !ok || it.Size > largeFile || !sameVersion(f.change.Remote, &it) {
		return false
	}
	f.item = it
	return true
}

// look reads the item: its download address, and whether it is still the version
// of the plan (I-47, I-60).
func (f *fetch) look(ctx context.Context) error {
	f.saves.Wait() // a checkpoint is of the version that was begun
	drive, id := graph.DriveID(f.Plan.Source.DriveID), graph.ItemID(f.change.ItemID)
	it, err := f.Source.Item(ctx, drive, id)
	if err != nil {
		return err
	}
	switch {
	case it.Facets.Has(graph.Malware):
		return &itemError{code: CodeMalware, message: "the service found malware in it (C28)"}
	case it.Facets.Has(graph.Deleted) || !it.Facets.Has(graph.File):
		return superseded("it is no file any more at the source")
	case !sameVersion(f.change.Remote, &it):
		if f.Plan.Policy.OnSuperseded != "latest" {
			return superseded("it changed at the source since the plan")
		}
		f.change.Remote = remoteOf(&it)
	}
	if it.DownloadURL.IsZero() || it.Size > largeFile { // Q51, Q52
		if it.DownloadURL, err = f.Source.DownloadURL(ctx, drive, id); err != nil {
			return err
		}
	}
	f.item = it
	return nil
}

// still reads the item again and reports whether nothing of it has changed since it
// was read last.
func (f *fetch) still(ctx context.Context) (bool, error) {
	before := f.item.ETag
	if err := f.look(ctx); err != nil {
		return false, err
	}
	return f.item.ETag == before, nil
}

// otherVersion reports whether the tag of a content host names another version of the
// item: the same id with another counter (D35, C15). Tags of another form say nothing.
func otherVersion(tag, item string) bool {
	id, n, ok := strings.Cut(tag, "},")
	want, m, known := strings.Cut(item, "},")
	return ok && known && strings.EqualFold(id, want) && n != m
}

// sameVersion reports whether an item has the content that the plan speaks of.
func sameVersion(want *plan.Remote, it *graph.Item) bool {
	switch {
	case want == nil:
		return false
	case want.Size >= 0 && it.Size >= 0 && want.Size != it.Size:
		return false
	case want.Hash != "" && it.QuickXorHash != "":
		return want.Hash == it.QuickXorHash
	case want.CTag != "" && it.CTag != "":
		return want.CTag == it.CTag
	}
	return want.ETag == it.ETag
}

func remoteOf(it *graph.Item) *plan.Remote {
	return &plan.Remote{
		ETag: it.ETag, CTag: it.CTag, Size: it.Size, Hash: it.QuickXorHash, Modified: it.Modified, By: it.ModifiedBy,
	}
}

// sums of the bytes received.
func (f *fetch) sums() (quick, sha string) {
	return base64.StdEncoding.EncodeToString(f.quick.Sum(nil)), hex.EncodeToString(f.sha.Sum(nil))
}

// emptyHash is the quickXorHash of no bytes at all (C32).
var emptyHash = base64.StdEncoding.EncodeToString(quickxor.New().Sum(nil))

// empty reports whether there is nothing to be asked for (H-57).
func (f *fetch) empty() bool {
	return f.item.Size == 0 && (f.item.QuickXorHash == "" || f.item.QuickXorHash == emptyHash)
}

// verify judges a complete download (DESIGN 7.5). again asks for one more.
func (f *fetch) verify(ctx context.Context) (verdict state.Verdict, again bool, err error) {
	if f.seam && (f.item.QuickXorHash == "" || f.Plan.Policy.Verify == "size") {
		if same, err := f.still(ctx); err != nil || !same {
			return "", err == nil, err
		}
	}
	quick, sha := f.sums()
	sizeOK := f.item.Size < 0 || f.offset == f.item.Size
	switch {
	case sizeOK && f.Plan.Policy.Verify == "size":
		return state.SizeOnly, false, nil
	case f.empty() && f.item.QuickXorHash == "": // its size says it all (Q36)
		return state.SizeOnly, false, nil
	case sizeOK && f.item.QuickXorHash == "" && !(f.item.Size < 0 && f.instead()):
		return f.unverifiable(state.SizeOnly, "the service gives no hash for it (C23)")
	case sizeOK && quick == f.item.QuickXorHash:
		return state.Verified, false, nil
	}
	// The bytes are not those announced. Has the item changed meanwhile?
	before := f.item
	if err := f.look(ctx); err != nil {
		return "", false, err
	}
	switch {
	case f.item.ETag != before.ETag || f.item.QuickXorHash != before.QuickXorHash:
		f.first = ""
		return "", true, nil
	case f.total < 0 && !f.ended: // the line broke behind what was announced: who knows how much was to come
		return "", true, nil
	case f.parted: // a host may mix parts up; one stream is the proof
		f.single, f.parted = true, false
		return "", true, nil
	case f.first == "":
		f.first = sha
		return "", true, nil
	case f.first != sha:
		return "", false, integrity("two downloads differ from the hash and from each other")
	}
	if f.instead() {
		return "", false, f.page()
	}
	if otherVersion(f.etag, f.item.ETag) {
		return "", false, integrity("the content host sends another version than the one of the item, twice the same")
	}
	// Twice the same bytes for an unchanged item: the service rewrites this file
	// on delivery (C18, C19, C24).
	return f.unverifiable(state.Served, fmt.Sprintf("content does not match its hash (announced %d bytes, received %d, twice the same)", f.item.Size, f.offset))
}

func (f *fetch) unverifiable(v state.Verdict, why string) (state.Verdict, bool, error) {
	if f.Plan.Policy.Unverifiable == "fail" {
		return "", false, &itemError{code: CodeUnverifiable, message: why}
	}
	return v, false, nil
}

// finish closes the staged file with its times and makes its row.
func (f *fetch) finish(to string, v state.Verdict) (ready, error) {
	fp, err := f.staged.Finish(modified(&f.change, f.Plan.Policy.Times), 0)
	if err != nil {
		return ready{}, err
	}
	name := f.staged.Name()
	f.staged = nil
	quick, sha := f.sums()
	e := f.entry(&f.change, fp)
	e.Hash, e.SHA256, e.Verdict = quick, sha, v
	e.RemoteHash, e.RemoteSize = f.item.QuickXorHash, f.item.Size
	e.ETag, e.CTag = f.item.ETag, f.item.CTag
	res := f.result(&f.change, Done)
	res.Verdict, res.Bytes = string(v), f.offset
	res.Hash, res.SHA256, res.ETag = quick, sha, e.ETag
	return ready{change: f.change, staged: name, to: to, entry: e, result: res}, nil
}
