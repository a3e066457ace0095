package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

func statusCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "say how the mirrors stand, from recorded data and the disk",
		ArgsUsage: "[ADDR]",
		Description: "Counts what is tracked and how far it was verified, compares sizes and times on disk with the\n" +
			"state, and tells how old the last reading of the source is. It asks no service. Coverage is the\n" +
			"share of tracked and pending files that are on disk as they were left.",
		Flags:  readFlags(),
		Action: looking(env, takes{0, 1, "status takes one address"}, runStatus),
	}
}

// mirrorStatus is how one mirror stands.
type mirrorStatus struct {
	Address      string    `json:"address"`
	Target       string    `json:"target"`
	Tracked      int64     `json:"tracked"`
	TrackedBytes int64     `json:"tracked_bytes"`
	Verified     int64     `json:"verified"`
	SizeOnly     int64     `json:"size_only"`
	Served       int64     `json:"served"`
	Missing      int64     `json:"missing"`
	Changed      int64     `json:"changed"`
	Unreadable   int64     `json:"unreadable"`
	Untracked    int64     `json:"untracked"`
	Pending      int64     `json:"pending"`
	Failed       int64     `json:"failed"` // of the pending ones
	Coverage     float64   `json:"coverage_percent"`
	Crawled      time.Time `json:"crawled,omitzero"`
	CrawlAge     float64   `json:"crawl_age_seconds,omitempty"`
	Problem      string    `json:"problem,omitempty"`
}

func runStatus(ctx context.Context, s *session, c *cli.Command) error {
	list, err := s.statuses(ctx, c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(s.env.stdout, map[string]any{"format_version": "1.0", "lineage": s.store.Lineage(), "mirrors": list})
	}
	for i, m := range list {
		if err := s.showStatus(m, i > 0); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		_, err = fmt.Fprintln(s.env.stdout, "Nothing is declared and nothing is tracked.")
	}
	return err
}

// statuses are those of the recorded mirrors, and of the declared ones that wait for their first apply.
func (s *session) statuses(ctx context.Context, address string) ([]mirrorStatus, error) {
	list := []mirrorStatus{}
	for _, m := range s.cfg.Mirrors {
		_, known, err := s.rowOf(ctx, m.Address)
		if err != nil {
			return nil, err
		}
		if !known && (address == "" || s.named(m.Address, []string{address}, false)) {
			d, _, err := s.knownDrive(ctx, &m)
			if err != nil {
				return nil, err
			}
			waiting := mirrorStatus{Address: m.Address, Target: m.Target, Problem: "never applied"}
			waiting.crawled(d.CrawledAt, s.env.now())
			list = append(list, waiting)
		}
	}
	waiting := len(list)
	rows, err := s.recordedMirrors(ctx, address)
	var unknown *problem
	if err != nil && (waiting == 0 || !errors.As(err, &unknown)) { // the address may name declared ones alone
		return nil, err
	}
	for _, row := range rows {
		m, err := s.status(ctx, row)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (m *mirrorStatus) crawled(at, now time.Time) {
	if !at.IsZero() {
		m.Crawled, m.CrawlAge = at.UTC(), now.Sub(at).Seconds()
	}
}

func (s *session) status(ctx context.Context, row state.Mirror) (mirrorStatus, error) {
	m := mirrorStatus{Address: row.Address, Target: row.Target}
	d, err := s.driveOf(ctx, row)
	if err != nil {
		return m, err
	}
	m.crawled(d.CrawledAt, s.env.now())
	if m.Tracked, _, m.TrackedBytes, err = s.store.EntryCount(ctx, row.Key); err != nil {
		return m, err
	}
	if err := s.countVerdicts(ctx, row, &m); err != nil {
		return m, err
	}
	if err := s.countDisk(ctx, row, &m); err != nil {
		return m, err
	}
	return m, nil
}

func (s *session) countVerdicts(ctx context.Context, row state.Mirror, m *mirrorStatus) error {
	files, err := s.store.Verdicts(ctx, row.Key)
	if err != nil {
		return err
	}
	m.Verified, m.SizeOnly, m.Served = files[state.Verified], files[state.SizeOnly], files[state.Served]
	for p, err := range s.store.PendingItems(ctx, row.Key) {
		if err != nil {
			return err
		}
		m.Pending++
		if hasFailed(p) {
			m.Failed++
		}
	}
	return nil
}

// hasFailed tells an item that was tried in vain from one that is held back, was
// overtaken, or waits for others.
func hasFailed(p state.Pending) bool {
	switch p.Code {
	case apply.CodeSuperseded, apply.CodeVanished, apply.CodeLocalChanged, apply.CodePostponed:
		return false
	}
	return p.Action != string(plan.Blocked)
}

// countDisk compares sizes and times. A target that cannot be opened is told, not counted as lost.
func (s *session) countDisk(ctx context.Context, row state.Mirror, m *mirrorStatus) error {
	dir, err := s.openTarget(row, target.WithReadOnly())
	if err != nil {
		m.Problem = explained(err).Error()
		return nil
	}
	defer dir.Close()
	i := inspection{dir: dir, mirror: row.Address, untracked: func(string) { m.Untracked++ }}
	i.differ = func(d difference) error {
		switch {
		case d.Kind == "unreadable":
			m.Unreadable++
		case d.Folder: // its files are counted
		case d.Kind == "missing":
			m.Missing++
		default:
			m.Changed++
		}
		return nil
	}
	if err := i.run(ctx, s, row); err != nil {
		return err
	}
	m.Coverage = 100
	if all := m.Tracked + m.Pending; all > 0 {
		m.Coverage = 100 * float64(max(0, m.Tracked-m.Missing-m.Changed-m.Unreadable)) / float64(all)
	}
	return nil
}

func (s *session) showStatus(m mirrorStatus, gap bool) error {
	head := view.Name(m.Address) + "  ->  " + view.Name(relative(s.cfg.Dir, m.Target)) + "\n"
	if gap {
		head = "\n" + head
	}
	if _, err := fmt.Fprint(s.env.stdout, head); err != nil {
		return err
	}
	disk := fmt.Sprintf("%d missing, %d changed, %d unreadable, %d untracked", m.Missing, m.Changed, m.Unreadable, m.Untracked)
	if m.Problem != "" {
		disk = "not compared: " + m.Problem
	}
	crawled := crawledText(m.Crawled)
	if !m.Crawled.IsZero() {
		crawled += fmt.Sprintf(" (%s)", view.Age(time.Duration(m.CrawlAge*float64(time.Second))))
	}
	pending := fmt.Sprint(m.Pending)
	if m.Failed > 0 {
		pending += fmt.Sprintf(", %d of them failed", m.Failed)
	}
	return s.showRows([][2]string{
		{"  Tracked", fmt.Sprintf("%s, %s", plural(m.Tracked, "file"), view.Size(m.TrackedBytes))},
		{"  Verdict", fmt.Sprintf("%d verified, %d size only, %d served", m.Verified, m.SizeOnly, m.Served)},
		{"  Disk", disk}, {"  Pending", pending}, {"  Coverage", fmt.Sprintf("%.1f %%", m.Coverage)}, {"  Crawled", crawled},
	})
}
