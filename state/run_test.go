package state

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTimesOfRunsAreReadWithoutWhatTheyKeep(t *testing.T) {
	s, ctx := newState(t), context.Background()
	began := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	const size = 1 << 20
	for n := range 5 {
		at := began.Add(time.Duration([...]int{0, 3, 1, 2, 9}[n]) * time.Hour)
		err := s.Tx(ctx, func(tx *Tx) error {
			_, err := tx.BeginRun(Run{Kind: []string{"plan", "apply"}[n%2], PlanDigest: "p", Started: at, Summary: strings.Repeat("x", size)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	at, ok, err := s.RunStarted(ctx, 3)
	latest, failed := s.LatestStart(ctx, 5, 100)
	recent, failedToo := s.LatestStart(ctx, 5, 2)
	_, known, _ := s.RunStarted(ctx, 6)
	none, _ := s.LatestStart(ctx, 1, 100)
	runtime.ReadMemStats(&after)
	switch {
	case err != nil || failed != nil || failedToo != nil:
		t.Error(err, failed, failedToo)
	case !ok || known || !at.Equal(began.Add(time.Hour)) || !none.IsZero():
		t.Error(at, ok, known, none)
	case !latest.Equal(began.Add(3*time.Hour)) || !recent.Equal(began.Add(2*time.Hour)):
		t.Error(latest, recent)
	case after.TotalAlloc-before.TotalAlloc > size:
		t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
	}
	runs, err := s.RunsOfPlan(ctx, "apply", "p")
	if err != nil || len(runs) != 2 || runs[0].ID != 4 || runs[1].ID != 2 {
		t.Error(len(runs), err)
	}
}
