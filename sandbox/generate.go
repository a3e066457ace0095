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

// generate fills a library. Files of a folder are numbered, so names are unique by construction.
func (d *Drive) generate(g Generate, at time.Time) {
	per, fan := cmp.Or(g.PerFolder, 50), cmp.Or(g.Fanout, 20)
	low, high := g.MinSize, cmp.Or(g.MaxSize, 4096)
	low = min(low, high)
	exts := []string{".docx", ".pdf", ".xlsx", ".txt", ".png"}
	d.items = make([]*item, len(d.items), g.Files+g.Files/per+2)
	d.items[0] = d.byGUID[rootGUID]
	queue := []*item{d.root()}
	next, people := 0, len(d.t.users)
	name := make([]byte, 0, 32)
	for made := 0; made < g.Files; {
		parent := queue[next]
		next++
		for i := 0; i < per && made < g.Files; i++ {
			n := uint64(len(d.items))
			r := mix(d.seed ^ n)
			name = append(strconv.AppendInt(append(name[:0], "file-"...), int64(made), 10), exts[r%5]...)
			it := d.bulk(parent, kindFile, string(name), at, r, people)
			it.size = low + int64(r>>16%uint64(high-low+1))
			d.resize(parent, it.size)
			made++
		}
		for i := 0; i < fan && (len(queue)-1)*per < g.Files; i++ {
			n := uint64(len(d.items))
			queue = append(queue, d.bulk(parent, kindFolder, "Folder "+strconv.Itoa(len(queue)), at, mix(d.seed^n), people))
		}
		if next == len(queue) { // no folder is left, the rest goes into the last one
			next--
		}
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
