package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// recoverAll resolves what a killed run left open in all mirrors, before a plan is
// made on top of it. It returns the addresses of those in which something was open.
func (s *session) recoverAll(ctx context.Context) (recovered []string, err error) {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		open := false
		for _, err := range s.store.Intents(ctx, row.Key) {
			if err != nil {
				return nil, err
			}
			open = true
			break
		}
		if !open {
			continue
		}
		if row, err = s.followed(ctx, row); err != nil {
			return nil, err
		}
		at := targetOf(row, s.configOf(row))
		dir, err := target.Open(at, target.Marker{UUID: row.Marker, Lineage: s.store.Lineage()}, s.targetOptions(row.Address)...)
		if err != nil {
			return nil, err
		}
		if err = s.notOlder(ctx, row.Address, dir); err == nil {
			err = s.recoverOne(ctx, row, dir)
		}
		dir.Close()
		if err != nil {
			return nil, err
		}
		recovered = append(recovered, row.Address)
	}
	return recovered, nil
}

// recoverOne writes to the target, so it holds its lock (I-38).
func (s *session) recoverOne(ctx context.Context, row state.Mirror, dir *target.Dir) error {
	lock, err := lockTarget(ctx, dir, row.Address)
	if err != nil {
		return err
	}
	return errors.Join(apply.Recover(ctx, s.store, row.Key, dir), lock.Unlock())
}

// mirror returns the configuration of an address, nil if it is not declared.
func (s *session) mirror(address string) *config.Mirror {
	if i, ok := s.declaredAt[address]; ok {
		return &s.cfg.Mirrors[i]
	}
	return nil
}

func (s *session) targetOptions(address string) []target.Option {
	opts := []target.Option{target.WithQuickXor(newQuickXor), target.WithSync(target.SyncBatch)}
	if m := s.configOf(state.Mirror{Address: address}); m != nil {
		opts = append(opts, target.WithTrash(target.RelPath(trashPath(m))))
		if m.FileMode != 0 { // a mirror that a removed block ends makes nothing
			opts = append(opts, target.WithModes(m.FileMode, m.DirectoryMode))
		}
	}
	return opts
}

// changes is what a plan and a saved plan have in common.
type changes interface {
	apply.Changes
	Changes() iter.Seq2[plan.Change, error]
}

// executing says what else is known of a plan that is carried out.
type executing struct {
	file  string // it was saved in
	found vetted
}

// execute carries a plan out and reports.
func (s *session) execute(ctx context.Context, c *cli.Command, h *plan.Header, list changes, how executing) error {
	if err := s.backup(ctx, h); err != nil {
		return err
	}
	mirrors := make(map[string]*apply.Mirror)
	defer func() {
		for _, m := range mirrors {
			if m.Dir != nil {
				m.Dir.Close()
			}
		}
	}()
	var run state.RunID // known once its mirrors are
	for _, m := range h.Mirrors {
		if !m.Planned() || h.Mode == plan.ModeRefreshOnly || m.Changes() == 0 && m.Summary[plan.Blocked].Items == 0 && m.Generation.Base > 0 {
			continue
		}
		am, err := s.prepareOrWait(ctx, h, m, &run)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Address, err)
		}
		am.Reserve, am.Allowance = s.reserved(h, m.Address), s.allowance(h, m)
		am.Lacks = how.found.lacks[m.Address]
		mirrors[m.Address] = am
	}
	var err error
	if run, err = s.begin(ctx, h, mirrors); err != nil {
		return err
	}
	job := apply.Job{
		Store: s.store, Header: h, Changes: list, Saved: how.file != "", Mirrors: mirrors,
		Overtaken: how.found.overtaken, Run: run, Workers: downloadsWithin(maxOpenFiles(), int(c.Int("parallelism"))),
		FailFast: c.Bool("fail-fast"), Observer: s.notice, Log: s.log, Now: s.env.now,
	}
	applied := s.seen.trace.begin("apply")
	report, err := job.Execute(ctx)
	applied(err)
	err = errors.Join(err, s.followTargets(context.WithoutCancel(ctx)))
	s.notice.close()
	if report != nil {
		report.Traffic = s.traffic()
		report.Messages = append(report.Messages, notPlanned(h)...)
	}
	if report == nil {
		return errors.Join(err, s.end(ctx, run, "error", exitError, nil))
	}
	if err != nil { // what stopped one mirror did not stop the others
		return errors.Join(stopped(err, report), s.end(ctx, run, "error", exitError, report), s.report(context.WithoutCancel(ctx), c, report, how.file))
	}
	code := reportStatus(report, h)
	if err := s.end(ctx, run, resultOf(report), code, report); err != nil {
		return err
	}
	if err := s.markApplied(ctx, h, mirrors, run, report); err != nil {
		return err
	}
	if err := errors.Join(s.forgetEmptied(ctx, h), s.carryUnplanned(ctx, h)); err != nil {
		return err
	}
	if err := s.report(ctx, c, report, how.file); err != nil {
		return err
	}
	if code != exitOK {
		err = exitStatus(code)
	}
	return s.endStreams("apply", err, report)
}

// notPlanned says of which mirrors nothing was done, and why: the run is incomplete for them.
func notPlanned(h *plan.Header) (list []string) {
	for _, m := range h.Mirrors {
		if p := m.Problem; p != nil {
			list = append(list, fmt.Sprintf("Nothing was done for %s, which could not be planned: %s [%s]", m.Address, p.Summary, p.Code))
		}
	}
	return list
}

// backup copies the state before a run that deletes (I-40).
func (s *session) backup(ctx context.Context, h *plan.Header) error {
	if h.Totals.Count(plan.Delete) == 0 {
		return nil
	}
	if _, err := s.store.Backup(ctx, stateBackups); err != nil {
		return &problem{code: "SPM0705", summary: "The state could not be backed up before deleting", err: err, detail: "Nothing was done."}
	}
	return nil
}

// stateBackups is how many rotated copies of the state are kept.
const stateBackups = 5

// prepare makes sure that a mirror has its row, its marker and an open target.
func (s *session) prepare(ctx context.Context, m *plan.Mirror) (*apply.Mirror, error) {
	row, known, err := s.plannedRow(ctx, m)
	if err != nil {
		return nil, err
	}
	if m.Forgotten() {
		return &apply.Mirror{Plan: m, Key: row.Key}, nil
	}
	marker := target.Marker{UUID: row.Marker, Lineage: s.store.Lineage()}
	switch {
	case !known && m.Ended():
		return &apply.Mirror{Plan: m}, nil // an earlier run of this plan ended it
	case !known:
		row, marker, err = s.establish(ctx, m)
	default:
		if err = s.carryRename(ctx, m, &row); err == nil {
			err = s.reestablish(ctx, m, &row, marker)
		}
	}
	if err != nil {
		return nil, err
	}
	am := &apply.Mirror{Plan: m, Key: row.Key}
	if err := s.hold(ctx, am, row.Target, marker); err != nil || m.Ended() { // nothing is read from a source that may not be declared any more
		return am, err
	}
	c, err := s.client(m.Source.Tenant)
	if err != nil {
		return nil, err
	}
	am.Source, am.Beside, am.Addresses = c.Client, c.Client, c.addresses
	return am, nil
}

// hold opens the target of a mirror and takes its lock. Beyond what may be open at once a target is looked at now, so that whatever is
// wrong with it is found before anything is done, and opened again when its turn comes.
func (s *session) hold(ctx context.Context, am *apply.Mirror, at string, marker target.Marker) (err error) {
	open := func(ctx context.Context) (*target.Dir, func(), error) { return s.openLocked(ctx, am.Plan, at, marker) }
	var release func()
	if am.Dir, release, err = open(ctx); err != nil {
		return err
	}
	if s.held++; s.held > targetsWithin(maxOpenFiles()) {
		am.Reopen = open
		release()
		return nil
	}
	s.closers = append(s.closers, release)
	return nil
}

// openLocked opens a target to change it. What it returns besides gives lock and target back.
func (s *session) openLocked(ctx context.Context, m *plan.Mirror, at string, marker target.Marker) (*target.Dir, func(), error) {
	dir, err := target.Open(at, marker, s.targetOptions(m.Address)...)
	if err != nil {
		return nil, nil, err
	}
	if err = s.notOlder(ctx, m.Address, dir); err == nil {
		err = sign(dir, m)
	}
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	lock, err := lockTarget(ctx, dir, m.Address)
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	return dir, func() { _ = lock.Unlock(); dir.Close() }, nil
}

// sign lets the marker name the mirror and the drive whose files are there from now on:
// init knew no drive yet, a directory may be taken over, a mirror renamed or led elsewhere.
func sign(dir *target.Dir, m *plan.Mirror) error {
	next := dir.Marker()
	if m.Ended() || next.Mirror == m.Address && next.DriveID == string(m.Source.DriveID) {
		return nil
	}
	next.Mirror, next.DriveID = m.Address, string(m.Source.DriveID)
	return dir.Adopt(next)
}

// establish makes the row and the target of a new mirror. A directory with files
// in it is accepted: the plan has said what becomes of those in the way, and the
// others stay as they are.
func (s *session) establish(ctx context.Context, m *plan.Mirror) (state.Mirror, target.Marker, error) {
	marker := target.NewMarker(s.store.Lineage(), m.Address, string(m.Source.DriveID), s.env.now())
	if have, marked := readMarker(m.Target.Path); marked {
		free, err := s.orphaned(ctx, have)
		if err != nil {
			return state.Mirror{}, marker, err
		}
		if free {
			marker = have
		}
	}
	err := target.Init(m.Target.Path, marker, append(s.targetOptions(m.Address), target.AllowNonEmpty())...)
	if err != nil {
		return state.Mirror{}, marker, err
	}
	if marker, err = target.ReadMarker(m.Target.Path); err != nil {
		return state.Mirror{}, marker, err
	}
	cfg := s.mirror(m.Address)
	drive, ok, err := s.store.DriveByID(ctx, m.Source.Tenant, state.DriveID(m.Source.DriveID))
	if err != nil || !ok || cfg == nil {
		return state.Mirror{}, marker, fmt.Errorf("drive of %s is not known: %w", m.Address, errors.Join(err, fs.ErrNotExist))
	}
	row := state.Mirror{
		Address: m.Address, Drive: drive.Key, Folder: state.ItemID(m.Source.FolderID), FolderPath: m.Source.Folder,
		Target: m.Target.Path, Marker: marker.UUID, Created: s.env.now(),
	}
	err = s.store.Tx(ctx, func(tx *state.Tx) (err error) {
		row.Key, err = tx.PutMirror(row)
		return err
	})
	return row, marker, err
}

// reestablish brings the row of a mirror to the source and target of the plan: the
// directory is moved first, so that the row never names a path that is not there.
func (s *session) reestablish(ctx context.Context, m *plan.Mirror, row *state.Mirror, marker target.Marker) error {
	drive, ok, err := s.store.DriveByID(ctx, m.Source.Tenant, state.DriveID(m.Source.DriveID))
	if err != nil || !ok {
		return fmt.Errorf("drive of %s is not known: %w", m.Address, errors.Join(err, fs.ErrNotExist))
	}
	same := row.Drive == drive.Key && row.Folder == state.ItemID(m.Source.FolderID)
	if same && row.Target == m.Target.Path {
		return nil
	}
	if _, _, nested := s.nested(m.Address); row.Target != m.Target.Path && !nested {
		if err := s.moveTarget(ctx, *row, m.Target.Path, marker); err != nil {
			return err
		}
	}
	row.Drive, row.Folder, row.FolderPath, row.Target = drive.Key, state.ItemID(m.Source.FolderID), m.Source.Folder, m.Target.Path
	return s.putRelocated(ctx, *row)
}
