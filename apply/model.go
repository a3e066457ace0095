package apply

import (
	"time"

	"github.com/spmirror/spmirror/plan"
)

// Outcome is what became of one change.
type Outcome string

// The outcomes.
const (
	Done       Outcome = "done"
	Failed     Outcome = "failed"
	Superseded Outcome = "superseded" // it changed between plan and apply
	Postponed  Outcome = "postponed"  // a delete of a mirror with failures (I-27)
	Held       Outcome = "blocked"    // it was blocked in the plan already
)

// Result is the outcome of one change, for the report and the run's record.
type Result struct {
	Mirror    string        `json:"mirror"`
	Path      plan.RelPath  `json:"path"`
	ItemID    plan.ItemID   `json:"item_id"`
	Folder    bool          `json:"folder,omitempty"`
	Action    plan.Action   `json:"action"`
	Outcome   Outcome       `json:"outcome"`
	Code      string        `json:"code,omitempty"`
	Message   string        `json:"message,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
	Verdict   string        `json:"verdict,omitempty"`
	Bytes     int64         `json:"bytes"`
	Hash      string        `json:"quickxorhash,omitempty"`
	SHA256    string        `json:"sha256,omitempty"`
	ETag      string        `json:"etag,omitempty"`
	Duration  time.Duration `json:"duration_ns"`
	At        time.Time     `json:"at"`
}

// Counts are what a run did, by the words of its summary line.
type Counts struct {
	Added, Changed, Destroyed, Forgotten, Adopted int64
	Failed, Superseded, Postponed, Blocked        int64
	DownloadFiles, DownloadBytes                  int64
}

// Incomplete reports whether something of the plan is left over. What the plan
// itself held back was never part of it.
func (c Counts) Incomplete() bool { return c.Failed+c.Superseded+c.Postponed > 0 }

func (c *Counts) add(r *Result) {
	switch r.Outcome {
	case Failed:
		c.Failed++
		return
	case Superseded:
		c.Superseded++
		return
	case Postponed:
		c.Postponed++
		return
	case Held:
		c.Blocked++
		return
	}
	switch r.Action {
	case plan.Add:
		c.Added++
	case plan.Update, plan.Move, plan.Metadata:
		c.Changed++
	case plan.Delete:
		c.Destroyed++
	case plan.Forget:
		c.Forgotten++
	case plan.Adopt:
		c.Adopted++
	}
	if !r.Folder && (r.Action == plan.Add || r.Action == plan.Update) {
		c.DownloadFiles++
		c.DownloadBytes += r.Bytes
	}
}

// Report is what a run of apply did.
type Report struct {
	PlanID      string
	Run         int64
	Started     time.Time
	Duration    time.Duration
	Interrupted bool
	// AlreadyApplied is the run that applied this plan before, zero if none did.
	AlreadyApplied int64
	Counts         Counts
	Mirrors        []MirrorReport
	// Problems are the first results that are not done, for the summary; all of
	// them are in the run's record.
	Problems []Result
	// Throttled counts the pauses that the service asked for, and their length.
	Throttled  int64
	ThrottleBy time.Duration
	// Messages are said once at the end: what stayed, what to do next.
	Messages []string
}

// MirrorReport is one mirror's part of a report.
type MirrorReport struct {
	Address string
	Counts  Counts
	// Problem says why nothing was done for the mirror, empty if it was run.
	Code, Problem string
}

// Progress is how far a mirror is; it is sent to the observer as work goes on.
type Progress struct {
	Mirror                string
	ItemsDone, ItemsTotal int64
	BytesDone, BytesTotal int64 // bytes on disk and verified, plus those in flight
	Failed                int64
	Started               time.Time
	Finished              bool
	Counts                Counts
	ActiveNames           []string // files in flight, for a terminal
}

// Observer watches a run. Its methods are called from several goroutines and
// must not block.
type Observer interface {
	// Progress is called whenever a mirror moved on.
	Progress(Progress)
	// Item is called once for each change, with its result.
	Item(Result)
}
