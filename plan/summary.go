package plan

import (
	"cmp"
	"slices"
	"strings"
)

// folderRows is how many folders a mirror's table names (UX 3.2).
const folderRows = 8

// FolderRow is one row of the table of folders: how many items below it change,
// by action. The row with an empty path sums the folders without a row.
type FolderRow struct {
	Path          string           `json:"path"`
	Counts        map[Action]int64 `json:"counts"`
	DownloadBytes int64            `json:"download_bytes"`
	// Others is the number of folders that the last row sums.
	Others int `json:"others,omitempty"`
}

func (r *FolderRow) total() int64 {
	var n int64
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// folderCounts counts changes by the directory they are in.
type folderCounts struct {
	dirs map[string]*dirCount
}

type dirCount struct {
	own, below [len(Actions)]int64
	ownBytes   int64
	belowBytes int64
	children   []string
}

func newFolderCounts() *folderCounts {
	return &folderCounts{dirs: map[string]*dirCount{"": {}}}
}

func (f *folderCounts) add(c *Change) {
	dir, _, _ := splitLocal(c.Path)
	d := f.dir(string(dir))
	d.own[slices.Index(Actions[:], c.Action())]++
	d.ownBytes += c.DownloadBytes()
}

// dir returns the counter of a directory, adding it and those above it.
func (f *folderCounts) dir(path string) *dirCount {
	if d := f.dirs[path]; d != nil {
		return d
	}
	d := &dirCount{}
	f.dirs[path] = d
	up, _, _ := splitLocal(RelPath(path))
	above := f.dir(string(up))
	above.children = append(above.children, path)
	return d
}

// sum fills the counts of all that is below each directory, whose children it sorts:
// the table must not tell in which order the changes came.
func (f *folderCounts) sum(path string) *dirCount {
	d := f.dirs[path]
	slices.Sort(d.children)
	d.below, d.belowBytes = d.own, d.ownBytes
	for _, child := range d.children {
		c := f.sum(child)
		for i := range c.below {
			d.below[i] += c.below[i]
		}
		d.belowBytes += c.belowBytes
	}
	return d
}

func (d *dirCount) total() int64 {
	var n int64
	for _, c := range d.below {
		n += c
	}
	return n
}

// table splits the tree where most changes are until it has enough rows. What no
// row covers is summed in a last row, so that the numbers always add up.
func (f *folderCounts) table(rows int) []FolderRow {
	root := f.sum("")
	if root.total() == 0 {
		return nil
	}
	chosen, whole := []string{""}, map[string]bool{}
	for len(chosen) < rows {
		at := f.splittable(chosen, whole)
		if at < 0 {
			break
		}
		path := chosen[at]
		big := f.bigChildren(path)
		if len(chosen)-1+len(big) > rows {
			whole[path] = true
			continue
		}
		chosen = append(slices.Delete(chosen, at, at+1), big...)
	}
	return f.rows(chosen)
}

// splittable finds the row with most changes that has a child worth a row.
func (f *folderCounts) splittable(chosen []string, whole map[string]bool) int {
	best, most := -1, int64(-1)
	for i, path := range chosen {
		if n := f.dirs[path].total(); n > most && !whole[path] && len(f.bigChildren(path)) > 0 {
			best, most = i, n
		}
	}
	return best
}

// bigChildren are those that hold at least a fifth of a folder's changes, or all of
// them where they are few enough to be rows.
func (f *folderCounts) bigChildren(path string) []string {
	d := f.dirs[path]
	var below int64
	for _, child := range d.children {
		below += f.dirs[child].total()
	}
	if len(d.children) > 1 && len(d.children) < folderRows && 2*below >= d.total() {
		return d.children
	}
	var big []string
	for _, child := range d.children {
		if f.dirs[child].total()*5 >= d.total() {
			big = append(big, child)
		}
	}
	return big
}

func (f *folderCounts) rows(chosen []string) []FolderRow {
	slices.SortFunc(chosen, func(a, b string) int {
		return cmp.Or(cmp.Compare(f.dirs[b].total(), f.dirs[a].total()), strings.Compare(a, b))
	})
	rest := f.dirs[""].below
	restBytes := f.dirs[""].belowBytes
	var out []FolderRow
	for _, path := range chosen {
		d := f.dirs[path]
		for i := range rest {
			rest[i] -= d.below[i]
		}
		restBytes -= d.belowBytes
		out = append(out, newRow(path, d.below, d.belowBytes))
	}
	other := newRow("", rest, restBytes)
	if other.total() > 0 {
		other.Path, other.Others = "", f.others(chosen)
		out = append(out, other)
	}
	return out
}

// others counts the folders with changes of their own that no chosen row covers.
func (f *folderCounts) others(chosen []string) int {
	n := 0
	for path, d := range f.dirs {
		covered := slices.ContainsFunc(chosen, func(c string) bool {
			return c == "" || path == c || strings.HasPrefix(path, c+"/")
		})
		if !covered && d.own != [len(Actions)]int64{} {
			n++
		}
	}
	return n
}

func newRow(path string, counts [len(Actions)]int64, bytes int64) FolderRow {
	r := FolderRow{Path: "/", Counts: make(map[Action]int64), DownloadBytes: bytes}
	if path != "" {
		r.Path = "/" + path + "/"
	}
	for i, n := range counts {
		if n > 0 {
			r.Counts[Actions[i]] = n
		}
	}
	return r
}

// sampler keeps the largest items of each action.
type sampler struct {
	limit int
	by    map[Action][]Change
}

func newSampler(limit int) *sampler {
	return &sampler{limit: limit, by: make(map[Action][]Change)}
}

func (s *sampler) add(c *Change) {
	if c.Folder && c.Action() != Move {
		return
	}
	list := s.by[c.Action()]
	if len(list) == s.limit && compareSamples(*c, list[len(list)-1]) >= 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(list, *c, compareSamples)
	list = slices.Insert(list, at, *c)
	s.by[c.Action()] = list[:min(len(list), s.limit)]
}

func compareSamples(a, b Change) int {
	return cmp.Or(cmp.Compare(b.Bytes(), a.Bytes()), strings.Compare(string(a.Path), string(b.Path)), strings.Compare(string(a.ItemID), string(b.ItemID)))
}

func (s *sampler) take() map[Action][]Change { return s.by }
