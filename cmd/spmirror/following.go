package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// readSources brings the drives of the mirrors of a plan up to date: first those of the declared ones, which may hold
// shortcuts that nobody knew of, and then those to which the shortcuts lead (D56).
func (s *session) readSources(ctx context.Context, o planOptions) ([]*wanted, error) {
	follows := func(w *wanted) bool { return w.shortcut != nil }
	mirrors := slices.DeleteFunc(s.selected(o), follows)
	if err := s.refresh(ctx, mirrors, o); err != nil {
		return nil, err
	}
	if err := s.follow(ctx); err != nil {
		return nil, err
	}
	followed := slices.DeleteFunc(s.selected(o), func(w *wanted) bool { return !follows(w) })
	if err := s.readFollowed(ctx, mirrors, followed, o); err != nil {
		return nil, err
	}
	return append(mirrors, followed...), nil
}

// readFollowed reads the drives to which shortcuts lead, but for those that were read a moment ago.
func (s *session) readFollowed(ctx context.Context, read, followed []*wanted, o planOptions) error {
	var rest []*wanted
	for _, w := range followed {
		i := slices.IndexFunc(read, func(r *wanted) bool {
			return r.err == nil && r.cfg.Tenant == w.cfg.Tenant && r.drive.ID == w.shortcut.drive
		})
		if i < 0 {
			rest = append(rest, w)
			continue
		}
		w.drive, w.listed, w.bad = read[i].drive, read[i].listed, read[i].bad
	}
	if err := s.refresh(ctx, rest, o); err != nil {
		return err
	}
	for _, w := range followed {
		var err error
		if w.shortcut.refused, err = s.refusal(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// refusal says why a shortcut leads to nothing that can be read. That is no failure: whoever made the shortcut may see
// what the application may not. Anything else that keeps a drive from being read is a problem of the mirror.
func (s *session) refusal(ctx context.Context, w *wanted) (refused, err error) {
	var source *crawl.ErrSource
	e, answered := graph.AsError(w.err)
	switch {
	case errors.As(w.err, &source) && (source.Code == crawl.CodeDriveGone || source.Code == crawl.CodeDriveDenied),
		answered && (e.IsNotFound() || e.IsAccess()):
		return w.err, nil
	case w.err != nil:
		return nil, nil
	}
	it, ok, err := s.store.Item(ctx, w.drive.Key, w.shortcut.folder)
	if err == nil && (!ok || !it.Class.IsFolder()) {
		refused = fmt.Errorf("the library %q has no folder with the id %s", w.drive.Name, w.shortcut.folder)
	}
	return refused, err
}

// warnRefused says in a plan that a shortcut leads to nothing.
func (s *session) warnRefused(w *wanted) plan.Diagnostic {
	d := plan.Diagnostic{
		Severity: "warning", Code: "SPM0621", Address: w.cfg.Address,
		Summary: fmt.Sprintf("The shortcut %s leads to nothing that can be read", s.out.ShownPath("/"+string(w.shortcut.path), true)),
		Detail:  w.shortcut.refused.Error() + "\nWhat was mirrored of it stays as it is. Grant the application access to that library, or exclude the shortcut.",
	}
	if e, ok := graph.AsError(w.shortcut.refused); ok {
		d.RequestID = e.RequestID
	}
	return d
}

// place finds where the target of a mirror will be that follows a shortcut, once the mirror that has the shortcut is
// carried out; false means that it has no place. Declared mirrors have theirs.
func (s *session) place(ctx context.Context, w *wanted, planned []*wanted, h *plan.Header) (bool, error) {
	sc := w.shortcut
	if sc == nil {
		return true, nil
	}
	if sc.refused != nil {
		h.Diagnostics = append(h.Diagnostics, s.warnRefused(w))
		return false, nil
	}
	alone := true // the mirror that has it is not planned, and leaves its directory where it is
	for _, up := range planned {
		if up.cfg.Address != sc.of {
			continue
		}
		if alone = false; up.layout == nil {
			break
		}
		path, ok, err := up.layout.Path(ctx, plan.ItemID(sc.item))
		w.base, w.made = path, up.layout.Makes(plan.ItemID(sc.item))
		w.cfg.Target = filepath.Join(up.cfg.Target, filepath.FromSlash(string(path)))
		w.header.Target.Path = w.cfg.Target
		return ok, err
	}
	row, _, err := s.rowOf(ctx, sc.of)
	if err != nil {
		return false, err
	}
	path, ok, err := s.appliedFolder(ctx, row, sc.item)
	w.base = plan.RelPath(filepath.ToSlash(path))
	if alone && !ok {
		h.Diagnostics = append(h.Diagnostics, plan.Diagnostic{
			Severity: "warning", Code: "SPM0040", Address: w.cfg.Address, Summary: w.cfg.Address + " has no directory yet",
			Detail: fmt.Sprintf("It comes with %s: plan both.", sc.of),
		})
	}
	return ok, err
}

// followedFolder is the folder to which a shortcut leads.
func (s *session) followedFolder(ctx context.Context, w *wanted) (state.ItemID, error) {
	at, err := s.folderPath(ctx, w.drive, w.shortcut.folder)
	w.header.Source.Folder = at
	return w.shortcut.folder, err
}

// followTargets lets the rows of mirrors that follow shortcuts follow their directories, which the mirror that has the
// shortcut moves. A row follows only to where its marker is.
func (s *session) followTargets(ctx context.Context) error {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		of, item, ok := s.nested(row.Address)
		if !ok {
			continue
		}
		up, known, err := s.recordedAs(ctx, of)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		path, ok, err := s.appliedFolder(ctx, up, item)
		if err != nil {
			return err
		}
		at := filepath.Join(up.Target, path)
		if !ok || at == row.Target || !holdsMarker(at, row.Marker) {
			continue
		}
		row.Target = at
		if err := s.putRelocated(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// recordedAs finds the row of a mirror that had an address, which moved blocks may have led elsewhere.
func (s *session) recordedAs(ctx context.Context, address string) (row state.Mirror, known bool, err error) {
	row, known, err = s.store.MirrorByAddress(ctx, address)
	if known || err != nil {
		return row, known, err
	}
	return s.rowOf(ctx, s.cfg.Now(address))
}

// followed is the row of a mirror with its target where it is now.
func (s *session) followed(ctx context.Context, row state.Mirror) (state.Mirror, error) {
	if _, _, ok := s.nested(row.Address); !ok {
		return row, nil
	}
	if err := s.followTargets(ctx); err != nil {
		return row, err
	}
	now, _, err := s.store.MirrorByAddress(ctx, row.Address)
	return now, err
}

// prepareOrWait prepares a mirror of a run. One that follows a shortcut is prepared when the mirror that has the
// shortcut is carried out, for that one makes or moves its directory.
func (s *session) prepareOrWait(ctx context.Context, h *plan.Header, m *plan.Mirror, run *state.RunID) (*apply.Mirror, error) {
	of, item, nested := s.nested(m.Address)
	if !nested || m.Forgotten() || m.Ended() {
		return s.prepare(ctx, m)
	}
	row, known, err := s.plannedRow(ctx, m)
	if err != nil {
		return nil, err
	}
	waits := &apply.Mirror{Plan: m, Key: row.Key, Within: of}
	waits.Prepare = func(ctx context.Context) (why string, err error) {
		if why, err = s.misplaced(ctx, m, of, item); why != "" || err != nil {
			return why, err
		}
		ready, err := s.prepare(ctx, m)
		if err != nil {
			return "", err
		}
		waits.Key, waits.Dir, waits.Reopen = ready.Key, ready.Dir, ready.Reopen
		waits.Source, waits.Beside, waits.Addresses = ready.Source, ready.Beside, ready.Addresses
		if known {
			return "", nil
		}
		return "", s.store.Tx(ctx, func(tx *state.Tx) error { return s.advance(ctx, tx, waits, h.Digest, *run) })
	}
	return waits, nil
}

// misplaced says why the directory of a shortcut is not where a plan wants to fill it.
func (s *session) misplaced(ctx context.Context, m *plan.Mirror, of string, item state.ItemID) (string, error) {
	row, known, err := s.store.MirrorByAddress(ctx, of)
	if err != nil {
		return "", err
	}
	path, ok, err := s.appliedFolder(ctx, row, item)
	if err != nil {
		return "", err
	}
	if !known || !ok || filepath.Join(row.Target, path) != m.Target.Path {
		return of + " could not bring its directory to where the plan has it", nil
	}
	return "", nil
}
