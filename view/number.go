package view

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/spmirror/spmirror/plan"
)

// Numbers for people: thousands separated in tables, plain digits in the two
// summary lines, sizes in binary units.

func commas(n int64) string { return humanize.Comma(n) }

// Size shows bytes for people: 512 B, 1.1 MiB, 112.4 GiB.
func Size(bytes int64) string { return size(bytes) }

func size(bytes int64) string {
	if bytes < 1024 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, unit := float64(bytes)/1024, 0
	// 1023.95 rounds to 1024.0, which belongs to the next unit.
	for v >= 1023.95 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}

// span shows a duration in its two largest units: 41 s, 2 h 40 min, 3 d 4 h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int64(d.Round(time.Second)/time.Second))
	case d < time.Hour:
		return pair(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "min")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	d = d.Round(small)
	rest := int64(d % big / small)
	if rest == 0 {
		return fmt.Sprintf("%d %s", d/big, bigName)
	}
	return fmt.Sprintf("%d %s %d %s", d/big, bigName, rest, smallName)
}

// Age shows how long ago something was, in its largest unit.
func Age(d time.Duration) string { return age(d) }

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 72*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// count shows a number with its noun: 1 file, 48,910 files.
func count(n int64, noun string) string { return commas(n) + " " + plural(n, noun) }

// plainCount is count without separators, for the summary lines.
func plainCount(n int64, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun)) }

// sizeOf is the size of a change's item; a service that tells none (Q35) is not
// taken to say that it is empty.
func sizeOf(c *plan.Change) string {
	if c.Remote != nil && c.Remote.Size < 0 && c.Local == nil {
		return "size unknown"
	}
	return size(c.Bytes())
}

func plural(n int64, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func ordinal(n int) string { return humanize.Ordinal(n) }
