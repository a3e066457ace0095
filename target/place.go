package target

import (
	"errors"
	"io/fs"
	"syscall"
)

// place is a name in a directory that is held open: everything an effect needs, and nothing that could lead
// elsewhere.
type place struct {
	dir  *handle
	name string
	rel  RelPath
	held *parent // nil for the control directories, which stay open
}

func (p place) release() {
	if p.held != nil {
		p.held.release()
	}
}

func (p place) stat() (Fingerprint, error) { return p.dir.stat(p.name) }

// at opens the parent of a path below the root. It is for looking; effects start with ownPlace.
func (d *Dir) at(op string, rel RelPath) (place, error) {
	if rel == "" {
		return place{}, &Error{Op: op, Path: rel, Kind: ErrBadPath, Err: errEmptyComponent}
	}
	if err := rel.Check(); err != nil {
		return place{}, &Error{Op: op, Path: rel, Kind: ErrBadPath, Err: err}
	}
	held, err := d.parents.open(rel.Dir())
	if err != nil {
		return place{}, fail(op, rel, err)
	}
	return place{dir: held.handle, name: string(rel.Base()), rel: rel, held: held}, nil
}

// ownPlace is at for paths of the mirror itself: never a control file, never the trash (H-20).
func (d *Dir) ownPlace(op string, rel RelPath) (place, error) {
	if d.reserved(rel) {
		return place{}, &Error{Op: op, Path: rel, Kind: ErrReserved}
	}
	if err := d.writable(op, rel); err != nil {
		return place{}, err
	}
	return d.at(op, rel)
}

// writable is asked before every effect.
func (d *Dir) writable(op string, rel RelPath) error {
	if d.readOnly {
		return &Error{Op: op, Path: rel, Kind: ErrReadOnly}
	}
	return nil
}

// reserved reports whether rel is, or could be taken by the file system for, something of ours.
func (d *Dir) reserved(rel RelPath) bool {
	return reservedAtRoot([]byte(rel.first())) || rel.Within(d.trash) || d.trash.Within(rel) && rel != ""
}

func (p RelPath) first() RelPath {
	for i := range len(p) {
		if p[i] == '/' {
			return p[:i]
		}
	}
	return p
}

// reservedAtRoot reports names at the root that belong to us: the control directory and probe leftovers.
func reservedAtRoot(name []byte) bool { return controlLike(string(name)) }

func (d *Dir) stagingPlace(name string) place {
	return place{dir: d.staging, name: name, rel: stagingDir.Join(LocalName(name))}
}

func (d *Dir) parkPlace(key string) place {
	rel := ParkName(key)
	return place{dir: d.parking, name: string(rel.Base()), rel: rel}
}

// moveFree renames onto a name that must be free, for files and directories (I-15). Without no-replace the
// fallback for files is link and unlink, which refuses an occupied name just as well; what is left for
// directories, and where links are missing too, is a look before a plain rename.
func (d *Dir) moveFree(from, to place) error {
	if d.caps.NoReplace {
		if err := d.before(OpRename, to.rel); err != nil {
			return err
		}
		err := from.dir.rename(from.name, to.dir, to.name, renameNoReplace)
		if !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	found, err := from.stat()
	if err != nil {
		return err
	}
	if found.Kind == KindFile && d.caps.HardLinks {
		return d.linkAndUnlink(from, to)
	}
	if _, err := to.stat(); !isMissing(err) {
		return errors.Join(syscall.EEXIST, err)
	}
	if err := d.before(OpRename, to.rel); err != nil {
		return err
	}
	return from.dir.rename(from.name, to.dir, to.name, renameReplace)
}

func (d *Dir) linkAndUnlink(from, to place) error {
	if err := d.link(from, to); err != nil {
		return err
	}
	return d.unlink(from)
}

func (d *Dir) link(from, to place) error {
	if err := d.before(OpLink, to.rel); err != nil {
		return err
	}
	return from.dir.link(from.name, to.dir, to.name)
}

func (d *Dir) unlink(p place) error {
	if err := d.before(OpUnlink, p.rel); err != nil {
		return err
	}
	return p.dir.unlink(p.name)
}

// moveOver renames over an existing name.
func (d *Dir) moveOver(from, to place) error {
	if err := d.before(OpReplace, to.rel); err != nil {
		return err
	}
	return from.dir.rename(from.name, to.dir, to.name, renameReplace)
}

// exchange swaps two existing names in one step.
func (d *Dir) exchange(a, b place) error {
	if err := d.before(OpExchange, b.rel); err != nil {
		return err
	}
	return a.dir.rename(a.name, b.dir, b.name, renameExchange)
}

// moveBack undoes a move whose result was not the expected file. When the old name was taken meanwhile, the
// bytes stay where they are and the path is returned: nothing is overwritten and nothing is lost.
func (d *Dir) moveBack(now, was place) (kept RelPath, err error) {
	if err := d.moveFree(now, was); err != nil {
		return now.rel, err
	}
	return "", nil
}

// makeDirs returns the directory at rel, making it and its ancestors one component at a time. Every parent
// that got a new entry is flushed (I-03).
func (d *Dir) makeDirs(rel RelPath, mode fs.FileMode) (*parent, error) {
	p, err := d.parents.open(rel)
	if !isMissing(err) {
		return p, fail("open directory", rel, err)
	}
	above, err := d.makeDirs(rel.Dir(), mode)
	if err != nil {
		return nil, err
	}
	defer above.release()
	if err := d.makeDir(place{dir: above.handle, name: string(rel.Base()), rel: rel, held: above}, mode); err != nil {
		return nil, fail("mkdir", rel, err)
	}
	if p, err = d.parents.open(rel); err != nil {
		return nil, fail("open directory", rel, err)
	}
	return p, nil
}

func (d *Dir) makeDir(p place, mode fs.FileMode) error {
	if err := d.before(OpMkdir, p.rel); err != nil {
		return err
	}
	err := p.dir.mkdir(p.name, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil // a racing maker; what it is will be seen when it is opened
	}
	if err != nil {
		return err
	}
	if err := d.umaskProof(p, mode); err != nil {
		return err
	}
	return d.dirtied(p)
}

// umaskProof gives a new directory the configured mode through its descriptor (T-15).
func (d *Dir) umaskProof(p place, mode fs.FileMode) error {
	if mode&0o077 == 0 {
		return nil // an umask that denies the owner is the user's own wish
	}
	h, err := p.dir.openDir(RelPath(p.name))
	if err != nil {
		return err
	}
	defer h.close()
	if err := d.before(OpChmod, p.rel); err != nil {
		return err
	}
	return h.chmodSelf(mode)
}
