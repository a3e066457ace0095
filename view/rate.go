package view

import "time"

// rateSpan is how far back the rate looks: long enough to be calm, short enough
// to follow a pause.
const rateSpan = 20 * time.Second

// rate is the mean of the bytes of the last seconds.
type rate struct {
	marks []mark
}

type mark struct {
	at    time.Time
	bytes int64
}

// add notes how many bytes are done, at most once a second.
func (r *rate) add(now time.Time, bytes int64) {
	if n := len(r.marks); n > 0 && now.Sub(r.marks[n-1].at) < time.Second {
		return
	}
	r.marks = append(r.marks, mark{now, bytes})
	for len(r.marks) > 2 && now.Sub(r.marks[0].at) > rateSpan {
		r.marks = r.marks[1:]
	}
}

// at is the rate in bytes a second; zero when it is not known or nothing moves.
func (r *rate) at(now time.Time) int64 {
	if len(r.marks) < 2 {
		return 0
	}
	first, last := r.marks[0], r.marks[len(r.marks)-1]
	d := now.Sub(first.at)
	if d <= 0 || last.bytes <= first.bytes {
		return 0
	}
	return int64(float64(last.bytes-first.bytes) / d.Seconds())
}
