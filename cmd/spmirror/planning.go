package main

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph/quickxor"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/recorded"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// planOptions are the flags of plan that change what is planned.
type planOptions struct {
	plan.Options
	mode         string
	drivesAtOnce int // 0 for the usual number
}

// wanted is one mirror of the configuration on its way into a plan.
type wanted struct {
	cfg    *config.Mirror
	drive  state.Drive
	row    state.Mirror
	header *plan.Mirror
	listed crawl.Report
	bad    []state.Unread // items of the drive that no plan can know
	open   bool           // a run has changed it since it was settled
	look   *plan.Request  // once it is planned
	err    error

	shortcut  *shortcut      // the mirror follows it; nil: it is declared
	base      plan.RelPath   // where its target is in that of the mirror that has the shortcut
	made      bool           // the plan makes the directory
	shortcuts plan.Shortcuts // that lie in the mirror
	layout    *plan.Layout   // of its folders, once it is planned
}

// makePlan refreshes the sources, compares, and judges. The plan must be closed.
func (s *session) makePlan(ctx context.Context, o planOptions) (*plan.Plan, error) {
	if err := errors.Join(s.resolveRelocations(ctx), s.followTargets(ctx)); err != nil {
		return nil, err
	}
	draft, header, err := s.startDraft(ctx, o)
	if err != nil {
		return nil, err
	}
	guards, err := s.compare(ctx, draft, header, o)
	if err != nil {
		return nil, errors.Join(err, draft.Close())
	}
	return s.finish(ctx, draft, header, append(guards, s.guardSpace(header.Mirrors)...))
}

// startDraft makes an empty plan.
func (s *session) startDraft(ctx context.Context, o planOptions) (*plan.Draft, *plan.Header, error) {
	header, err := s.header(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	draft, err := plan.NewDraft(header, os.TempDir())
	return draft, header, err
}

// compare refreshes the sources and fills a draft with what differs.
func (s *session) compare(ctx context.Context, draft *plan.Draft, header *plan.Header, o planOptions) ([]plan.GuardResult, error) {
	if o.mode == plan.ModeDestroy {
		return s.compareForDestroy(ctx, draft, o)
	}
	if err := s.knownAddresses(o); err != nil {
		return nil, err
	}
	globs, err := pathGlobs(o)
	if err != nil {
		return nil, err
	}
	if len(s.cfg.Mirrors) == 0 && s.replay == nil {
		if ended, err := s.allEnded(ctx); err != nil || !ended {
			return nil, errors.Join(err, s.refuseEmpty(ctx))
		}
	}
	refreshed := s.seen.trace.begin("refresh")
	mirrors, err := s.readSources(ctx, o)
	if refreshed(err); err != nil {
		return nil, err
	}
	defer s.seen.trace.begin("plan")(nil)
	var guards []plan.GuardResult
	for _, w := range mirrors {
		if placed, err := s.place(ctx, w, mirrors, header); err != nil || !placed {
			if err != nil {
				return nil, err
			}
			continue
		}
		results, err := s.planMirror(ctx, draft, w, o, globs)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			w.err = err
			w.header.Problem = asDiagnostic(err, w.cfg.Address)
			header.Diagnostics = append(header.Diagnostics, *w.header.Problem)
		}
		guards = append(guards, results...)
		if len(w.bad) > 0 {
			header.Diagnostics = append(header.Diagnostics, warnUnreadable(w.cfg.Address, w.bad))
		}
	}
	s.warnGaps(header)
	ended, err := s.planVanished(ctx, draft, header, o, mirrors)
	if err != nil {
		return nil, err
	}
	if err := warnUnnamed(ctx, header, o, mirrors, globs); err != nil {
		return nil, err
	}
	return append(guards, ended...), nil
}

// imported applies the import blocks of a mirror: its target is a tree that another
// tool copied, and is taken over instead of downloaded.
func (s *session) imported(w *wanted) error {
	for _, i := range s.cfg.Imports {
		if i.To != w.cfg.Address {
			continue
		}
		if i.Path != "" && i.Path != w.cfg.Target {
			return &problem{code: "SPM0271", summary: fmt.Sprintf("The import of %s is not in its target", w.cfg.Address),
				detail: fmt.Sprintf("The files are in %s, the target is %s.\nNothing was changed. Let the target be the directory that holds the files.", i.Path, w.cfg.Target)}
		}
		w.header.Policy.OnUntracked = "adopt"
		if i.Verify == plan.AdoptBySizeTime {
			w.header.Policy.AdoptBy = plan.AdoptBySizeTime
		}
	}
	return nil
}

// refuseEmpty refuses a configuration without mirrors while the state knows some:
// an emptied file must not look like a wish (UX row 49).
func (s *session) refuseEmpty(ctx context.Context) error {
	known, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return &problem{code: "SPM0005", summary: "The configuration declares no mirror", detail: "Add a mirror block; `spmirror init` in an empty directory writes an example."}
	}
	return &problem{
		code: "SPM0006", summary: fmt.Sprintf("The configuration declares no mirror, but the state knows %d", len(known)),
		detail: "Nothing was changed. Is this the right directory? To stop tracking everything, run `spmirror destroy`.",
	}
}

// planMirror plans one mirror into the draft and evaluates its guards.
func (s *session) planMirror(ctx context.Context, draft *plan.Draft, w *wanted, o planOptions, globs *plan.Patterns) ([]plan.GuardResult, error) {
	draft.Mirror(w.header)
	if w.err != nil {
		return nil, w.err
	}
	if err := s.describe(ctx, w); err != nil {
		return nil, err
	}
	guard, stop, replaced := s.sourceChanged(w, o)
	if stop {
		return []plan.GuardResult{guard}, nil
	}
	dir, err := s.openForPlan(ctx, w)
	if err != nil {
		return nil, err
	}
	if dir != nil {
		defer dir.Close()
	}
	req := s.request(w, o, dir)
	req.Full = req.Full || replaced
	layout := plan.NewLayout(req.Store.Applied)
	req.Emit, req.Drift = seen(globs, w.base, laidOut(layout, w.shortcuts, draft.Add)), draft.AddDrift
	if o.mode == plan.ModeRefreshOnly {
		req.Emit = seen(globs, w.base, tellOnly(draft))
	}
	if err := errors.Join(w.rename(req.Emit), s.relocate(w, req.Emit)); err != nil {
		return nil, err
	}
	if err := s.runWithSidecars(ctx, w, &req); err != nil {
		return nil, err
	}
	w.look, w.layout = &req, layout
	return s.guard(ctx, draft, w, req)
}

// laidOut notes what becomes of the folders of a mirror that has shortcuts.
func laidOut(layout *plan.Layout, shortcuts plan.Shortcuts, emit func(plan.Change) error) func(plan.Change) error {
	if len(shortcuts) == 0 {
		return emit
	}
	return func(c plan.Change) error {
		layout.See(&c)
		return emit(c)
	}
}

// describe fills the header of a mirror with what is known of its source.
func (s *session) describe(ctx context.Context, w *wanted) error {
	row, ok, err := s.rowOf(ctx, w.cfg.Address)
	if err != nil {
		return err
	}
	if !ok {
		row = state.Mirror{Address: w.cfg.Address, Drive: w.drive.Key}
	}
	if s.inventory {
		row.Target = sameTarget(row.Target, w.cfg.Target, s.cfg.Dir)
	}
	w.row = row
	folder, err := s.mirrorFolder(ctx, w)
	if err != nil {
		return err
	}
	w.shortcuts = s.shortcutsIn(w)
	h := w.header
	h.Source.Drive, h.Source.DriveID, h.Source.FolderID = w.drive.Name, plan.DriveID(w.drive.ID), plan.ItemID(folder)
	h.Target.Marker, h.Observed = row.Marker, w.drive.Items
	h.Generation = plan.GenerationRef{Base: row.Generation, Observed: plan.Generation(w.drive.Generation)}
	h.Listing = plan.Listing{
		Mode: w.listed.Mode, Reason: w.listed.Reason, Complete: w.drive.Round == nil, Pages: w.listed.Pages,
		AsOf: w.drive.CrawledAt,
	}
	if row.Key == 0 {
		return nil
	}
	files, folders, bytes, err := s.store.EntryCount(ctx, row.Key)
	if err != nil {
		return err
	}
	h.Tracked = plan.Sum{Items: files + folders, Files: files, Folders: folders, Bytes: bytes}
	w.open, err = s.unfinished(ctx, row)
	return err
}

// mirrorFolder finds the folder of a mirror: the one it always had, as long as it
// is where the configuration says.
func (s *session) mirrorFolder(ctx context.Context, w *wanted) (state.ItemID, error) {
	if w.shortcut != nil {
		return s.followedFolder(ctx, w)
	}
	shared, err := s.sharedFolder(ctx, w.cfg)
	if err != nil {
		return "", err
	}
	if shared != "" {
		return s.belowShared(ctx, w, shared)
	}
	if w.row.Folder != "" && w.row.Drive == w.drive.Key {
		at, err := s.folderPath(ctx, w.drive, w.row.Folder)
		if err != nil {
			return "", err
		}
		if sameName(at, w.cfg.Source.Folder) {
			return w.row.Folder, nil
		}
	}
	if w.drive.Root == "" {
		return "", neverRead()
	}
	return s.resolveFolder(ctx, w.drive, w.drive.Root, w.cfg.Source.Folder)
}

// belowShared finds the folder of a mirror from the one that its sharing link led to, wherever that is in its library now.
func (s *session) belowShared(ctx context.Context, w *wanted, shared state.ItemID) (state.ItemID, error) {
	if w.drive.Root == "" {
		return "", neverRead()
	}
	at, err := s.folderPath(ctx, w.drive, shared)
	if err != nil {
		return "", err
	}
	if at == "" {
		return "", &problem{code: "SPM0605", summary: fmt.Sprintf("The shared folder is gone from library %q", w.drive.Name),
			detail: "It was deleted at the source, or moved to another library. The mirror keeps everything;\ncorrect `share_url`, or remove the mirror."}
	}
	return s.resolveFolder(ctx, w.drive, shared, w.cfg.Source.Folder)
}

func neverRead() error {
	return &problem{code: "SPM0606", summary: "The source was never read", detail: "Run `spmirror plan` first, without -refresh=false."}
}

// request is what planning a mirror depends on, without where its changes go.
func (s *session) request(w *wanted, o planOptions, dir *target.Dir) plan.Request {
	naming := target.NamingOf(w.cfg.TargetNames)
	req := plan.Request{
		Mirror: w.header, Since: plan.Generation(w.row.Settled), Full: o.Full || w.row.Settled < w.drive.LogFloor, Unfinished: w.open,
		Store: recorded.Store(s.store, w.row), Verify: o.Verify, Only: o.TargetPaths, Replace: s.replacePaths(o.Replace, w.cfg.Address),
		Base: w.base, Shortcuts: w.shortcuts,
	}
	if dir != nil {
		req.Disk = recorded.Disk{Dir: dir}
		naming.Folding = dir.Capabilities().Folding
	}
	if s.replay != nil {
		req.Disk, req.Drifted = nil, s.replay.driftOf(w.cfg.Address)
	}
	req.Names = recorded.Names{Naming: naming}
	if settled, ok := apply.DecodeSettled(w.row.Select); ok {
		req.Previous, req.PreviousFolder = &settled.Select, plan.ItemID(w.row.Folder)
		now := apply.SettledOf(w.header)
		w.header.ConfigChanges = configChanges(w, settled, now)
		req.Full = req.Full || settled.Notebooks != now.Notebooks || settled.Shortcuts != now.Shortcuts ||
			settled.Names != now.Names || settled.Times != now.Times
	}
	return req
}

// configChanges are the settings of a mirror that differ from those it was last
// applied with.
func configChanges(w *wanted, before, now apply.Settled) []plan.ConfigChange {
	list := before.Changes(now)
	if w.shortcut != nil {
		return list // where it leads to and where it is in the mirror is not configured
	}
	if was, is := w.row.FolderPath, w.cfg.Source.Folder; !strings.EqualFold(was, is) {
		list = append(list, plan.ConfigChange{Path: "folder", Before: was, After: is})
	}
	if was, is := w.row.Target, w.cfg.Target; was != is {
		list = append(list, plan.ConfigChange{Path: "target", Before: was, After: is})
	}
	return list
}

// tellOnly turns changes into drift: -refresh-only proposes nothing.
func tellOnly(draft *plan.Draft) func(plan.Change) error {
	return func(c plan.Change) error {
		if d, ok := plan.SourceDrift(c); ok {
			return draft.AddDrift(d)
		}
		return nil
	}
}

// relocate plans to move the whole target when its path changed in the
// configuration: one rename on disk, never a download.
func (s *session) relocate(w *wanted, emit func(plan.Change) error) error {
	if w.row.Key == 0 || w.row.Target == w.cfg.Target || w.shortcut != nil { // a shortcut moves with the mirror that has it
		return nil
	}
	return emit(plan.Change{
		Mirror: w.cfg.Address, ItemID: w.header.Source.FolderID, Folder: true, Actions: []plan.Action{plan.Move},
		Cause: plan.ByConfig, Reason: plan.TargetMoved, Path: plan.RelPath(w.cfg.Target), PreviousPath: plan.RelPath(w.row.Target),
	})
}

// openForPlan opens the target for reading, unless the state is older than it is.
func (s *session) openForPlan(ctx context.Context, w *wanted) (*target.Dir, error) {
	dir, err := s.openMarked(ctx, w)
	if err != nil || dir == nil {
		return nil, err
	}
	if err := s.notOlder(ctx, w.cfg.Address, dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// openMarked opens the target for reading. A target that does not exist yet is
// none; one that existed and has lost its marker is an error (I-18).
func (s *session) openMarked(ctx context.Context, w *wanted) (*target.Dir, error) {
	if s.inventory || w.row.Key == 0 && w.made {
		return nil, nil
	}
	opts := []target.Option{target.WithReadOnly(), target.WithQuickXor(newQuickXor), target.WithTrash(target.RelPath(w.cfg.Trash.Path))}
	if w.row.Key == 0 {
		if _, err := os.Stat(w.cfg.Target); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		marker, ok := readMarker(w.cfg.Target)
		if !ok {
			return s.openUnmarked(w, opts)
		}
		free, err := s.orphaned(ctx, marker)
		if err != nil {
			return nil, err
		}
		if !free {
			return nil, &problem{code: "SPM0802", summary: "The target belongs to another mirror or another state",
				detail: fmt.Sprintf("%s holds the marker of %s, lineage %s. Nothing was changed.", w.cfg.Target, marker.Mirror, marker.Lineage)}
		}
		return target.Open(w.cfg.Target, marker, opts...)
	}
	marker := target.Marker{UUID: w.row.Marker, Lineage: s.store.Lineage()}
	dir, err := target.Open(targetOf(w.row, w.cfg), marker, opts...)
	if err != nil && !w.cfg.Guard.RequireMarker && errors.Is(err, target.ErrNoMarker) {
		return nil, nil
	}
	return dir, err
}

// targetOf is where the target of a known mirror is: where the configuration says if
// its marker is there, because a relocation may have been cut short, or made by hand.
func targetOf(row state.Mirror, cfg *config.Mirror) string {
	if cfg != nil && cfg.Target != row.Target {
		if have, ok := readMarker(cfg.Target); ok && have.UUID == row.Marker {
			return cfg.Target
		}
	}
	return row.Target
}

// openUnmarked reads a directory that is not a target yet, so that the plan can
// say what lies in the way.
func (s *session) openUnmarked(w *wanted, opts []target.Option) (*target.Dir, error) {
	dir, err := target.OpenUnmarked(w.cfg.Target, opts...)
	if err != nil {
		return nil, fmt.Errorf("open target %q: %w", w.cfg.Target, err)
	}
	return dir, nil
}

func readMarker(dir string) (target.Marker, bool) {
	m, err := target.ReadMarker(dir)
	return m, err == nil
}

// finish seals the plan's counts and judgement, and gives it the time of an
// identical plan made shortly before: same inputs, same bytes (I-44).
func (s *session) finish(ctx context.Context, draft *plan.Draft, h *plan.Header, guards []plan.GuardResult) (*plan.Plan, error) {
	p := draft.Finish(s.env.now(), guards, nil)
	s.judge(p)
	content, err := p.ContentDigest()
	if err != nil {
		return nil, err
	}
	last, err := s.store.Meta(ctx, "plan:last")
	if err != nil {
		return nil, err
	}
	digest, stamp, _ := strings.Cut(last, " ")
	if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && digest == content && s.env.now().Sub(at) < s.cfg.PlanMaxAge/2 {
		h.Created = at
	} else {
		err := s.store.Tx(ctx, func(tx *state.Tx) error {
			return tx.SetMeta("plan:last", content+" "+h.Created.Format(time.RFC3339Nano))
		})
		if err != nil {
			return nil, err
		}
	}
	h.Expires = h.Created.Add(s.cfg.PlanMaxAge)
	p.Identify(content)
	return p, nil
}

func newQuickXor() hash.Hash { return quickxor.New() }
