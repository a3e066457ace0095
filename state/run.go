package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"time"
)

var runQuery = `SELECT ` + joined(`id, kind, plan_digest, commit_id, actor, host, version, started, ended, result, exit_code, overrides, summary`) +
	` FROM runs`

func scanRun(row []driver.Value) (Run, error) {
	u := unpack(row[0])
	r := Run{ID: RunID(u.int()), Kind: u.text(), PlanDigest: u.text(), Commit: u.text(), Actor: u.text(), Host: u.text(), Version: u.text(),
		Started: u.time(), Ended: u.time(), Result: u.text(), ExitCode: int(u.int()), Overrides: u.text(), Summary: u.text()}
	return r, u.end()
}

// BeginRun appends a run to the log and returns its number.
func (tx *Tx) BeginRun(r Run) (RunID, error) {
	_, err := tx.exec(`INSERT INTO runs (kind, plan_digest, commit_id, actor, host, version, started, overrides, summary) VALUES (?,?,?,?,?,?,?,?,?)`,
		r.Kind, r.PlanDigest, r.Commit, r.Actor, r.Host, r.Version, toUnix(r.Started), r.Overrides, r.Summary)
	if err != nil {
		return 0, fmt.Errorf("begin run: %w", err)
	}
	id, err := tx.c.int(tx.ctx, `SELECT last_insert_rowid()`)
	return RunID(id), err
}

// EndRun writes the outcome of a run, once; a second time is an error.
func (tx *Tx) EndRun(id RunID, end RunEnd) error {
	n, err := tx.exec(`UPDATE runs SET ended = ?2, result = ?3, exit_code = ?4, summary = CASE WHEN ?5 = '' THEN summary ELSE ?5 END WHERE id = ?1`,
		id, toUnix(end.Ended), end.Result, end.ExitCode, end.Summary)
	if err == nil && n == 0 {
		err = ErrUnknownKey
	}
	if err != nil {
		return fmt.Errorf("end run %d: %w", id, err)
	}
	return nil
}

const runItemColumns = `run, n, mirror, item, path, action, outcome, code, message, request_id, verdict, hash, sha256, etag, bytes, duration, at`

// PutRunItems appends results of items to a run. Rows are never changed afterwards.
func (tx *Tx) PutRunItems(id RunID, items []RunItem) error {
	n, err := tx.c.int(tx.ctx, `SELECT coalesce(max(n), 0) FROM run_items WHERE run = ?`, id) // last of the primary key
	if err != nil {
		return fmt.Errorf("put items of run %d: %w", id, err)
	}
	in := tx.c.inserter(`INSERT INTO run_items (`+runItemColumns+`)`, 17, ``)
	for _, it := range items {
		n++
		err := in.add(int64(id), n, clean(it.Mirror), clean(string(it.Item)), clean(it.Path), clean(it.Action), clean(it.Outcome), clean(it.Code),
			clean(it.Message), clean(it.RequestID), clean(string(it.Verdict)), clean(it.Hash), clean(it.SHA256), clean(it.ETag), it.Bytes,
			int64(it.Duration), toUnix(it.At))
		if err != nil {
			return fmt.Errorf("put items of run %d: %w", id, err)
		}
	}
	if err := in.flush(); err != nil {
		return fmt.Errorf("put items of run %d: %w", id, err)
	}
	return nil
}

// Runs returns the newest runs first, at most limit of them; 0 means all.
func (s *Store) Runs(ctx context.Context, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = -1
	}
	return collect(ctx, s, scanRun, runQuery+` ORDER BY id DESC LIMIT ?`, limit)
}

// LatestStart returns the latest time at which one of the newest runs before a run began, zero if there is none. It reads as many runs as
// it is told to, without what they keep of themselves.
func (s *Store) LatestStart(ctx context.Context, before RunID, runs int) (time.Time, error) {
	at, err := s.int(ctx, `SELECT coalesce(max(started), 0) FROM (SELECT started FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?)`, before, runs)
	return fromUnix(at), err
}

// RunsOfPlan returns the runs of a kind that had a plan, the newest first.
func (s *Store) RunsOfPlan(ctx context.Context, kind, digest string) ([]Run, error) {
	return collect(ctx, s, scanRun, runQuery+` WHERE kind = ? AND plan_digest = ? ORDER BY id DESC`, kind, digest)
}

// LastRun returns the newest run that is not of a kind; ok is false if there is none.
func (s *Store) LastRun(ctx context.Context, but string) (run Run, ok bool, err error) {
	return one(ctx, s, scanRun, runQuery+` WHERE kind <> ? ORDER BY id DESC LIMIT 1`, but)
}

// RunStarted returns when a run began, without what it keeps of itself: that of a run over thousands of mirrors is long, and each of them
// asks. ok is false if there is no such run.
func (s *Store) RunStarted(ctx context.Context, id RunID) (at time.Time, ok bool, err error) {
	return one(ctx, s, func(row []driver.Value) (time.Time, error) {
		n, ok := row[0].(int64)
		if !ok {
			return time.Time{}, damaged("a time was expected")
		}
		return fromUnix(n), nil
	}, `SELECT started FROM runs WHERE id = ?`, id)
}

// RunByID finds a run.
func (s *Store) RunByID(ctx context.Context, id RunID) (Run, bool, error) {
	return one(ctx, s, scanRun, runQuery+` WHERE id = ?`, id)
}

// RunItems yields the results of a run in the order in which they were written.
func (s *Store) RunItems(ctx context.Context, id RunID) iter.Seq2[RunItem, error] {
	return stream(ctx, s, func(row []driver.Value) (RunItem, error) {
		u := unpack(row[0])
		it := RunItem{Mirror: u.text(), Item: ItemID(u.text()), Path: u.text(), Action: u.text(), Outcome: u.text(), Code: u.text(),
			Message: u.text(), RequestID: u.text(), Verdict: Verdict(u.text()), Hash: u.text(), SHA256: u.text(), ETag: u.text(),
			Bytes: u.int(), Duration: time.Duration(u.int()), At: u.time()}
		return it, u.end()
	}, `SELECT `+joined(`mirror, item, path, action, outcome, code, message, request_id, verdict, hash, sha256, etag, bytes, duration, at`)+
		` FROM run_items WHERE run = ? ORDER BY n`, id)
}
