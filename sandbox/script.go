package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A script is a text that edits a tenant and bends its answers at given moments. Each line is one step:
//
//	# a comment
//	put people/Documents "/Handbook/New page.md" text="hello"
//	after 30s: delete people/Documents /Handbook/Archive
//	on 2 delta: rename people/Documents /Handbook/Welcome.md to=Hello.md
//	fault on=download path=people/Documents/Handbook/* status=503 header.Retry-After=3 times=2
//	fault on=download action=truncate after=1000 times=1
//	on 3 delta: forget people/Documents
//	throttle units=500
//	behave order=shuffled emptyPages=20 noParentPath=true
//	lifecycle people/Documents event=reauthorizationRequired
//	fault on=notification action=lose times=1
//	{"when":{"on":"delta","n":2},"edit":{"op":"put","drive":"people/Documents","path":"/a.txt","text":"x"}}
//
// Without a moment a step is taken when the tenant is made. "after 30s" counts from there and is
// looked at when a request comes; "on 2 delta" comes just before the second call of that kind is
// answered. An edit is an operation of [Edit], the drive, the path, and further members as key=value
// (to, to_drive, text, size, salt, by, item, modified, off, hostile). A fault has the members of
// [Fault], on separated by commas, headers as header.Name. Values with blanks stand in double quotes
// with the escapes of Go.
type Script struct {
	Steps []Step
}

// Step is one line of a script.
type Step struct {
	When     When       `json:"when,omitzero"`
	Edit     *Edit      `json:"edit,omitempty"`
	Fault    *Fault     `json:"fault,omitempty"`
	Throttle *Throttle  `json:"throttle,omitempty"`
	Behave   *Behaviour `json:"behave,omitempty"`
	// Lifecycle is an event in the life of the subscriptions of a drive.
	Lifecycle *Lifecycle `json:"lifecycle,omitempty"`

	line string
	bend map[string]string // switches to change, of a behave line
}

// Lifecycle names a drive and what happens to its subscriptions, see [Tenant.Lifecycle].
type Lifecycle struct {
	Drive string `json:"drive"`
	Event string `json:"event"`
}

// When is the moment of a step; the zero value is the start.
type When struct {
	After time.Duration `json:"after,omitempty"`
	On    Kind          `json:"on,omitempty"`
	N     int           `json:"n,omitempty"`
}

// ParseScript reads a script; its errors name the line.
func ParseScript(text string) (Script, error) {
	var s Script
	var errs []error
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		step, err := parseStep(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("script line %d: %w", i+1, err))
			continue
		}
		step.line = line
		s.Steps = append(s.Steps, step)
	}
	return s, errors.Join(errs...)
}

func parseStep(line string) (Step, error) {
	var step Step
	if strings.HasPrefix(line, "{") {
		dec := json.NewDecoder(strings.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&step); err != nil {
			return step, err
		}
		return step, step.check()
	}
	words, err := splitWords(line)
	if err != nil {
		return step, err
	}
	if words, err = step.parseWhen(words); err != nil {
		return step, err
	}
	if len(words) == 0 {
		return step, errors.New("the step says nothing")
	}
	switch words[0] {
	case "fault":
		step.Fault = &Fault{}
		err = parseFault(step.Fault, words[1:])
	case "throttle":
		step.Throttle = &Throttle{}
		err = parseThrottle(step.Throttle, words[1:])
	case "behave":
		step.bend, err = keyValues(words[1:])
		if err == nil {
			err = (&Behaviour{}).set(step.bend)
		}
	case "lifecycle":
		step.Lifecycle, err = parseLifecycle(words[1:])
	default:
		step.Edit, err = parseEdit(words)
	}
	if err != nil {
		return step, err
	}
	return step, step.check()
}

// check refuses what would only be found when the moment comes.
func (s *Step) check() error {
	n := 0
	for _, set := range []bool{s.Edit != nil, s.Fault != nil, s.Throttle != nil, s.Behave != nil || s.bend != nil, s.Lifecycle != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New("a step has exactly one of edit, fault, throttle, behave and lifecycle")
	}
	if s.Edit != nil && !knownOps[s.Edit.Op] {
		return fmt.Errorf("%q is no operation", s.Edit.Op)
	}
	return nil
}

var knownOps = map[string]bool{OpPut: true, OpMkdir: true, OpTouch: true, OpRename: true, OpMove: true, OpSwap: true, OpDelete: true, OpRestore: true,
	OpVanish: true, OpTurn: true, OpTransfer: true, OpMalware: true, OpPackage: true, OpShortcut: true, OpServe: true, OpNoHash: true, OpHash: true, OpShare: true, OpColumn: true,
	OpProcessing: true, OpPending: true, OpLock: true, OpStatus: true, OpRaw: true, OpForget: true, OpSite: true}

// splitWords splits at blanks outside of quotes; quoted parts are Go strings.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in := false
	for line != "" {
		switch c := line[0]; {
		case c == ' ' || c == '\t':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in, line = false, line[1:]
		case c == '"':
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New("a quote is not closed")
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			in, line = true, line[len(quoted):]
		default:
			word.WriteByte(c)
			in, line = true, line[1:]
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

func (s *Step) parseWhen(words []string) ([]string, error) {
	if len(words) < 2 {
		return words, nil
	}
	switch {
	case words[0] == "after" && strings.HasSuffix(words[1], ":"):
		d, err := time.ParseDuration(strings.TrimSuffix(words[1], ":"))
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q is no duration", words[1])
		}
		s.When.After = d
		return words[2:], nil
	case words[0] == "on" && len(words) > 2 && strings.HasSuffix(words[2], ":"):
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no count", words[1])
		}
		s.When.N, s.When.On = n, Kind(strings.TrimSuffix(words[2], ":"))
		return words[3:], nil
	}
	return words, nil
}

func keyValues(words []string) (map[string]string, error) {
	m := map[string]string{}
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", w)
		}
		m[k] = v
	}
	return m, nil
}

// scriptRun is a script that is being followed.
type scriptRun struct {
	mu      sync.Mutex
	started time.Time
	pending []Step
	seen    map[Kind]int
}

// startScript takes the steps of the beginning and keeps the others.
func (t *Tenant) startScript() error {
	s, err := ParseScript(t.opts.Script)
	if err != nil {
		return err
	}
	t.script = &scriptRun{started: t.now(), seen: map[Kind]int{}}
	for i, step := range s.Steps {
		if step.When != (When{}) {
			t.script.pending = append(t.script.pending, step)
			continue
		}
		mark := fmt.Sprintf("%d %s", i, step.line)
		if step.Edit != nil && t.ran[mark] {
			continue // an earlier process took the step; its journal has it
		}
		// The times of these steps must not depend on the clock, else no token survives the process.
		at := t.opts.Epoch.Add(time.Duration(i+1) * time.Second)
		if t.journal != nil {
			at = t.now().UTC()
		}
		if err := t.take(step, at, mark); err != nil {
			return fmt.Errorf("script: %s: %w", step.line, err)
		}
	}
	return nil
}

// RunScript follows a further script from now on.
func (t *Tenant) RunScript(text string) error {
	s, err := ParseScript(text)
	if err != nil {
		return err
	}
	for _, step := range s.Steps {
		if step.When == (When{}) {
			if err := t.take(step, t.now().UTC(), ""); err != nil {
				return fmt.Errorf("script: %s: %w", step.line, err)
			}
			continue
		}
		if step.When.After > 0 {
			step.When.After += t.now().Sub(t.script.started)
		}
		t.script.mu.Lock()
		step.When.N += t.script.seen[step.When.On]
		t.script.pending = append(t.script.pending, step)
		t.script.mu.Unlock()
	}
	return nil
}

func (t *Tenant) take(step Step, at time.Time, mark string) error {
	switch {
	case step.Edit != nil:
		e := *step.Edit
		e.Mark = mark
		if e.At.IsZero() {
			e.At = at
		}
		_, err := t.Apply(e)
		return err
	case step.Fault != nil:
		t.AddFault(*step.Fault)
	case step.Throttle != nil:
		t.SetThrottle(*step.Throttle)
	case step.bend != nil:
		b := t.behaviour()
		if err := b.set(step.bend); err != nil {
			return err
		}
		t.SetBehaviour(b)
	case step.Behave != nil:
		t.SetBehaviour(*step.Behave)
	case step.Lifecycle != nil:
		return t.Lifecycle(step.Lifecycle.Drive, step.Lifecycle.Event)
	}
	return nil
}

// moment takes the steps whose time has come when a call of a kind is about to be answered.
func (t *Tenant) moment(kind Kind, now time.Time) {
	s := t.script
	s.mu.Lock()
	s.seen[kind]++
	var due []Step
	rest := s.pending[:0]
	for _, step := range s.pending {
		w := step.When
		if w.On != "" && (w.On != kind || s.seen[kind] < w.N) || w.On == "" && now.Sub(s.started) < w.After {
			rest = append(rest, step)
			continue
		}
		due = append(due, step)
	}
	s.pending = rest
	s.mu.Unlock()
	for _, step := range due {
		if err := t.take(step, now.UTC(), ""); err != nil {
			t.log.Error("script", "step", step.line, "error", err)
		}
	}
}
