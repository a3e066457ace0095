package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
)

func destroyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "destroy",
		Usage: "forget everything; the files stay unless -delete-files is given",
		Description: "Plans to stop tracking all mirrors, shows the plan and asks. No file is touched. With -delete-files\n" +
			"the plan also deletes what spmirror wrote: guards judge it like any other plan, files that changed\n" +
			"since are left, and deleted bytes go to the trash as lifecycle.on_remote_delete says.\n\n" +
			"Exit codes: as apply. `spmirror plan -destroy -out=FILE` saves the plan for a review.",
		Flags: applyFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := c.Set("destroy", "true"); err != nil {
				return err
			}
			return observe(ctx, env, c, func(ctx context.Context, seen observers) error { return runApply(ctx, env, c, seen) })
		},
	}
}

// destroyFlags are those that make a plan one of destruction.
func destroyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "destroy", Usage: "plan to forget everything instead"},
		&cli.BoolFlag{Name: "delete-files", Usage: "with -destroy: also delete the files that were written"},
	}
}

// destroyOptions turns plan options into those of a destroy.
func destroyOptions(c *cli.Command, o *planOptions) error {
	o.DeleteFiles = c.Bool("delete-files")
	if !c.Bool("destroy") {
		if o.DeleteFiles {
			return &problem{code: "SPM0002", summary: "-delete-files needs -destroy"}
		}
		return nil
	}
	for _, name := range []string{"target-path", "replace", "refresh-only", "full", "verify"} {
		if c.IsSet(name) {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("-destroy and -%s exclude each other", name)}
		}
	}
	o.mode, o.NoRefresh = plan.ModeDestroy, true
	return nil
}

// compareForDestroy plans to end mirrors. It needs the recorded data only. A mirror that is not
// declared any more is forgotten and never deleted: the configuration that would say so is gone (I-28).
func (s *session) compareForDestroy(ctx context.Context, draft *plan.Draft, o planOptions) ([]plan.GuardResult, error) {
	rows, err := s.doomed(ctx, o)
	if err != nil {
		return nil, err
	}
	var guards []plan.GuardResult
	for _, row := range rows {
		cfg := s.configOf(row)
		if cfg == nil || !o.DeleteFiles {
			err := plan.ForgetMirror(ctx, draft, recorded.Store(s.store, row).Applied, plan.Gone{
				Address: row.Address, Target: row.Target, Generation: row.Generation, Reason: plan.DestroyRequested,
			})
			if err != nil {
				return nil, err
			}
			continue
		}
		results, err := s.planEnd(ctx, draft, &ending{row: row, cfg: cfg, reason: plan.DestroyRequested}, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.Address, err)
		}
		guards = append(guards, results...)
	}
	return guards, nil
}

// doomed are the mirrors of the state that a destroy is about.
func (s *session) doomed(ctx context.Context, o planOptions) ([]state.Mirror, error) {
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	for _, pattern := range slices.Concat(o.Targets, o.Excludes) {
		if s.replay != nil {
			break // an earlier run of the plan may have ended the mirror
		}
		if _, err := s.recordedMirrors(ctx, pattern); err != nil {
			return nil, err
		}
	}
	var list []state.Mirror
	for _, row := range rows {
		if s.named(row.Address, o.Targets, true) && !s.named(row.Address, o.Excludes, false) {
			list = append(list, row)
		}
	}
	return list, nil
}

// ending is a mirror whose files are to be deleted.
type ending struct {
	row    state.Mirror
	cfg    *config.Mirror
	reason plan.Reason
	header *plan.Mirror // set once the mirror is in the plan
}

// planEnd plans the deletes of one mirror and evaluates its guards.
func (s *session) planEnd(ctx context.Context, draft *plan.Draft, e *ending, o planOptions) ([]plan.GuardResult, error) {
	row, cfg := e.row, e.cfg
	drive, err := s.driveOf(ctx, row)
	if err != nil {
		return nil, err
	}
	files, folders, bytes, err := s.store.EntryCount(ctx, row.Key)
	if err != nil {
		return nil, err
	}
	judged := *cfg
	// These guards look for accidents at the source, which a destroy does not ask; that everything
	// goes is what max_delete_percent is about.
	judged.Guard.RequireNonemptySource, judged.Guard.MaxChangePercent, judged.Guard.MaxFolderDeletePercent = false, nil, nil
	w := &wanted{cfg: &judged, drive: drive, row: row, header: mirrorHeader(cfg)}
	h := w.header
	// It ends under the name by which it is known, with all that is kept beside its items.
	h.Address = row.Address
	h.Policy.Permissions, h.Policy.Columns, h.Policy.Versions = "", nil, ""
	h.ActionReason, h.Actions = string(e.reason), []string{"delete"}
	h.Source.Tenant, h.Source.Drive, h.Source.DriveID = drive.Tenant, drive.Name, plan.DriveID(drive.ID)
	h.Source.Folder, h.Source.FolderID = row.FolderPath, plan.ItemID(row.Folder)
	h.Target.Path, h.Target.Marker, h.Observed = row.Target, row.Marker, drive.Items
	h.Generation = plan.GenerationRef{Base: row.Generation, Observed: plan.Generation(drive.Generation)}
	h.Listing = plan.Listing{Mode: "recorded", Complete: true, AsOf: drive.CrawledAt}
	h.Tracked = plan.Sum{Items: files + folders, Files: files, Folders: folders, Bytes: bytes}
	e.header = h
	draft.Mirror(h)
	dir, err := s.openForPlan(ctx, w)
	if err != nil {
		return nil, err
	}
	if dir != nil {
		defer dir.Close()
	}
	if err := plan.DestroyMirror(ctx, draft, recorded.Store(s.store, row).Applied, h); err != nil {
		return nil, err
	}
	req := s.request(w, o, dir)
	h.ConfigChanges = nil // what it would have been changed to is of no interest any more
	return s.guard(ctx, draft, w, req)
}

// forgetEmptied ends what was to be deleted: mirrors that have nothing on disk any more leave the state. One
// with files that could not be deleted stays, so that the next run can go on.
func (s *session) forgetEmptied(ctx context.Context, h *plan.Header) error {
	for _, m := range h.Mirrors {
		if !m.Ended() && !m.Forgotten() {
			continue
		}
		row, known, err := s.store.MirrorByAddress(ctx, m.Address)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		files, folders, _, err := s.store.EntryCount(ctx, row.Key)
		if err != nil {
			return err
		}
		if files+folders > 0 {
			continue
		}
		if err := s.store.Tx(ctx, func(tx *state.Tx) error { return tx.ForgetMirror(row.Key) }); err != nil {
			return err
		}
	}
	return nil
}
