package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// BesideSource is what a run asks of Microsoft Graph for what is kept beside items.
// *graph.Client is it.
type BesideSource interface {
	Permissions(context.Context, graph.DriveID, graph.ItemID) ([]graph.Permission, error)
	Columns(context.Context, graph.DriveID, graph.ItemID, ...string) (graph.Fields, error)
	FolderColumns(context.Context, graph.DriveID, graph.ItemID, int, ...string) iter.Seq2[graph.ItemFields, error]
	Versions(context.Context, graph.DriveID, graph.ItemID) ([]graph.Version, error)
	VersionURL(context.Context, graph.DriveID, graph.ItemID, string) (graph.SecretURL, error)
}

// ColumnChoice is the text that stands for a choice of columns in the state.
func ColumnChoice(columns []string) string { return strings.Join(columns, ",") }

// beside reads the permissions and columns that the plan says, and writes the file that
// shows them. It comes when files and folders are where they belong.
func (m *mirrorRun) beside(ctx context.Context) error {
	if err := m.readBeside(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if !m.lists {
		return nil
	}
	if err := m.writeLists(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return m.commit(nil, func(tx *state.Tx) error { return tx.SetListed(m.Key, true) })
}

// expectLists finds out whether there are lists beside the marker, or will be. They are written last: until then it is
// noted that they are behind, so that a run which comes no further leaves something to do.
func (m *mirrorRun) expectLists(ctx context.Context) (err error) {
	p := m.Plan.Policy
	m.lists = p.Permissions != "" || len(p.Columns) > 0 || p.Versions != ""
	if !m.lists {
		if m.lists, err = m.hasLists(ctx); err != nil || !m.lists {
			return err
		}
	}
	return m.commit(nil, func(tx *state.Tx) error { return tx.SetListed(m.Key, false) })
}

// hasLists reports whether something is listed, or should not be any more.
func (m *mirrorRun) hasLists(ctx context.Context) (bool, error) {
	listed, err := m.Store.Listed(ctx, m.Key)
	if err != nil || !listed {
		return true, err
	}
	if has, err := m.Store.HasSidecars(ctx, m.Key); err != nil || has {
		return has, err
	}
	for _, err := range m.Store.Versions(ctx, m.Key) {
		return true, err
	}
	return false, nil
}

// writeLists writes the lists of versions, and of permissions and columns, from the state.
func (m *mirrorRun) writeLists(ctx context.Context) error {
	if err := m.writeVersions(ctx); err != nil {
		return err
	}
	row, err := m.row()
	if err != nil {
		return err
	}
	p := m.Plan.Policy
	err = m.commit(nil, func(tx *state.Tx) error { return tx.TrimSidecars(row, p.Permissions != "", len(p.Columns) > 0) })
	if err != nil {
		return err
	}
	return m.writeBeside(ctx, row)
}

// row names the mirror to the part of the state that keeps sidecars.
func (m *mirrorRun) row() (state.Mirror, error) {
	row, ok, err := m.Store.MirrorByAddress(context.WithoutCancel(m.ctx), m.Plan.Address)
	if err == nil && !ok {
		err = state.ErrUnknownKey
	}
	if err != nil {
		return row, fmt.Errorf("read mirror: %w", err)
	}
	return row, nil
}

// besideActions are those of changes that bring something beside their item.
var besideActions = [...]plan.Action{plan.Add, plan.Adopt, plan.Metadata, plan.Move, plan.Update}

func (m *mirrorRun) readBeside(ctx context.Context) error {
	row, err := m.row()
	if err != nil {
		return err
	}
	r := &besideRun{mirrorRun: m, mirror: row}
	if r.columns, err = newColumnReader(r); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, action := range besideActions {
		for c, err := range m.of(action) {
			if err != nil {
				return errors.Join(err, g.Wait())
			}
			if len(c.Beside) == 0 || gctx.Err() != nil {
				continue
			}
			select {
			case m.slots <- struct{}{}:
			case <-gctx.Done():
				continue
			}
			g.Go(func() error {
				defer func() { <-m.slots }()
				return r.read(gctx, c)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return errors.Join(r.flush(), m.flushResults())
}

// besideRun collects what was read until it is committed.
type besideRun struct {
	*mirrorRun
	mirror  state.Mirror
	columns *columnReader

	mu          sync.Mutex
	permissions []state.Sidecar
	fields      []state.Sidecar
	inherits    []state.ItemID
	versions    []state.Version
	// versionBytes have been fetched, or begun, of all versions of the run.
	versionBytes int64
	complete     []state.ItemID // files whose versions are all there
	results      []Result       // of changes in nothing else
	records      []Result       // of versions, for the run's record alone
}

// read reads what a change says of one item. A failure is a result of the item, which
// stays as it is; it is asked for again by the next plan.
func (r *besideRun) read(ctx context.Context, c plan.Change) error {
	there, err := r.there(&c)
	if err != nil || !there {
		return err
	}
	side, err := r.fetch(ctx, &c)
	if err == nil && slices.Contains(c.Beside, plan.BesideVersions) {
		var got []state.Version
		got, err = r.fetchVersions(ctx, &c)
		r.keep(&c, got, err == nil)
	}
	if ctx.Err() != nil {
		return nil
	}
	if hopeless(err) {
		r.giveUp(err)
		return nil
	}
	if err != nil {
		r.failBeside(c, err)
		return nil
	}
	return r.take(&c, side)
}

// failBeside records that what is kept beside an item is missing. If the item has its own result already, this is one
// result more than the plan has changes.
func (r *besideRun) failBeside(c plan.Change, err error) {
	if !c.OnlyBeside() {
		r.mirrorRun.mu.Lock()
		r.total.ItemsTotal++
		r.mirrorRun.mu.Unlock()
	}
	c.Actions = []plan.Action{plan.Metadata}
	r.fail(&c, err)
}

// there reports whether the item is in the mirror; one that failed before is not.
func (r *besideRun) there(c *plan.Change) (bool, error) {
	if c.ItemID == r.Plan.Source.FolderID {
		return true, nil
	}
	_, ok, err := r.Store.Entry(context.WithoutCancel(r.ctx), r.Key, state.ItemID(c.ItemID))
	if err != nil {
		return false, fmt.Errorf("read entry: %w", err)
	}
	if !ok && c.OnlyBeside() {
		r.fail(c, superseded("the item is not tracked any more"))
	}
	return ok, nil
}

func (r *besideRun) fetch(ctx context.Context, c *plan.Change) (side state.Sidecar, err error) {
	side.Item = state.ItemID(c.ItemID)
	drive, item := graph.DriveID(r.Plan.Source.DriveID), graph.ItemID(c.ItemID)
	if slices.Contains(c.Beside, plan.BesidePermissions) {
		list, err := r.Beside.Permissions(ctx, drive, item)
		if err != nil {
			return side, fmt.Errorf("read permissions: %w", err)
		}
		if side.Permissions, err = permissionsText(list); err != nil {
			return side, err
		}
	}
	if slices.Contains(c.Beside, plan.BesideColumns) {
		all, err := r.columns.of(ctx, c)
		if err != nil {
			return side, fmt.Errorf("read columns: %w", err)
		}
		if side.Columns, err = columnsText(all, r.Plan.Policy.Columns); err != nil {
			return side, err
		}
	}
	return side, nil
}

// take keeps what was read until there is enough for a commit.
func (r *besideRun) take(c *plan.Change, side state.Sidecar) error {
	r.mu.Lock()
	if side.Permissions != "" {
		r.permissions = append(r.permissions, side)
	}
	if side.Columns != "" {
		r.fields = append(r.fields, side)
	}
	if slices.Contains(c.Beside, plan.BesideInherits) {
		r.inherits = append(r.inherits, side.Item)
	}
	if c.OnlyBeside() {
		r.results = append(r.results, r.result(c, Done))
	}
	full := len(r.permissions)+len(r.fields)+len(r.inherits)+len(r.versions)+len(r.complete) >= batchFiles
	r.mu.Unlock()
	if !full {
		return nil
	}
	return r.flush()
}

// keep takes over versions that are on disk, also when a later one of the file failed.
func (r *besideRun) keep(c *plan.Change, list []state.Version, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = append(r.versions, list...)
	r.records = append(r.records, r.versionResults(c, list)...)
	if complete {
		r.complete = append(r.complete, state.ItemID(c.ItemID))
	}
}

func (r *besideRun) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	results := r.results
	err := r.commit(append(r.records, results...), func(tx *state.Tx) error {
		return errors.Join(tx.PutPermissions(r.mirror, r.permissions), tx.DropPermissions(r.Key, r.inherits),
			tx.PutColumns(r.mirror, r.fields, ColumnChoice(r.Plan.Policy.Columns)),
			tx.PutVersions(r.Key, r.versions), tx.CompleteVersions(r.mirror, r.complete, r.Plan.Policy.Versions))
	})
	if err != nil {
		return err
	}
	r.countVersions()
	r.permissions, r.fields, r.inherits, r.versions, r.complete, r.results, r.records = nil, nil, nil, nil, nil, nil, nil
	r.done(results)
	return nil
}

// permission is one line of what is kept: who may do what, and by which kind of link.
// Addresses and ids of links are left out, because whoever holds them has the access (V6).
type permission struct {
	Roles     []string   `json:"roles,omitempty"`
	To        []grantee  `json:"to,omitempty"`
	Link      *linkKind  `json:"link,omitempty"`
	Inherited bool       `json:"inherited,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
}

type grantee struct {
	Kind  string `json:"kind"`
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

type linkKind struct {
	Type  string `json:"type"`
	Scope string `json:"scope"`
}

// permissionsText is JSON in which equal permissions are equal texts, whatever order the
// service lists them in.
func permissionsText(list []graph.Permission) (string, error) {
	lines := make([]string, 0, len(list))
	for _, p := range list {
		out := permission{Roles: slices.Sorted(slices.Values(p.Roles)), Inherited: p.Inherited}
		for _, g := range p.Grantees {
			out.To = append(out.To, grantee(g))
		}
		slices.SortFunc(out.To, func(a, b grantee) int {
			return strings.Compare(a.Kind+"\x00"+a.ID+"\x00"+a.Email+"\x00"+a.Name, b.Kind+"\x00"+b.ID+"\x00"+b.Email+"\x00"+b.Name)
		})
		if p.LinkType != "" || p.LinkScope != "" {
			out.Link = &linkKind{p.LinkType, p.LinkScope}
		}
		if !p.Expires.IsZero() {
			utc := p.Expires.UTC()
			out.Expires = &utc
		}
		line, err := json.Marshal(out)
		if err != nil {
			return "", fmt.Errorf("keep permissions: %w", err)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return "[" + strings.Join(lines, ",") + "]", nil
}

// columnsText keeps the chosen columns of all that came.
func columnsText(all graph.Fields, names []string) (string, error) {
	kept := make(map[string]json.RawMessage, len(names))
	for _, name := range names {
		if value, ok := all[name]; ok {
			kept[name] = value
		}
	}
	text, err := json.Marshal(kept) // in the order of the names
	if err != nil {
		return "", fmt.Errorf("keep columns: %w", err)
	}
	return string(text), nil
}
