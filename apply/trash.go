package apply

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// purgeBatch is how many files leave the trash with one commit.
const purgeBatch = 500

// expire deletes for good what has been in the trash longer than the policy keeps
// it (I-16). A trash without a retention is never emptied.
func (m *mirrorRun) expire(ctx context.Context) error {
	if _, _, err := m.purge(ctx); err != nil {
		m.Log.Warn("trash not emptied", "mirror", m.Plan.Address, "error", err)
	}
	return ctx.Err()
}

// makeSpace is asked when the disk is full. It gives up what is in the trash beyond
// its retention; what is younger was promised to be there.
func (m *mirrorRun) makeSpace(ctx context.Context) bool {
	m.reclaim.Lock()
	defer m.reclaim.Unlock()
	files, bytes, err := m.purge(ctx)
	if err != nil {
		m.Log.Warn("trash not emptied", "mirror", m.Plan.Address, "error", err)
	}
	if files > 0 {
		m.Log.Info("disk full: old trash deleted", "mirror", m.Plan.Address, "files", files, "bytes", bytes)
	}
	return files > 0
}

// purge deletes what is older than the retention, and its rows. The files go first:
// a row without a file is dropped by the next purge, a file without a row would stay.
func (m *mirrorRun) purge(ctx context.Context) (files int, bytes int64, err error) {
	keep := retention(m.Plan.Policy.TrashRetention)
	if keep <= 0 {
		return 0, 0, nil
	}
	before := m.Now().Add(-keep)
	trash := m.Dir.TrashDir()
	var gone []string
	flush := func() error {
		if len(gone) == 0 {
			return nil
		}
		err := m.commit(nil, func(tx *state.Tx) error { return tx.DeleteTrash(m.Key, gone) })
		gone = nil
		return err
	}
	var list []state.Trashed
	for t, err := range m.Store.Trash(context.WithoutCancel(ctx), m.Key) {
		if err != nil {
			return 0, 0, fmt.Errorf("read trash: %w", err)
		}
		if t.At.Before(before) {
			list = append(list, t)
		}
	}
	for _, t := range list {
		if ctx.Err() != nil {
			break
		}
		if err := trash.Purge(target.RelPath(t.Path)); ignoreAbsent(err) != nil {
			m.Log.Warn("file stays in the trash", "mirror", m.Plan.Address, "path", t.Path, "error", err)
			continue
		}
		files, bytes, gone = files+1, bytes+t.Size, append(gone, t.Path)
		if len(gone) < purgeBatch {
			continue
		}
		if err := flush(); err != nil {
			return files, bytes, err
		}
	}
	return files, bytes, flush()
}

// clockRuns is how many runs back a clock is compared with. After so many runs a
// clock that was once far ahead is forgotten.
const clockRuns = 100

// trashTime is the time that new trash is kept from. A clock that went back, as one
// without a battery does, must not make it so old that the next purge takes it (I-66).
func (m *mirrorRun) trashTime() time.Time {
	if now := m.Now(); now.After(m.latest) {
		return now
	}
	return m.latest
}

// retention reads the time that the policy keeps trash, such as "30d" or "1d12h".
// Zero, and what cannot be read, keeps it for ever.
func retention(text string) time.Duration {
	var total time.Duration
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		n, err := strconv.Atoi(text[:digits])
		if err != nil || n > maxRetention {
			return 0
		}
		text = text[digits:]
		letters := len(text) - len(strings.TrimLeft(text, "dhms"))
		unit, ok := map[string]time.Duration{
			"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond,
		}[text[:letters]]
		if !ok {
			return 0
		}
		total, text = total+time.Duration(n)*unit, text[letters:]
	}
	return total
}

// maxRetention is a number of days that a duration still holds: two centuries.
const maxRetention = 73_000
