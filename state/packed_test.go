package state

import (
	"testing"
	"time"
)

// A time on disk that came back as another one, or as none, would be a change of the file at every plan.
func TestEveryTimeThatAFileCanHaveComesBackExactly(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, -1), time.Unix(1<<32-1, 0), time.Unix(-1<<31, 0), time.Unix(1<<31, 999_999_999),
		time.Date(2262, 4, 11, 0, 0, 0, 0, time.UTC), time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := fromUnix(toUnix(at)); !got.Equal(at) || got.IsZero() != at.IsZero() {
			t.Errorf("%v came back as %v", at, got)
		}
	}
}
