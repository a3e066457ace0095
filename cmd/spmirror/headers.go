package main

import (
	"context"
	"slices"
	"time"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
)

// header starts the header of a plan.
func (s *session) header(ctx context.Context, o planOptions) (*plan.Header, error) {
	serial, err := s.store.Serial(ctx)
	if err != nil {
		return nil, err
	}
	h := &plan.Header{
		SpmirrorVersion: version, Mode: o.mode, Options: o.Options, Speculative: s.inventory,
		State: plan.StateRef{Path: s.cfg.Backend.Path, Lineage: s.store.Lineage(), Serial: serial},
	}
	last, ok, err := s.store.LastRun(ctx, kindPlan) // to save a plan changes nothing
	if err != nil {
		return nil, err
	}
	if ok {
		h.State.LastRun = last.Ended.UTC().Truncate(time.Second)
	}
	h.Configuration = plan.Configuration{Digest: s.cfg.Digest}
	h.Configuration.Commit, h.Configuration.Branch = commitOf(s.cfg.Dir, s.env)
	for _, f := range s.cfg.Files {
		h.Configuration.Files = append(h.Configuration.Files, plan.FileRef{Name: f.Name, Digest: f.Digest, Content: f.Bytes})
	}
	for _, v := range s.cfg.Variables {
		pv := plan.Variable{Name: v.Name, Sensitive: v.Sensitive}
		if !v.Sensitive {
			pv.Value = v.Value
		}
		h.Variables = append(h.Variables, pv)
	}
	for _, t := range s.cfg.Tenants {
		ref := plan.TenantRef{Name: t.Name, TenantID: t.TenantID, Environment: t.Environment, Auth: t.Auth.Method}
		if t.Sandbox != nil {
			ref.Environment, ref.Auth = "sandbox", "none"
		}
		h.Tenants = append(h.Tenants, ref)
	}
	return h, nil
}

// mirrorHeader is the part of a mirror's header that the configuration decides.
func mirrorHeader(m *config.Mirror) *plan.Mirror {
	site := m.Source.Site
	for _, s := range []string{m.Source.SiteID, m.Source.User, m.Source.Group, m.Source.ShareURL} {
		if site == "" {
			site = s
		}
	}
	return &plan.Mirror{
		Address: m.Address,
		Source:  plan.SourceRef{Tenant: m.Tenant, Site: site, Drive: m.Source.Drive, DriveID: plan.DriveID(m.Source.DriveID), Folder: m.Source.Folder},
		Target:  plan.TargetRef{Path: m.Target, Names: m.TargetNames},
		Policy: plan.Policy{
			PreventDelete: m.Lifecycle.PreventDelete, OnRemoteDelete: m.Lifecycle.OnRemoteDelete, OnDeselect: m.Lifecycle.OnDeselect,
			OnLocalChange: m.Lifecycle.OnLocalChange, OnUntracked: m.Lifecycle.OnUntracked, OnSuperseded: m.Lifecycle.OnSuperseded,
			Verify: m.Content.Verify, Unverifiable: m.Content.Unverifiable, Notebooks: m.Content.Notebooks, Shortcuts: m.Content.Shortcuts,
			Versions: keptVersions(m), Permissions: keptPermissions(m), Columns: slices.Compact(slices.Sorted(slices.Values(m.Metadata.Columns))),
			Times: m.Metadata.Times, TrashPath: m.Trash.Path, TrashEnabled: m.Trash.Enabled, TrashRetention: config.FormatDuration(m.Trash.Retention),
		},
		Select: plan.Select{
			Include: m.Select.Include, Exclude: m.Select.Exclude, MinSize: m.Select.MinSize, MaxSize: m.Select.MaxSize,
			ModifiedAfter: m.Select.ModifiedAfter, ModifiedBefore: m.Select.ModifiedBefore,
			Extensions: m.Select.Extensions, ExcludeExtensions: m.Select.ExcludeExtensions,
		},
	}
}

// keptPermissions is the policy of a mirror's permissions; "none" is not said.
func keptPermissions(m *config.Mirror) string {
	if m.Metadata.Permissions == "none" {
		return ""
	}
	return m.Metadata.Permissions
}

// keptVersions is the policy of a mirror's earlier versions; none is not said.
func keptVersions(m *config.Mirror) string {
	if m.Content.Versions == "0" {
		return ""
	}
	return m.Content.Versions
}
