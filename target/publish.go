package target

import (
	"errors"
	"io/fs"
	"syscall"
)

// Displaced is the local file that a publication replaced. It waits in the staging directory until the
// caller moves it to the trash with TrashAs.
type Displaced struct {
	Path RelPath // "" when nothing was displaced
	Fingerprint
}

// PublishOp is one file of a batch.
type PublishOp struct {
	Staged string // name from Staged.Name, finished
	To     RelPath
	Expect *Fingerprint // the file to replace; nil: the place must be free
}

// PublishResult is the outcome of one PublishOp.
type PublishResult struct {
	// Published says that the final name holds the new file. With an error beside it, its directory could not
	// be flushed: the row must not be committed, the next run will look again.
	Published bool
	Displaced Displaced
	Err       error
}

// Publish makes a staged file visible under its final name, whose directory must exist.
//
// With expect nil the name must be free, and a file that appears at the last moment survives with ErrOccupied
// (I-15). Otherwise the file there must match expect: it is exchanged with the new one in a single step, then
// compared once more, and exchanged back with ErrChanged if it is not the expected one (I-14). No reader ever
// finds the name absent or partial (I-02).
func (d *Dir) Publish(staged string, to RelPath, expect *Fingerprint) (Displaced, error) {
	if err := d.checkStaged("publish", staged); err != nil {
		return Displaced{}, err
	}
	if err := d.makeDurable([]string{staged})[staged]; err != nil {
		return Displaced{}, d.notDurable(staged, to, err)
	}
	res := d.publish(PublishOp{Staged: staged, To: to, Expect: expect}, d.dirtied)
	return res.Displaced, res.Err
}

// PublishBatch publishes many files with few flushes: all staged files are made durable together, then
// renamed, then every directory concerned is flushed once, with whatever earlier operations left dirty.
func (d *Dir) PublishBatch(ops []PublishOp) []PublishResult {
	results := make([]PublishResult, len(ops))
	names := make([]string, 0, len(ops))
	for i, op := range ops {
		if results[i].Err = d.checkStaged("publish", op.Staged); results[i].Err == nil {
			names = append(names, op.Staged)
		}
	}
	bad := d.makeDurable(names)
	for i, op := range ops {
		if results[i].Err != nil {
			continue
		}
		if err := bad[op.Staged]; err != nil {
			results[i].Err = d.notDurable(op.Staged, op.To, err)
			continue
		}
		results[i] = d.publish(op, d.noteDirty)
	}
	if err := d.SyncDirs(); err != nil {
		for i := range results {
			if results[i].Published {
				results[i].Err = errors.Join(results[i].Err, err)
			}
		}
	}
	return results
}

func (d *Dir) noteDirty(places ...place) error {
	for _, p := range places {
		d.ledger.note(p.rel.Dir())
	}
	return nil
}

// notDurable drops a staged file whose flush failed: its bytes are not to be trusted any more (I-04).
func (d *Dir) notDurable(staged string, to RelPath, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fail("publish", to, err)
	}
	return errors.Join(&Error{Op: "publish", Path: to, Kind: ErrNotDurable, Err: err}, d.DiscardStaged(staged))
}

func (d *Dir) publish(op PublishOp, flush func(...place) error) (res PublishResult) {
	to, err := d.ownPlace("publish", op.To)
	if err != nil {
		res.Err = err
		return res
	}
	defer to.release()
	staged := d.stagingPlace(op.Staged)
	if op.Expect == nil {
		err = d.create(staged, to)
	} else {
		res.Displaced, err = d.replace(staged, to, *op.Expect)
	}
	if err != nil {
		res.Err = fail("publish", op.To, err)
		return res
	}
	res.Published = true
	d.ledger.set(op.Staged, unknown)
	if res.Displaced.Path == "" {
		res.Err = flush(to)
	} else {
		res.Err = flush(to, staged)
	}
	return res
}

func (d *Dir) create(staged, to place) error {
	err := d.moveFree(staged, to)
	if errors.Is(err, fs.ErrExist) {
		return occupied("publish", to, err)
	}
	return err
}

// occupied says what is at the place that had to be free.
func occupied(op string, at place, err error) error {
	e := &Error{Op: op, Path: at.rel, Kind: ErrOccupied, Err: err}
	if found, err := at.stat(); err == nil {
		e.Found = &found
	}
	return e
}

// expected looks whether the regular file at p is the one the caller means.
func expected(op string, p place, expect Fingerprint) (Fingerprint, error) {
	found, err := p.stat()
	if err != nil {
		if isMissing(err) {
			return found, &Error{Op: op, Path: p.rel, Kind: ErrChanged, Err: err}
		}
		return found, err
	}
	if found.Kind != KindFile || !expect.Same(found) {
		return found, &Error{Op: op, Path: p.rel, Kind: ErrChanged, Found: &found}
	}
	return found, nil
}

func (d *Dir) replace(staged, to place, expect Fingerprint) (Displaced, error) {
	if _, err := expected("publish", to, expect); err != nil {
		return Displaced{}, err
	}
	switch {
	case d.caps.Exchange:
		return d.replaceByExchange(staged, to, expect)
	case d.caps.HardLinks:
		return d.replaceByLink(staged, to, expect)
	default:
		return d.replaceByMove(staged, to, expect)
	}
}

// toSwap does something with the first free swap name. That name, not the staging name, is the one that will
// hold local bytes, so that no later Stage can ever cut them off.
func (d *Dir) toSwap(staged place, do func(swap place) error) (place, error) {
	for _, name := range swapNames(staged.name) {
		swap := d.stagingPlace(name)
		err := do(swap)
		if !errors.Is(err, fs.ErrExist) {
			return swap, err
		}
	}
	return place{}, &Error{Op: "exchange", Path: staged.rel, Kind: ErrOccupied, Err: errors.New("too many displaced files wait in staging")}
}

func (d *Dir) replaceByExchange(staged, to place, expect Fingerprint) (Displaced, error) {
	swap, err := d.toSwap(staged, func(swap place) error { return d.moveFree(staged, swap) })
	if err != nil {
		return Displaced{}, err
	}
	ours, err := swap.stat()
	if err == nil {
		err = d.exchange(swap, to)
	}
	if err != nil {
		_, back := d.moveBack(swap, staged)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOENT) {
			err = &Error{Op: "publish", Path: to.rel, Kind: ErrChanged, Err: err}
		}
		return Displaced{}, errors.Join(err, back)
	}
	found, err := expected("publish", swap, expect)
	if err == nil {
		return Displaced{Path: swap.rel, Fingerprint: found}, nil
	}
	return Displaced{}, d.exchangeBack(staged, swap, to, ours, found)
}

// exchangeBack returns an unexpected local file to its name. If somebody put yet another file there in the
// meantime, that one now lies in the swap place and stays there: all local bytes are kept.
func (d *Dir) exchangeBack(staged, swap, to place, ours, found Fingerprint) error {
	out := &Error{Op: "publish", Path: to.rel, Kind: ErrChanged, Found: &found}
	if err := d.exchange(swap, to); err != nil {
		// The name is free again, or the swap failed: try to put the local file back without replacing.
		out.Kept, out.Err = d.moveBack(swap, to)
		return out
	}
	now, err := swap.stat()
	if err != nil || now.Inode != ours.Inode {
		out.Kept, out.Err = swap.rel, err
		return out
	}
	_, out.Err = d.moveBack(swap, staged)
	return out
}

// replaceByLink keeps the old file by a second name and then renames over it. Between the last look and the
// rename a local change by replacement can be lost; Capabilities.Weaknesses says so.
func (d *Dir) replaceByLink(staged, to place, expect Fingerprint) (Displaced, error) {
	swap, err := d.toSwap(staged, func(swap place) error { return d.link(to, swap) })
	if err != nil {
		return Displaced{}, err
	}
	found, err := expected("publish", swap, expect)
	if err == nil {
		_, err = expected("publish", to, found)
	}
	if err == nil {
		err = d.moveOver(staged, to)
	}
	if err == nil {
		return Displaced{Path: swap.rel, Fingerprint: found}, nil
	}
	// The second name is dropped only while the first is seen to be the same file.
	if now, statErr := to.stat(); statErr == nil && now.Inode == found.Inode && now.Inode != 0 {
		return Displaced{}, errors.Join(err, d.unlink(swap))
	}
	return Displaced{}, errors.Join(err, &Error{Op: "publish", Path: to.rel, Kind: ErrChanged, Kept: swap.rel})
}

// replaceByMove is for file systems with neither exchange nor links: the name is absent for a moment.
func (d *Dir) replaceByMove(staged, to place, expect Fingerprint) (Displaced, error) {
	swap, err := d.toSwap(staged, func(swap place) error { return d.moveFree(to, swap) })
	if err != nil {
		return Displaced{}, err
	}
	found, err := expected("publish", swap, expect)
	if err == nil {
		err = d.moveFree(staged, to)
	}
	if err == nil {
		return Displaced{Path: swap.rel, Fingerprint: found}, nil
	}
	kept, back := d.moveBack(swap, to)
	out := &Error{Op: "publish", Path: to.rel, Kind: kindOf(err), Err: errors.Join(err, back), Kept: kept}
	if errors.Is(err, ErrChanged) {
		out.Kind, out.Found = ErrChanged, &found
	}
	return Displaced{}, out
}

// PublishState is what Recover found.
type PublishState uint8

// States of an interrupted publication.
const (
	// PublishLost: the staged file is nowhere; the item has to be fetched again.
	PublishLost PublishState = iota
	// PublishStaged: the complete file is in staging under its staging name; Publish can be repeated.
	PublishStaged
	// PublishDone: the final name holds the file, durably.
	PublishDone
)

// Recover finds out how far an interrupted publication got, by looking (INVARIANTS 7.1 step 9): staged and to
// are the arguments it was called with, want is the fingerprint of the staged file from Finish, whose inode is
// what identifies it. Local bytes that were displaced are returned in every state.
func (d *Dir) Recover(staged string, to RelPath, want Fingerprint) (PublishState, Displaced, error) {
	if err := d.checkStaged("recover", staged); err != nil {
		return PublishLost, Displaced{}, err
	}
	if want.Kind != KindFile {
		return PublishLost, Displaced{}, &Error{Op: "recover", Path: to, Kind: ErrNotRegular}
	}
	state, part := PublishLost, d.stagingPlace(staged)
	final, err := d.ownPlace("recover", to)
	switch {
	case err == nil:
		defer final.release()
		found, err := final.stat()
		if err != nil && !isMissing(err) {
			return state, Displaced{}, fail("recover", to, err)
		}
		if err == nil && want.Same(found) {
			state = PublishDone
		}
	case !isMissing(err):
		return state, Displaced{}, err
	}
	if found, err := part.stat(); state == PublishLost && err == nil && want.Same(found) {
		state = PublishStaged
	}
	displaced, err := d.recoverSwaps(part, final, want, &state)
	if err == nil && state == PublishDone {
		err = d.SyncDirs(to.Dir(), stagingDir)
	}
	return state, displaced, fail("recover", to, err)
}

// recoverSwaps looks through the swap names. What is neither the staged file nor a second name of the file in its place
// is local bytes.
func (d *Dir) recoverSwaps(part, final place, want Fingerprint, state *PublishState) (displaced Displaced, err error) {
	for _, name := range swapNames(part.name) {
		swap := d.stagingPlace(name)
		found, err := swap.stat()
		switch {
		case isMissing(err):
		case err != nil:
			return displaced, err
		case !want.Same(found):
			if dropped, err := d.dropName(swap, final); err != nil {
				return displaced, err
			} else if !dropped {
				displaced = Displaced{Path: swap.rel, Fingerprint: found}
			}
		case *state == PublishLost:
			if err := d.moveFree(swap, part); err != nil {
				return displaced, err
			}
			*state = PublishStaged
		case *state == PublishDone:
			if _, err := d.dropName(swap, final); err != nil {
				return displaced, err
			}
		}
	}
	return displaced, nil
}
