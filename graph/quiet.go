package graph

import (
	"fmt"
	"strings"
	"time"
)

// QuietHours is a time of day during which people work in the tenant and a mirror should be hardly felt: one request at
// a time. Outside, nights throttle less (T18). The zero value is never.
type QuietHours struct {
	From, To time.Duration  // since midnight; From after To spans midnight
	Location *time.Location // nil for the local one
}

// ParseQuietHours reads "06:00-20:00".
func ParseQuietHours(text string) (QuietHours, error) {
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return QuietHours{}, fmt.Errorf("quiet hours %q: want HH:MM-HH:MM", text)
	}
	var q QuietHours
	for _, part := range []struct {
		text string
		into *time.Duration
	}{{from, &q.From}, {to, &q.To}} {
		clock, err := time.Parse("15:04", strings.TrimSpace(part.text))
		if err != nil {
			return QuietHours{}, fmt.Errorf("quiet hours %q: want HH:MM-HH:MM", text)
		}
		*part.into = time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute
	}
	if q.From == q.To {
		return QuietHours{}, fmt.Errorf("quiet hours %q: begin and end are equal", text)
	}
	return q, nil
}

// Contains tells whether it is quiet at a time.
func (q QuietHours) Contains(t time.Time) bool {
	if q.From == q.To {
		return false
	}
	where := q.Location
	if where == nil {
		where = time.Local
	}
	t = t.In(where)
	clock := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	if q.From < q.To {
		return clock >= q.From && clock < q.To
	}
	return clock >= q.From || clock < q.To
}
