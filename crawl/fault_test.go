package crawl

import (
	"context"
	"sync"

	"github.com/spmirror/spmirror/graph"
)

// faultySource is a source some of whose calls fail before they reach it.
type faultySource struct {
	Source
	mu   sync.Mutex
	n    int
	fail func(n int) error
}

func (s *faultySource) strike() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.fail(s.n)
}

func (s *faultySource) DeltaPage(ctx context.Context, l graph.Link, q graph.DeltaQuery) (graph.DeltaPage, error) {
	if err := s.strike(); err != nil {
		return graph.DeltaPage{}, err
	}
	return s.Source.DeltaPage(ctx, l, q)
}

func (s *faultySource) Drive(ctx context.Context, d graph.DriveID) (graph.Drive, error) {
	if err := s.strike(); err != nil {
		return graph.Drive{}, err
	}
	return s.Source.Drive(ctx, d)
}

func (s *faultySource) Item(ctx context.Context, d graph.DriveID, id graph.ItemID) (graph.Item, error) {
	if err := s.strike(); err != nil {
		return graph.Item{}, err
	}
	return s.Source.Item(ctx, d, id)
}

// netError is a failure of the network.
type netError struct{}

func (*netError) Error() string   { return "connection reset by peer" }
func (*netError) Timeout() bool   { return true }
func (*netError) Temporary() bool { return true }
