package config

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// This file is the only place where text forms of sizes, rates, durations, times
// and hours of a day are read and printed.

// sizeUnits maps lower-case units to bytes. Powers of 1024 carry an i, as IEC
// 80000-13 has them; a unit without B ("10G") is refused because it means 1000 to
// some and 1024 to others.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"pib", 1 << 50},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"pb", 1e15},
	{"b", 1},
}

// ParseSize reads "10GiB", "1.5 TB", "4096" as bytes.
func ParseSize(text string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(lower, u.name); ok {
			lower, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	number, ok := decimal(lower)
	if !ok {
		return 0, fmt.Errorf("%q is not a size; write a number with a unit, such as \"512KiB\", \"10GiB\" or \"1.5TB\"", text)
	}
	number.Mul(number, new(big.Rat).SetInt64(unit))
	if number.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) > 0 {
		return 0, fmt.Errorf("%q is larger than any file system", text)
	}
	whole := new(big.Int).Quo(number.Num(), number.Denom())
	return whole.Int64(), nil
}

// decimal reads an unsigned decimal number without exponent, at most 40 bytes long
// so that a hostile number costs nothing.
func decimal(text string) (*big.Rat, bool) {
	if text == "" || len(text) > 40 || strings.Count(text, ".") > 1 ||
		strings.Trim(text, "0123456789.") != "" || strings.HasPrefix(text, ".") || strings.HasSuffix(text, ".") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// ParseRate reads "60MiB/s" as bytes per second; the "/s" may be left out.
func ParseRate(text string) (int64, error) {
	trimmed := strings.TrimSuffix(strings.TrimSpace(text), "/s")
	rate, err := ParseSize(trimmed)
	if err != nil {
		return 0, fmt.Errorf("%q is not a rate; write bytes per second, such as \"60MiB/s\"", text)
	}
	return rate, nil
}

// ParseDuration reads Go's form with two more units: "90m", "1d12h", "2w".
func ParseDuration(text string) (time.Duration, error) {
	fail := fmt.Errorf("%q is not a duration; write for example \"90m\", \"72h\" or \"30d\"", text)
	rest := strings.TrimSpace(text)
	if rest == "0" {
		return 0, nil
	}
	if rest == "" || len(rest) > 60 {
		return 0, fail
	}
	var total time.Duration
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return 0, fail
		}
		number, unit := rest[:end], rest[end:]
		if next := strings.IndexAny(unit, "0123456789."); next >= 0 {
			unit = unit[:next]
		}
		rest = rest[end+len(unit):]
		part, err := durationPart(number, unit)
		if err != nil || total > math.MaxInt64-part {
			return 0, fail
		}
		total += part
	}
	return total, nil
}

func durationPart(number, unit string) (time.Duration, error) {
	units := map[string]time.Duration{
		"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
	scale, known := units[unit]
	value, ok := decimal(number)
	if !known || !ok {
		return 0, errors.New("unknown unit or number")
	}
	value.Mul(value, new(big.Rat).SetInt64(int64(scale)))
	if value.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) > 0 {
		return 0, errors.New("too long")
	}
	return time.Duration(new(big.Int).Quo(value.Num(), value.Denom()).Int64()), nil
}

// FormatDuration prints the form people write: "30d", "1d12h", "90s".
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var out strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			out.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			d -= n * u.size
		}
	}
	if out.Len() == 0 {
		return "0s"
	}
	return out.String()
}

// FormatSize prints a number of bytes so that [ParseSize] reads the same number
// back: the largest binary unit that divides it.
func FormatSize(bytes int64) string {
	for i, unit := range []string{"PiB", "TiB", "GiB", "MiB", "KiB"} {
		if size := int64(1) << (50 - 10*i); bytes >= size && bytes%size == 0 {
			return strconv.FormatInt(bytes/size, 10) + unit
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// parseTime reads a date or an RFC 3339 time as UTC.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write a date such as \"2026-01-31\" or a time such as \"2026-01-31T18:00:00Z\"", text)
}

// parseQuietHours reads "22:00-06:00" and returns it in two-digit form. A range that
// ends before it begins goes over midnight.
func parseQuietHours(text string) (string, error) {
	fail := fmt.Errorf("%q is not a range of hours; write for example \"06:00-20:00\"", text)
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return "", fail
	}
	begin, err := time.Parse("15:04", strings.TrimSpace(from))
	if err != nil {
		return "", fail
	}
	end, err := time.Parse("15:04", strings.TrimSpace(to))
	if err != nil {
		return "", fail
	}
	if begin.Equal(end) {
		return "", fmt.Errorf("%q begins and ends at the same minute; leave quiet_hours out to have none", text)
	}
	return begin.Format("15:04") + "-" + end.Format("15:04"), nil
}
