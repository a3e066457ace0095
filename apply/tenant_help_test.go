package apply

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/state"
)

// node is one item of the source.
type node struct {
	id, parent, name string
	folder           bool
	text             string
	version, change  int // of content, and of anything
	modified         time.Time
	noHash, noSize   bool
	hash             string // announced in place of the right one
	gone             bool   // 404, although it was listed
	malware          bool
	old              []string // earlier texts, the oldest first
}

func (n *node) item() graph.Item {
	it := graph.Item{
		Drive: "drive", ID: graph.ItemID(n.id), Parent: graph.ItemID(n.parent), Name: n.name, HasName: true,
		Size: int64(len(n.text)), ETag: fmt.Sprintf("e%s-%d", n.id, n.change), CTag: fmt.Sprintf("c%s-%d", n.id, n.version),
		QuickXorHash: n.hash, Modified: n.modified, Facets: graph.File,
		DownloadURL: graph.NewSecretURL(fmt.Sprintf("https://host.example/%s?v=%d", n.id, n.version)),
	}
	switch {
	case n.noHash:
		it.QuickXorHash = ""
	case n.hash == "":
		it.QuickXorHash = quick(n.text)
	}
	if n.noSize {
		it.Size = -1
	}
	if n.malware {
		it.Facets |= graph.Malware
	}
	if n.folder {
		it.Facets, it.QuickXorHash, it.Size, it.DownloadURL = graph.Folder, "", 0, graph.SecretURL{}
	}
	return it
}

func (n *node) row() state.Item {
	it := n.item()
	row := state.Item{
		ID: state.ItemID(it.ID), Parent: state.ItemID(it.Parent), Name: it.Name, Class: state.File, Size: it.Size,
		Modified: it.Modified, ETag: it.ETag, CTag: it.CTag, Hash: it.QuickXorHash,
	}
	switch {
	case n.folder:
		row.Class, row.Size = state.Folder, 0
	case n.malware:
		row.Class = state.Malware
	}
	return row
}

func quick(text string) string {
	_, sum := hashes(text)
	return sum
}

func hashes(text string) (sha, quickXor string) {
	s := sha256.Sum256([]byte(text))
	q := quickxor.New()
	io.WriteString(q, text)
	return hex.EncodeToString(s[:]), base64.StdEncoding.EncodeToString(q.Sum(nil))
}

// tenant is a small source: items with content, requests counted, answers bent by
// the test.
type tenant struct {
	mu    sync.Mutex
	nodes map[string]*node
	clock time.Time
	made  int

	items, opens, addresses  int
	columnsRead, columnPages int // requests for columns of one item, and of those of a folder
	bytes                    int64
	// onItem and onOpen may answer a request themselves.
	onItem func(n *node, nth int) (graph.Item, error, bool)
	onOpen func(n *node, q graph.ContentRequest, nth int) (*graph.Content, error, bool)
	// onVersion answers requests for earlier versions.
	onVersion func(text string) (*graph.Content, error)
	// onFolder changes what a list of columns says of an item, or ends it.
	onFolder func(graph.ItemFields) (graph.ItemFields, error)
}

func newTenant() *tenant {
	return &tenant{nodes: make(map[string]*node), clock: testTime}
}

// put adds or changes a file at a path, making folders.
func (s *tenant) put(path, text string) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(time.Minute)
	if n := s.at(path); n != nil {
		n.old = append(n.old, n.text)
		n.text, n.modified = text, s.clock
		n.version, n.change = n.version+1, n.change+1
		return n
	}
	dir, name := split(path)
	return s.add(&node{parent: s.dir(dir), name: name, text: text})
}

func (s *tenant) add(n *node) *node {
	s.made++
	n.id, n.version, n.change, n.modified = fmt.Sprintf("i%04d", s.made), 1, 1, s.clock
	s.nodes[n.id] = n
	return n
}

func (s *tenant) mkdir(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dir(path)
}

func (s *tenant) dir(path string) string {
	if path == "" {
		return "root"
	}
	if n := s.at(path); n != nil {
		return n.id
	}
	up, name := split(path)
	return s.add(&node{parent: s.dir(up), name: name, folder: true}).id
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

func (s *tenant) at(path string) *node {
	for _, n := range s.nodes {
		if s.path(n) == path {
			return n
		}
	}
	return nil
}

func (s *tenant) path(n *node) string {
	if up := s.nodes[n.parent]; up != nil {
		return s.path(up) + "/" + n.name
	}
	return n.name
}

// move renames or moves an item. The place may be taken until the edits are done.
func (s *tenant) move(n *node, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, name := split(to)
	n.parent, n.name = s.dir(dir), name
	n.change++
}

func (s *tenant) find(path string) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.at(path)
	if n == nil {
		panic("no item at " + path)
	}
	return n
}

func (s *tenant) remove(path string) {
	n := s.find(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, other := range s.nodes {
		for at := other; at != nil; at = s.nodes[at.parent] {
			if at == n {
				defer delete(s.nodes, id)
			}
		}
	}
}

// tree is what a mirror of the source holds: text by path, "/" for folders.
func (s *tenant) tree() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]string)
	for _, n := range s.nodes {
		if n.malware {
			continue
		}
		out[s.path(n)] = n.text
		if n.folder {
			out[s.path(n)] = "/"
		}
	}
	return out
}

func notFound() error {
	return &graph.Error{Op: "get item", Status: http.StatusNotFound, Code: "itemNotFound"}
}

func (s *tenant) Item(_ context.Context, _ graph.DriveID, id graph.ItemID) (graph.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items++
	n := s.nodes[string(id)]
	if id == "root" {
		n = &node{id: "root", name: "root", folder: true}
	}
	if n == nil || n.gone {
		return graph.Item{}, notFound()
	}
	if s.onItem != nil {
		if it, err, mine := s.onItem(n, s.items); mine {
			return it, err
		}
	}
	return n.item(), nil
}

func (s *tenant) DownloadURL(_ context.Context, _ graph.DriveID, id graph.ItemID) (graph.SecretURL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses++
	n := s.nodes[string(id)]
	if n == nil {
		return graph.SecretURL{}, notFound()
	}
	return n.item().DownloadURL, nil
}

func (s *tenant) Open(_ context.Context, q graph.ContentRequest) (*graph.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens++
	id, query, _ := strings.Cut(strings.TrimPrefix(q.URL.Reveal(), "https://host.example/"), "?")
	n := s.nodes[id]
	if n == nil {
		return nil, &graph.Error{Op: "open content", Status: http.StatusNotFound, Host: "host.example"}
	}
	if which, ok := strings.CutPrefix(query, "version="); ok {
		return s.openVersion(n, which)
	}
	if s.onOpen != nil {
		if c, err, mine := s.onOpen(n, q, s.opens); mine {
			return c, err
		}
	}
	return s.serve(n, q), nil
}

// serve answers as a good host does.
func (s *tenant) serve(n *node, q graph.ContentRequest) *graph.Content {
	rest, status := n.text[q.Offset:], http.StatusOK
	if q.Offset > 0 || q.Length > 0 {
		status = http.StatusPartialContent
	}
	if q.Length > 0 {
		rest = rest[:min(q.Length, int64(len(rest)))]
	}
	return &graph.Content{
		Body: &counted{Reader: strings.NewReader(rest), s: s}, Status: status, Offset: q.Offset, Total: int64(len(n.text)),
		Length: int64(len(rest)), ETag: n.item().ETag,
	}
}

// openVersion answers without ranges, as hosts do for old versions (C16).
func (s *tenant) openVersion(n *node, which string) (*graph.Content, error) {
	for i, text := range n.old {
		if versionID(i) != which {
			continue
		}
		if s.onVersion != nil {
			return s.onVersion(text)
		}
		return body(text, nil, 0, int64(len(text))), nil
	}
	return nil, notFound()
}

// versionID is that of the i-th version of a file.
func versionID(i int) string { return fmt.Sprintf("%d.0", i+1) }

func (s *tenant) Versions(_ context.Context, _ graph.DriveID, id graph.ItemID) ([]graph.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[string(id)]
	if n == nil {
		return nil, notFound()
	}
	list := []graph.Version{{ID: versionID(len(n.old)), Size: int64(len(n.text)), Modified: n.modified}}
	for i := len(n.old) - 1; i >= 0; i-- {
		list = append(list, graph.Version{ID: versionID(i), Size: int64(len(n.old[i])), Modified: n.modified.Add(time.Duration(i-len(n.old)) * time.Second)})
	}
	return list, nil
}

func (s *tenant) VersionURL(_ context.Context, _ graph.DriveID, id graph.ItemID, version string) (graph.SecretURL, error) {
	return graph.NewSecretURL(fmt.Sprintf("https://host.example/%s?version=%s", id, version)), nil
}

func (s *tenant) Columns(_ context.Context, _ graph.DriveID, id graph.ItemID, _ ...string) (graph.Fields, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.columnsRead++
	n := s.nodes[string(id)]
	if n == nil {
		return nil, notFound()
	}
	return n.fields(), nil
}

func (n *node) fields() graph.Fields {
	return graph.Fields{"Change": json.RawMessage(fmt.Sprint(n.change))}
}

// FolderColumns lists the children of a folder as onFolder lets it.
func (s *tenant) FolderColumns(_ context.Context, _ graph.DriveID, folder graph.ItemID, page int, _ ...string) iter.Seq2[graph.ItemFields, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []graph.ItemFields
	for _, n := range s.nodes {
		if n.parent == string(folder) {
			list = append(list, graph.ItemFields{ID: graph.ItemID(n.id), Fields: n.fields()})
		}
	}
	s.columnPages += (len(list) + page - 1) / page
	return func(yield func(graph.ItemFields, error) bool) {
		for _, item := range list {
			if s.onFolder != nil {
				var err error
				if item, err = s.onFolder(item); err != nil {
					yield(item, err)
					return
				}
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (s *tenant) Permissions(context.Context, graph.DriveID, graph.ItemID) ([]graph.Permission, error) {
	return nil, nil
}

// counted counts the bytes that are read of a body.
type counted struct {
	io.Reader
	s *tenant
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.s.mu.Lock()
	c.s.bytes += int64(n)
	c.s.mu.Unlock()
	return n, err
}

func (c *counted) Close() error { return nil }

// body is a Content with any text and error at its end.
func body(text string, end error, offset, total int64) *graph.Content {
	r := io.Reader(strings.NewReader(text))
	if end != nil {
		r = io.MultiReader(r, failing{end})
	}
	return &graph.Content{Body: io.NopCloser(r), Status: http.StatusOK, Offset: offset, Total: total, Length: -1}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (s *tenant) resetCounts() {
	s.mu.Lock()
	s.items, s.opens, s.addresses, s.bytes = 0, 0, 0, 0
	s.mu.Unlock()
}
