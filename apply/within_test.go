package apply

import (
	"context"
	"errors"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
)

// inner is a mirror in the target of the world's, which says why it cannot run.
func (w *world) inner(prepare func(context.Context) (string, error)) {
	w.within = map[string]*Mirror{"mirror.m.in": {Plan: &plan.Mirror{Address: "mirror.m.in"}, Within: "mirror.m", Prepare: prepare}}
}

func (r *Report) of(address string) MirrorReport {
	for _, m := range r.Mirrors {
		if m.Address == address {
			return m
		}
	}
	return MirrorReport{}
}

func TestAMirrorWithinAnotherIsPreparedWhenThatOneHasRun(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a/1", "text")
	w.inner(func(context.Context) (string, error) {
		if files, folders, _, err := w.store.EntryCount(t.Context(), w.key); files != 1 || folders != 1 || err != nil {
			t.Errorf("it is prepared when the other has %d files and %d folders: %v", files, folders, err)
		}
		return "there is no place for it", nil
	})
	r := w.run()
	if m := r.of("mirror.m.in"); m.Code != CodeWaits || m.Problem != "there is no place for it" || !r.Incomplete() {
		t.Errorf("%+v", m)
	}
	if m := r.of("mirror.m"); m.Problem != "" || m.Counts.Added != 2 {
		t.Errorf("the other: %+v", m)
	}
}

func TestAMirrorWithinAnotherThatCannotBePreparedStopsNothingElse(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a/1", "text")
	broken := errors.New("the disk is gone")
	w.inner(func(context.Context) (string, error) { return "", broken })
	r, _, err := w.apply(t.Context(), w.plan(), 0)
	if !errors.Is(err, broken) || r.of("mirror.m.in").Problem == "" || r.of("mirror.m").Counts.Added != 2 {
		t.Errorf("%v, %+v", err, r.Mirrors)
	}
}

func TestAnInterruptedRunPreparesNoMirrorWithinAnother(t *testing.T) {
	w := newWorld(t)
	w.tenant.put("a/1", "text")
	w.inner(func(context.Context) (string, error) { t.Error("it is prepared"); return "", nil })
	ctx, cancel := context.WithCancel(t.Context())
	p := w.plan()
	cancel()
	if r, _, err := w.apply(ctx, p, 0); err != nil || !r.Interrupted {
		t.Errorf("%v, %+v", err, r)
	}
	w.fast, w.source = true, refusing{w.tenant}
	r, _, err := w.apply(t.Context(), w.plan(), 0)
	if err != nil || r.of("mirror.m.in").Code == "" || r.of("mirror.m.in").Problem == "" {
		t.Errorf("%v, %+v", err, r.Mirrors)
	}
}

// refusing is a tenant that hands out nothing.
type refusing struct{ *tenant }

func (refusing) Open(context.Context, graph.ContentRequest) (*graph.Content, error) {
	return nil, graph.ErrMalware // nothing that is worth another try
}
