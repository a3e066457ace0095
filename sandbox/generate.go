package sandbox

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// seedFile makes one file or folder that the options describe.
func (d *Drive) seedFile(f FileSpec, at time.Time) error {
	e := Edit{Path: f.Path, At: at, By: f.By}
	if !f.Modified.IsZero() {
		e.Modified = &f.Modified
	}
	if f.Folder {
		_, err := d.editMkdir(e, kindFolder)
		return err
	}
	if f.Size > 0 {
		e.Size = &f.Size
	} else {
		e.Text = &f.Text
	}
	if _, err := d.editPut(e); err != nil {
		return fmt.Errorf("make %q: %w", path.Base(f.Path), err)
	}
	return nil
}

// Defaults of generated libraries.
const (
	defaultPerFolder = 50
	defaultFanout    = 20
	defaultMaxSize   = 8192
)

// generate fills a library: first the folders, breadth first, then the files, evenly spread. Names are
// numbered and so unique by construction.
func (d *Drive) generate(g Generate, at time.Time) {
	folders := g.Folders
	if folders == 0 {
		folders = g.Files / cmp.Or(g.PerFolder, defaultPerFolder)
	}
	low, high := g.MinSize, cmp.Or(g.MaxSize, 2*g.Size, defaultMaxSize)
	low = min(low, high)
	items := make([]*item, 1, g.Files+folders+1)
	items[0] = d.root()
	d.items = append(items, d.items[1:]...)
	d.slab = make([]item, g.Files+folders)
	parents, people := []*item{d.root()}, len(d.t.users)
	for i := range folders {
		r := mix(d.seed ^ uint64(len(d.items)))
		parents = append(parents, d.bulk(parents[i/cmp.Or(g.Fanout, defaultFanout)], kindFolder, "Folder "+strconv.Itoa(i+1), at, r, people))
	}
	per := (g.Files + len(parents) - 1) / len(parents)
	exts := []string{".docx", ".pdf", ".xlsx", ".txt", ".png"}
	name := make([]byte, 0, 32)
	for i := range g.Files {
		parent := parents[i/per]
		r := mix(d.seed ^ uint64(len(d.items)))
		name = append(strconv.AppendInt(append(name[:0], "file-"...), int64(i+1), 10), exts[r%5]...)
		it := d.bulk(parent, kindFile, string(name), at, r, people)
		it.size = low + int64(r>>16%uint64(high-low+1))
		d.resize(parent, it.size)
	}
}

// bulk makes one generated item. Children are appended in the order of ordinals, no search is needed.
func (d *Drive) bulk(parent *item, k kind, name string, at time.Time, r uint64, people int) *item {
	it := d.newItem(quickGUID(d.seed, uint64(len(d.items))), k, name)
	it.parent = parent
	parent.folder.children = append(parent.folder.children, it)
	it.created = at.Unix() - int64(r%(400*86400))
	it.modified = it.created + int64(r>>40%86400)
	it.fsModified = it.modified
	if people > 1 {
		it.createdBy = uint16(1 + r>>8%uint64(people-1))
		it.modifiedBy = it.createdBy
	}
	return it
}

// Words that demo documents are made of.
var demoWords = strings.Fields("the team meets every Monday and agrees on goals for the week holidays are requested in the portal and approved by the lead travel is booked by the office expenses follow within thirty days new colleagues receive a laptop a badge and a mentor questions go to the people desk")

// demoText makes a short text.
func demoText(seed uint64, title string, words int) string {
	var b strings.Builder
	b.WriteString("# " + title + "\n\n")
	for i := range words {
		seed = mix(seed)
		b.WriteString(demoWords[seed%uint64(len(demoWords))])
		if i%14 == 13 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteByte('\n')
	return b.String()
}
