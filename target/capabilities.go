package target

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Capabilities is what a file system was found to do, by trying (F16).
type Capabilities struct {
	FSType    string // for reports only; nothing is decided by it
	Folding   Folding
	NoReplace bool // rename that refuses an existing name
	Exchange  bool // rename that swaps two names
	HardLinks bool
	TmpFile   bool // files without a name
	SyncDirs  bool // directories can be flushed
	Modes     bool // permissions are stored
	// TimeUnit is how finely modification times are stored.
	TimeUnit time.Duration
}

// Weaknesses says in words what is weaker here than on a Linux file system, for the user.
func (c Capabilities) Weaknesses() []string {
	var out []string
	add := func(when bool, text string) {
		if when {
			out = append(out, text)
		}
	}
	add(!c.NoReplace && c.HardLinks, "new files appear through a hard link and new folders after a look, because renames cannot refuse an existing name")
	add(!c.NoReplace && !c.HardLinks, "a file that appears in the instant before a new one is published can be overwritten")
	add(!c.Exchange && c.HardLinks, "a local change in the instant before a replacement can be lost")
	add(!c.Exchange && !c.HardLinks, "a replaced file is absent for an instant")
	add(!c.SyncDirs, "folders cannot be flushed: the last operations before a power loss may be undone")
	add(c.TimeUnit > time.Second, fmt.Sprintf("modification times are rounded to %s", c.TimeUnit))
	add(c.Folding != 0, "names that differ only by "+c.Folding.String()+" collide")
	return out
}

// Probe finds out what the file system of a directory does, by trying in a directory of its own there, which
// is removed again.
func Probe(dir string) (Capabilities, error) {
	root, err := openRoot(dir)
	if err != nil {
		return Capabilities{}, fmt.Errorf("probe %s: %w", dir, rootError(err))
	}
	defer root.close()
	caps, err := probe(root)
	if err != nil {
		return Capabilities{}, fmt.Errorf("probe %s: %w", dir, err)
	}
	return caps, nil
}

// probePrefix begins the names of the directories in which file systems are tried.
const probePrefix = controlDir + "-probe-"

// probeLife is far longer than a probe takes.
const probeLife = time.Hour

// sweepProbes removes what probes left that were killed. What is not of a probe stays, and
// its directory with it.
func (d *Dir) sweepProbes(now time.Time) error {
	found, err := d.ReadDir(controlDir)
	if err != nil {
		return err
	}
	for _, e := range found {
		name := string(e.Name)
		if e.Kind != KindDir || !strings.HasPrefix(name, probePrefix) || now.Sub(e.MTime) < probeLife {
			continue
		}
		h, err := d.control.openDir(RelPath(name))
		if err != nil {
			return fail("sweep", RelPath(name), err)
		}
		for _, made := range probeNames() {
			_ = h.unlink(made) // most are not there
		}
		h.close()
		_ = d.control.rmdir(name)
	}
	return nil
}

// probeNames are all names that a probe makes.
func probeNames() []string {
	names := []string{"rename-a", "rename-b", "rename-c", "swap-a", "swap-b", "link-a", "link-b", "attributes"}
	for _, t := range foldProbes {
		names = append(names, t.made)
	}
	return names
}

func probe(in *handle) (caps Capabilities, err error) {
	name := probePrefix + rand.Text()[:8]
	if err := in.mkdir(name, 0o700); err != nil {
		return caps, fail("probe", RelPath(name), err)
	}
	defer func() {
		if rmErr := in.rmdir(name); rmErr != nil {
			err = errors.Join(err, fail("probe", RelPath(name), rmErr))
		}
	}()
	h, err := in.openDir(RelPath(name))
	if err != nil {
		return caps, fail("probe", RelPath(name), err)
	}
	defer h.close()
	p := &prober{h: h, made: map[string]bool{}}
	defer p.clean()
	caps = Capabilities{FSType: h.fsType(), Folding: p.folding(), SyncDirs: h.sync() == nil, TmpFile: tmpfileWorks(h)}
	p.renames(&caps)
	p.attributes(&caps)
	return caps, p.err
}

// probeReadOnly learns the little that can be seen without writing: whether our own directory answers to
// another spelling.
func probeReadOnly(control *handle) Capabilities {
	caps := Capabilities{FSType: control.fsType()}
	if found, err := control.stat("MARKER.JSON"); err == nil {
		if real, err := control.stat(markerName); err == nil && real.Inode == found.Inode {
			caps.Folding = FoldCase
		}
	}
	return caps
}

// prober works with fixed names in its own directory.
type prober struct {
	h    *handle
	made map[string]bool
	err  error
}

func (p *prober) make(name string) bool {
	f, err := p.h.openFile(name, openExclusive, 0o600)
	if err != nil {
		return false
	}
	p.made[name] = true
	return f.Close() == nil
}

func (p *prober) exists(name string) bool {
	_, err := p.h.stat(name)
	return err == nil
}

func (p *prober) clean() {
	for name := range p.made {
		_ = p.h.unlink(name) // a name that a rename took away is no matter; rmdir tells if anything is left
	}
}

// foldProbes are pairs of names, one for each way of folding: the first is made, the second looked for.
var foldProbes = []struct {
	how        Folding
	made, seen string
}{
	{FoldCase, "case-a", "CASE-A"},
	{FoldFull, "full-ß", "full-ss"},
	{FoldDotless, "dotless-ı", "dotless-i"},
	{FoldDotless, "dotted-İ", "dotted-i"},
	{FoldNormal, "normal-\u00e9", "normal-e\u0301"},
	{FoldNormal, "decomposed-e\u0301", "decomposed-\u00e9"},
	{FoldIgnorable, "joined-\u200dx", "joined-x"},
	{FoldTrailing, "trail-dot", "trail-dot."},
	{FoldTrailing, "trail-space", "trail-space "},
}

// folding skips what cannot be made at all: such names fail visibly later instead of colliding.
func (p *prober) folding() Folding {
	var f Folding
	for _, t := range foldProbes {
		if p.make(t.made) && p.exists(t.seen) {
			f |= t.how
		}
	}
	return f
}

func (p *prober) renames(caps *Capabilities) {
	if !p.make("rename-a") || !p.make("rename-b") {
		p.err = fail("probe", controlDir, errors.New("cannot create files"))
		return
	}
	// A file system that ignores the flag would replace: the refusal is what counts, then the success.
	before, _ := p.h.stat("rename-b")
	refused := p.h.rename("rename-a", p.h, "rename-b", renameNoReplace)
	after, _ := p.h.stat("rename-b")
	p.made["rename-c"] = true
	caps.NoReplace = refused != nil && p.exists("rename-a") && before.Inode == after.Inode &&
		p.h.rename("rename-a", p.h, "rename-c", renameNoReplace) == nil && p.exists("rename-c") && !p.exists("rename-a")
	if p.make("swap-a") && p.make("swap-b") {
		a, _ := p.h.stat("swap-a")
		b, _ := p.h.stat("swap-b")
		err := p.h.rename("swap-a", p.h, "swap-b", renameExchange)
		a2, _ := p.h.stat("swap-a")
		b2, _ := p.h.stat("swap-b")
		caps.Exchange = err == nil && a2.Kind == KindFile && b2.Kind == KindFile && a2.Inode == b.Inode && b2.Inode == a.Inode && a.Inode != b.Inode
	}
	if p.make("link-a") && p.h.link("link-a", p.h, "link-b") == nil {
		p.made["link-b"] = true
		caps.HardLinks = true
	}
}

// probeTime has a digit in every decimal place and an odd second.
var probeTime = time.Unix(1_000_000_001, 123_456_789)

func (p *prober) attributes(caps *Capabilities) {
	f, err := p.h.openFile("attributes", openExclusive, 0o600)
	if err != nil {
		return
	}
	p.made["attributes"] = true
	defer f.Close()
	caps.TimeUnit = 2 * time.Second
	if setTimes(f, probeTime) == nil {
		if got, err := p.h.stat("attributes"); err == nil {
			caps.TimeUnit = unitOf(got.MTime)
		}
	}
	if f.Chmod(0o640) == nil {
		got, err := p.h.stat("attributes")
		caps.Modes = err == nil && got.Mode.Perm() == 0o640
	}
}

// unitOf is the finest unit in which probeTime survived.
func unitOf(got time.Time) time.Duration {
	for _, unit := range []time.Duration{1, 100, time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second} {
		if got.Equal(probeTime.Truncate(unit)) {
			return unit
		}
	}
	return 2 * time.Second
}
