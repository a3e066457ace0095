package graph

import "time"

// time reads a point in time, tolerantly: fractions of any length, a zone or none (quirk Q40). What cannot be read, and
// year 1, which older tombstones carry, is the zero time (V2, D27).
func (s *scanner) time() time.Time {
	raw, ok := s.raw()
	if !ok {
		return time.Time{}
	}
	return parseTime(raw)
}

// parseTime is the form without a scanner.
func parseTime(raw []byte) time.Time {
	if t, ok := parseWhole(raw); ok {
		return t
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, string(raw)); err == nil {
			return known(t.UTC())
		}
	}
	return time.Time{}
}

// parseWhole reads the usual form, whole seconds and Z, without the cost of layouts.
func parseWhole(b []byte) (time.Time, bool) {
	if len(b) != len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != 'Z' {
		return time.Time{}, false
	}
	var part [6]int
	for i, at := range [6][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		for _, c := range b[at[0]:at[1]] {
			if c < '0' || c > '9' {
				return time.Time{}, false
			}
			part[i] = part[i]*10 + int(c-'0')
		}
	}
	if part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 28 && part[2] > daysIn(part[0], part[1]) || part[3] > 23 || part[4] > 59 || part[5] > 59 {
		return time.Time{}, false
	}
	return known(time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], 0, time.UTC)), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// known turns year 1 and before into the zero time.
func known(t time.Time) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
