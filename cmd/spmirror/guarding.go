package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// sourceChanged guards against another drive or folder under the same name
// (require_same_source). -replace=ADDR accepts it: the mirror then becomes what
// the new source is, through the plan and its guards.
func (s *session) sourceChanged(w *wanted, o planOptions) (guard plan.GuardResult, stop, replaced bool) {
	was := w.row.Key != 0
	same := w.row.Drive == w.drive.Key && string(w.row.Folder) == string(w.header.Source.FolderID)
	if !was || same {
		return plan.GuardResult{}, false, false
	}
	if !w.cfg.Guard.RequireSameSource || s.named(w.cfg.Address, addresses(o.Replace), false) {
		w.row.Drive, w.row.Folder = w.drive.Key, state.ItemID(w.header.Source.FolderID)
		return plan.GuardResult{}, false, true
	}
	return plan.GuardResult{
		Name: "require_same_source", Mirror: w.cfg.Address, Status: plan.GuardBlocked,
		Value: "another source", Limit: "the same", Detail: "-replace=" + w.cfg.Address + " accepts it",
	}, true, false
}

// guard evaluates the guards of a planned mirror.
func (s *session) guard(ctx context.Context, draft *plan.Draft, w *wanted, req plan.Request) ([]plan.GuardResult, error) {
	judge := func(m *plan.Mirror, deletes map[string]int64) ([]plan.GuardResult, error) {
		return guardsOf(ctx, w, req, m, deletes)
	}
	if s.replay != nil {
		s.replay.judges[w.header.Address] = judge
		return nil, nil
	}
	return judge(w.header, draft.TopDeletes(w.header.Address))
}

// guardsOf evaluates the guards of a mirror on counts of its changes.
func guardsOf(ctx context.Context, w *wanted, req plan.Request, m *plan.Mirror, deletes map[string]int64) ([]plan.GuardResult, error) {
	g := w.cfg.Guard
	limits := plan.Limits{
		MaxDeleteCount: g.MaxDeleteCount, MaxDeletePercent: g.MaxDeletePercent, MaxDeleteBytes: g.MaxDeleteBytes,
		MaxFolderDeletePercent: g.MaxFolderDeletePercent, MaxChangePercent: g.MaxChangePercent,
		MaxDownloadBytes: g.MaxDownloadBytes, MaxFiles: g.MaxFiles,
		RequireNonemptySource: g.RequireNonemptySource,
	}
	tops, err := limits.TopFolders(ctx, deletes, req.Store.Applied, req.Names)
	if err != nil {
		return nil, err
	}
	results := limits.Guard(m, tops)
	if g.RequireCompleteListing && !m.Listing.Complete && m.Summary[plan.Delete].Items > 0 {
		results = append(results, plan.GuardResult{
			Name: "require_complete_listing", Mirror: m.Address, Status: plan.GuardBlocked,
			Value: "incomplete", Limit: "complete", Detail: "the source was not read to its end",
		})
	}
	placeGuards(results, w.cfg)
	return results, nil
}

// placeGuards says where the limits are configured.
func placeGuards(results []plan.GuardResult, cfg *config.Mirror) {
	for i := range results {
		if r, ok := cfg.GuardRanges[results[i].Name]; ok {
			results[i].Range = fmt.Sprintf("%s:%d", filepath.Base(r.Filename), r.Start.Line)
		}
	}
}

// guardSpace evaluates min_free_space of all mirrors of a plan.
func (s *session) guardSpace(mirrors []*plan.Mirror) []plan.GuardResult {
	var list []plan.Demand
	for _, m := range mirrors {
		d := plan.Demand{Mirror: m}
		if cfg := s.mirror(m.Address); cfg != nil && !m.Forgotten() && !m.Ended() {
			d.Limit, d.Space = cfg.Guard.MinFreeSpace, s.freeSpace(m.Target.Path)
		}
		list = append(list, d)
	}
	results := plan.GuardSpace(list)
	for i := range results {
		placeGuards(results[i:i+1], s.mirror(results[i].Mirror))
	}
	return results
}

// reserved is how much of its disk a mirror leaves free in any case: min_free_space, unless it was overridden.
func (s *session) reserved(h *plan.Header, address string) int64 {
	cfg := s.mirror(address)
	if cfg == nil || cfg.Guard.MinFreeSpace == nil || overridden(h, address, "min_free_space") {
		return 0
	}
	return *cfg.Guard.MinFreeSpace
}

// allowance is what the downloads of a plan leave of max_download_bytes to earlier versions, nil without that limit.
func (s *session) allowance(h *plan.Header, m *plan.Mirror) *int64 {
	cfg := s.mirror(m.Address)
	if cfg == nil || cfg.Guard.MaxDownloadBytes == nil || overridden(h, m.Address, "max_download_bytes") {
		return nil
	}
	left := max(0, *cfg.Guard.MaxDownloadBytes-m.Summary[plan.Add].Bytes-m.Summary[plan.Update].Bytes)
	return &left
}

func overridden(h *plan.Header, address, guard string) bool {
	return slices.ContainsFunc(h.Guards, func(g plan.GuardResult) bool {
		return g.Mirror == address && g.Name == guard && g.Status == plan.GuardOverridden
	})
}

// freeSpace of the disk that holds the target, or the directory in which it will be made.
func (s *session) freeSpace(path string) plan.Space {
	if s.inventory {
		return plan.Space{}
	}
	for {
		free, device, err := target.FreeAt(path)
		if err == nil {
			return plan.Space{Known: free >= 0, Device: device, Free: free}
		}
		up := filepath.Dir(path)
		if up == path {
			return plan.Space{}
		}
		path = up
	}
}
