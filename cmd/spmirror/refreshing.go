package main

import (
	"cmp"
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/state"
)

// refresh brings the drives of all mirrors up to date. The name of a drive that is
// gone may lead to another one, which is then read in its place.
func (s *session) refresh(ctx context.Context, mirrors []*wanted, o planOptions) error {
	err := s.readDrives(ctx, mirrors, o, func(w *wanted) (state.Drive, error) { return s.resolveDrive(ctx, w.cfg, o) })
	if err != nil {
		return err
	}
	others := make(map[*wanted]state.Drive)
	var again []*wanted
	for _, w := range mirrors {
		var gone *crawl.ErrSource
		if !errors.As(w.err, &gone) || gone.Code != crawl.CodeDriveGone {
			continue
		}
		other, err := s.lookUpDrive(ctx, w.cfg)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && other.Key != w.drive.Key {
			w.err, others[w] = nil, other
			again = append(again, w)
		}
	}
	return s.readDrives(ctx, again, o, func(w *wanted) (state.Drive, error) { return others[w], nil })
}

// readDrives crawls the drives of mirrors, several at once. A drive that cannot be
// read is a problem of its mirrors alone (Q78).
func (s *session) readDrives(ctx context.Context, mirrors []*wanted, o planOptions, find func(*wanted) (state.Drive, error)) error {
	atOnce := cmp.Or(o.drivesAtOnce, drivesAtOnce)
	if err := findSources(ctx, mirrors, atOnce, find); err != nil {
		return err
	}
	drives := make(map[state.DriveKey]*drive)
	var order []*drive
	for _, w := range mirrors {
		if w.err != nil {
			continue
		}
		d := drives[w.drive.Key]
		if d == nil {
			d = &drive{row: w.drive, tenant: w.cfg.Tenant}
			drives[w.drive.Key] = d
			order = append(order, d)
			s.notice.label(w.drive.ID, w.cfg.Address)
		}
		d.mirrors = append(d.mirrors, w)
	}
	wishes, err := s.wishes(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, d := range order {
		d.wishes = wishes[driveName{d.tenant, d.row.ID}]
		if o.NoRefresh {
			d.report = crawl.Report{Mode: "recorded", AsOf: d.row.CrawledAt, Drive: d.row}
			if d.bad, err = s.unread(ctx, d); err != nil {
				return err
			}
			continue
		}
		g.Go(func() error { return s.crawl(gctx, d, o.Full) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, d := range order {
		for _, w := range d.mirrors {
			w.listed, w.drive, w.bad, w.err = d.report, d.report.Drive, d.bad, d.err
		}
	}
	return nil
}

// findSources finds the drives of mirrors, several at once: those that are not known yet take a request or two.
func findSources(ctx context.Context, mirrors []*wanted, atOnce int, find func(*wanted) (state.Drive, error)) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, w := range mirrors {
		if w.err != nil {
			continue
		}
		g.Go(func() error {
			w.drive, w.err = find(w)
			return ctx.Err()
		})
	}
	return g.Wait()
}

// drivesAtOnce bounds the drives that are read at a time unless -parallelism does:
// their pages come one after another, and the gate of the tenant paces them all.
const drivesAtOnce = 8

// drive is one drive being read for its mirrors.
type drive struct {
	row     state.Drive
	tenant  string
	mirrors []*wanted
	wishes  wishes
	report  crawl.Report
	bad     []state.Unread
	err     error
}

func (s *session) crawl(ctx context.Context, d *drive, full bool) error {
	c, err := s.client(d.tenant)
	if err != nil {
		d.err = err
		return nil
	}
	crawler := crawl.Crawler{
		Source: c.Client, Store: s.store, Query: d.wishes.deltaQuery(), Full: s.fullInterval(),
		Now: s.env.now, Log: s.log, Watch: s.notice,
	}
	if s.applies {
		crawler.Seen = c.addresses.Keep
	}
	d.report, d.err = crawler.Refresh(ctx, d.row, full)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.bad, err = s.unread(ctx, d)
	return err
}

// deltaPage is the page size that is wished for; another client of this kind has
// asked for the same in production for years (D10).
const deltaPage = 500
