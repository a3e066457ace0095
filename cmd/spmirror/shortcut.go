package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// A mirror with content { shortcuts = "follow" } leads to further mirrors: one for each shortcut to a folder that
// lies in it. Nobody declares them. They follow from the configuration and from what was last observed, so they
// are found anew by each command, and they have the settings of the mirror that has the shortcut. Their address
// is that mirror's with the id of the shortcut, which a rename does not change.

// shortcut is one that a mirror has in its folder.
type shortcut struct {
	of      string          // address of the mirror that has it
	item    state.ItemID    // its id in the drive of that mirror
	path    plan.RemotePath // where it is below the folder of that mirror
	drive   state.DriveID   // where it leads to
	folder  state.ItemID
	why     string // it is not followed
	refused error  // what it leads to cannot be read now
}

// nesting joins the parts of the address of a followed shortcut.
const nesting = ".shortcut["

func nestedAddress(of string, item state.ItemID) string {
	return of + nesting + strconv.Quote(string(item)) + "]"
}

// nested takes the address of a followed shortcut apart: the mirror that has it, and its id.
func (s *session) nested(address string) (of string, item state.ItemID, ok bool) {
	at := strings.LastIndex(address, nesting)
	if at < 0 || !strings.HasSuffix(address, "]") || slices.ContainsFunc(s.declared, func(m config.Mirror) bool { return m.Address == address }) {
		return "", "", false
	}
	id, err := strconv.Unquote(address[at+len(nesting) : len(address)-1])
	return address[:at], state.ItemID(id), err == nil && strings.Contains(address[:at], "mirror.")
}

// shortcut finds the shortcut that a mirror follows, nil if it follows none.
func (s *session) shortcut(address string) *shortcut {
	for _, sc := range s.shortcuts {
		if nestedAddress(sc.of, sc.item) == address {
			return sc
		}
	}
	return nil
}

// follow brings the mirrors that follow shortcuts up to what is known of the shortcuts now.
func (s *session) follow(ctx context.Context) error {
	if err := s.findNested(ctx); err != nil {
		return err
	}
	s.shortcuts = nil
	mirrors := slices.Clone(s.declared)
	for i := range s.declared {
		m := &s.declared[i]
		list, err := s.shortcutsOf(ctx, m)
		if err != nil {
			return fmt.Errorf("shortcuts of %s: %w", m.Address, err)
		}
		for _, sc := range list {
			if err := s.followOne(ctx, m, sc, &mirrors); err != nil {
				return fmt.Errorf("shortcuts of %s: %w", m.Address, err)
			}
		}
		s.shortcuts = append(s.shortcuts, list...)
	}
	cfg := *s.cfg
	cfg.Mirrors = mirrors
	s.configure(&cfg)
	return nil
}

// followOne adds the mirror that follows a shortcut: what the mirror that has it is, at another source.
func (s *session) followOne(ctx context.Context, m *config.Mirror, sc *shortcut, mirrors *[]config.Mirror) error {
	if sc.why != "" {
		return nil
	}
	f := *m
	f.Address, f.Source = nestedAddress(m.Address, sc.item), config.Source{DriveID: string(sc.drive), Folder: "/"}
	f.Content.Shortcuts = "skip" // one step: no circle, and no way out of what somebody chose to share (C27)
	var err error
	if f.Target, err = s.targetNow(ctx, m, sc); err != nil {
		return err
	}
	if sc.why == "" {
		*mirrors = append(*mirrors, f)
	}
	return nil
}

// targetNow is where the directory of a shortcut is on disk, or where it will be if nothing is in its way.
func (s *session) targetNow(ctx context.Context, m *config.Mirror, sc *shortcut) (string, error) {
	row, known, err := s.rowOf(ctx, m.Address)
	if err != nil {
		return "", err
	}
	if known {
		path, ok, err := s.appliedFolder(ctx, row, sc.item)
		if err != nil || ok {
			return filepath.Join(targetOf(row, m), path), err
		}
	}
	at := m.Target
	for name := range strings.SplitSeq(string(sc.path), "/") {
		local, err := target.NamingOf(m.TargetNames).Local(name)
		if err != nil {
			sc.why = err.Error()
			return "", nil
		}
		at = filepath.Join(at, string(local))
	}
	return at, nil
}

// appliedFolder is where a folder of a mirror is below its target; ok is false if it is nowhere.
func (s *session) appliedFolder(ctx context.Context, row state.Mirror, item state.ItemID) (path string, ok bool, err error) {
	local, ok, err := plan.NewLayout(recorded.Store(s.store, row).Applied).Path(ctx, plan.ItemID(item))
	return filepath.FromSlash(string(local)), ok, err
}

// shortcutsOf finds the shortcuts in the folder of a mirror that follows them. As long as the mirror's own source is
// not found there are none: then nothing of it is planned.
func (s *session) shortcutsOf(ctx context.Context, m *config.Mirror) ([]*shortcut, error) {
	if m.Content.Shortcuts != "follow" {
		return nil, nil
	}
	drive, root, err := s.observedFolder(ctx, m)
	if err != nil || root == "" {
		return nil, err
	}
	selection, err := mirrorHeader(m).Select.Compile()
	if err != nil {
		return nil, err
	}
	var items []state.Item
	for it, err := range s.store.Shortcuts(ctx, drive.Key) {
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	var list []*shortcut
	for _, it := range items {
		path, inside, err := s.pathFrom(ctx, drive, root, it.ID)
		if err != nil {
			return nil, err
		}
		if !inside {
			continue
		}
		sc := &shortcut{of: m.Address, item: it.ID, path: plan.RemotePath(path)}
		if sc.why, err = s.lead(ctx, sc, it.Note, drive, root, selection); err != nil {
			return nil, err
		}
		list = append(list, sc)
	}
	return list, nil
}

// observedFolder is the folder of a mirror as it was read last, "" if it was not.
func (s *session) observedFolder(ctx context.Context, m *config.Mirror) (state.Drive, state.ItemID, error) {
	w := &wanted{cfg: m}
	row, known, err := s.rowOf(ctx, m.Address)
	if err != nil {
		return w.drive, "", err
	}
	if known {
		w.row = row
		w.drive, err = s.driveOf(ctx, row)
	} else {
		w.drive, known, err = s.knownDrive(ctx, m)
	}
	if err != nil || !known {
		return w.drive, "", err
	}
	root, err := s.mirrorFolder(ctx, w)
	if missing := (*problem)(nil); errors.As(err, &missing) {
		return w.drive, "", nil
	}
	return w.drive, root, err
}

// lead notes where a shortcut leads to, and says why it is not followed.
func (s *session) lead(ctx context.Context, sc *shortcut, note string, drive state.Drive, root state.ItemID, selection *plan.Selector) (why string, err error) {
	var file bool
	sc.drive, sc.folder, file = state.RemoteOf(note)
	switch {
	case file:
		return "it leads to a file", nil
	case sc.drive == "" || sc.folder == "":
		return "the service does not say where it leads to", nil
	case !selection.Reaches(sc.path):
		return "the selection leaves it out", nil
	case sc.drive == drive.ID:
		return s.overlap(ctx, drive, root, sc.folder)
	}
	return "", nil
}

// overlap says why a folder of the mirror's own drive is not followed.
func (s *session) overlap(ctx context.Context, drive state.Drive, root, folder state.ItemID) (why string, err error) {
	_, inside, err := s.pathFrom(ctx, drive, root, folder)
	if err != nil || inside {
		return "it leads into the mirror itself", err
	}
	_, above, err := s.pathFrom(ctx, drive, folder, root)
	if err != nil || above {
		return "it leads to a folder that holds the mirror", err
	}
	return "", nil
}

// findNested finds the folders of mirrors that are targets of others, which follow their shortcuts.
func (s *session) findNested(ctx context.Context) error {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	s.nestedIn = make(map[string]map[state.ItemID]bool)
	for _, row := range rows {
		of, item, ok := s.nested(row.Address)
		if !ok {
			continue
		}
		for _, of := range []string{of, s.cfg.Now(of)} { // it may have another address by now, and they not yet
			if s.nestedIn[of] == nil {
				s.nestedIn[of] = make(map[state.ItemID]bool)
			}
			s.nestedIn[of][item] = true
		}
	}
	return nil
}

// shortcutsIn is what planning a mirror has to know of its shortcuts: those that are there, and those that were
// followed and are not found any more.
func (s *session) shortcutsIn(w *wanted) plan.Shortcuts {
	list := make(plan.Shortcuts)
	for _, address := range []string{w.row.Address, w.cfg.Address} { // it may have moved, and the others with it
		for item := range s.nestedIn[address] {
			list[plan.ItemID(item)] = "it is not followed any more"
		}
	}
	for _, sc := range s.shortcuts {
		if sc.of != w.cfg.Address {
			continue
		}
		why := sc.why
		if _, has := list[plan.ItemID(sc.item)]; sc.refused != nil && !has {
			why = "what it leads to cannot be read"
		}
		list[plan.ItemID(sc.item)] = why
	}
	return list
}
