package sandbox

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// parseEdit reads "op drive [path] key=value…".
func parseEdit(words []string) (*Edit, error) {
	e := &Edit{Op: words[0]}
	rest := words[1:]
	if len(rest) > 0 {
		e.Drive, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "/") {
		e.Path, rest = rest[0], rest[1:]
	}
	m, err := keyValues(rest)
	if err != nil {
		return nil, err
	}
	for k, v := range m {
		if err := e.set(k, v); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Edit) set(key, value string) error {
	var err error
	switch key {
	case "to":
		e.To = value
	case "to_drive":
		e.ToDrive = value
	case "text":
		e.Text = &value
	case "item":
		e.Item = ItemID(value)
	case "by":
		e.By = value
	case "size":
		var n int64
		n, err = parseSize(value)
		e.Size = &n
	case "salt":
		e.Salt, err = strconv.ParseUint(value, 10, 64)
	case "off":
		e.Off, err = strconv.ParseBool(value)
	case "hostile":
		e.Hostile, err = strconv.ParseBool(value)
	case "modified":
		var at time.Time
		at, err = time.Parse(time.RFC3339, value)
		e.Modified = &at
	default:
		return fmt.Errorf("an edit has no %q", key)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", key, value, err)
	}
	return nil
}

// parseSize reads a number of bytes with an optional KiB, MiB or GiB.
func parseSize(text string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			text, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n << shift, err
}

func parseFault(f *Fault, words []string) error {
	m, err := keyValues(words)
	if err != nil {
		return err
	}
	for k, v := range m {
		if err := f.set(k, v); err != nil {
			return fmt.Errorf("%s=%s: %w", k, v, err)
		}
	}
	return nil
}

func (f *Fault) set(key, value string) (err error) {
	if name, ok := strings.CutPrefix(key, "header."); ok {
		if f.Header == nil {
			f.Header = map[string]string{}
		}
		f.Header[name] = value
		return nil
	}
	switch key {
	case "name":
		f.Name = value
	case "on":
		for k := range strings.SplitSeq(value, ",") {
			f.On = append(f.On, Kind(k))
		}
	case "path":
		f.Path = value
	case "skip":
		f.Skip, err = strconv.Atoi(value)
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "every":
		f.Every, err = strconv.Atoi(value)
	case "percent":
		f.Percent, err = strconv.Atoi(value)
	case "status":
		f.Status, err = strconv.Atoi(value)
	case "code":
		f.Code = value
	case "inner":
		f.Inner = value
	case "message":
		f.Message = value
	case "body":
		f.Body = value
	case "pause":
		f.Pause, err = strconv.ParseBool(value)
	case "action":
		f.Action = Action(value)
	case "after":
		f.After, err = parseSize(value)
	case "chunk":
		f.Chunk, err = parseSize(value)
	case "delay":
		f.Delay, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("a fault has no %q", key)
	}
	return err
}

// parseLifecycle reads "drive event=…".
func parseLifecycle(words []string) (*Lifecycle, error) {
	if len(words) != 2 || !strings.HasPrefix(words[1], "event=") {
		return nil, errors.New("a lifecycle has a drive and event=…")
	}
	return &Lifecycle{Drive: words[0], Event: strings.TrimPrefix(words[1], "event=")}, nil
}

func parseThrottle(th *Throttle, words []string) error {
	m, err := keyValues(words)
	if err != nil {
		return err
	}
	for k, v := range m {
		switch k {
		case "units":
			th.UnitsPerMinute, err = strconv.Atoi(v)
		case "hideRetryAfter":
			th.HideRetryAfter, err = strconv.ParseBool(v)
		case "hideRateLimit":
			th.HideRateLimit, err = strconv.ParseBool(v)
		case "tolerant":
			th.Tolerant, err = strconv.ParseBool(v)
		case "grace":
			th.Grace, err = time.ParseDuration(v)
		default:
			return fmt.Errorf("a throttle has no %q", k)
		}
		if err != nil {
			return fmt.Errorf("%s=%s: %w", k, v, err)
		}
	}
	return nil
}

// set changes switches by their names, the first letter in either case.
func (b *Behaviour) set(m map[string]string) error {
	all := reflect.ValueOf(b).Elem()
	for name, value := range m {
		field := all.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) })
		if !field.IsValid() {
			return fmt.Errorf("there is no switch %q", name)
		}
		var err error
		switch field.Interface().(type) {
		case bool:
			var v bool
			v, err = strconv.ParseBool(value)
			field.SetBool(v)
		case int:
			var v int
			v, err = strconv.Atoi(value)
			field.SetInt(int64(v))
		case time.Duration:
			var v time.Duration
			v, err = time.ParseDuration(value)
			field.SetInt(int64(v))
		default:
			field.SetString(value)
		}
		if err != nil {
			return fmt.Errorf("%s=%s: %w", name, value, err)
		}
	}
	return nil
}
