package view

// States of a watch.
const (
	WatchStarted = "started" // it is about to look for the first time
	WatchLooked  = "looked"  // a look found something, and this came of it
	WatchStopped = "stopped"
)

// WatchNote is what `watch` says of itself, between the events of plans and applies.
type WatchNote struct {
	State   string   `json:"state"`
	Reasons []string `json:"reasons,omitempty"` // of a look
	Mirrors []string `json:"mirrors,omitempty"` // addresses of those that were planned
	// Result of a look: no_changes, changes, applied, incomplete, blocked, needs_review or failed.
	Result   string `json:"result,omitempty"`
	PlanFile string `json:"plan_file,omitempty"` // where the plan was saved
	// Notifications counts what came in, by what became of it.
	Notifications map[string]int64 `json:"notifications,omitempty"`
}

// Watch writes a watch event.
func (e *Events) Watch(n WatchNote, message string) {
	e.emit(event{Type: "watch", Message: message, Hook: n})
}
