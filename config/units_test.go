package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSizesAreRead(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "1B": 1, "512KiB": 512 << 10, "10GiB": 10 << 30, "10 gib": 10 << 30, "1.5TB": 1_500_000_000_000,
		"0.5KiB": 512, "1kb": 1000, "7PiB": 7 << 50, " 2MB ": 2_000_000, "8191PiB": 8191 << 50,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1G", "10K", "1e9", ".5KiB", "5.KiB", "1.2.3", "0x10", "1 000", "8192PiB", "99999999999999999999GiB", "1KiBB", "∞", "1_000"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestPrintedSizesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0).Draw(t, "bytes")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d prints as %s and reads as %d, %v", n, FormatSize(n), got, err)
		}
	})
}

func TestDurationsAreRead(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90m": 90 * time.Minute, "72h": 72 * time.Hour, "30d": 30 * day, "1d12h": 36 * time.Hour, "2w": 14 * day,
		"1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond, "1h2m3s": time.Hour + 2*time.Minute + 3*time.Second,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "5", "-1d", "1y", "1ns", "1 d", "1d-2h", "99999999w", "106751d1d", "1.2.3h", "h1"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestPrintedDurationsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<62/int64(time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v prints as %s and reads as %v, %v", d, FormatDuration(d), got, err)
		}
	})
}

func TestNoTextMakesTheParsersPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9.]{0,30}[a-zA-Z/: -]{0,5}[0-9.:]{0,5}`)).Draw(t, "text")
		if n, err := ParseSize(text); err == nil && n < 0 {
			t.Fatalf("%q is %d", text, n)
		}
		if d, err := ParseDuration(text); err == nil && d < 0 {
			t.Fatalf("%q is %d", text, d)
		}
		_, _ = ParseRate(text)
		_, _ = parseQuietHours(text)
		_, _ = parseTime(text)
	})
}

func TestQuietHoursAreNormalised(t *testing.T) {
	for text, want := range map[string]string{"6:00-20:00": "06:00-20:00", "22:30 - 05:15": "22:30-05:15"} {
		if got, err := parseQuietHours(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "06:00", "06:00-06:00", "24:00-01:00", "06:00-07:00-08:00", "6-7"} {
		if got, err := parseQuietHours(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}
