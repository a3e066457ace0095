package view

import (
	"fmt"
	"time"

	"github.com/spmirror/spmirror/apply"
)

// PauseKind says what all work of a tenant waits for.
type PauseKind string

// Kinds of pauses.
const (
	PauseAsked   PauseKind = "throttle" // the service asked for it
	PauseNetwork PauseKind = "network"  // nothing can be reached
)

// Pause is a time in which all work of a tenant waits.
type Pause struct {
	Tenant string
	Kind   PauseKind
	// Until is the end of the pause; of one for the network, when it is given up.
	Until  time.Time
	Reason string
	Count  int // which one of its kind it is, from 1
}

// text is the sentence for a pause that lasts this long still, the same in text and events. escape makes foreign text
// safe for where it is shown.
func (p Pause) text(wait time.Duration, escape func(string) string) string {
	reason := escape(p.Reason)
	if p.Kind == PauseNetwork {
		return "waiting for the network, tenant " + escape(p.Tenant) + ": " + reason + " (giving up in " + span(wait) + ")"
	}
	text := "waiting " + span(wait) + ", tenant " + escape(p.Tenant) + " asked for it"
	switch {
	case reason != "" && p.Count > 0:
		text += fmt.Sprintf(" (%s, %s time)", reason, ordinal(p.Count))
	case reason != "":
		text += " (" + reason + ")"
	}
	return text
}

// asIs leaves text alone: JSON escapes it.
func asIs(s string) string { return s }

// WaitedText says how often and how long a run waited, a phrase for each kind; nothing for a run that did not.
func WaitedText(t apply.Traffic) []string {
	var parts []string
	if t.Pauses > 0 {
		parts = append(parts, "paused "+plainCount(t.Pauses, "time")+" for "+span(t.PausedFor)+" because the service asked for it")
	}
	if t.Outages > 0 {
		parts = append(parts, "waited "+plainCount(t.Outages, "time")+" for "+span(t.LostFor)+" because the network was gone")
	}
	return parts
}
