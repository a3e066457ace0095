package apply

import (
	"slices"
	"time"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
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
	// Served are downloads that were kept although the service delivers other bytes than it lists.
	Served int64
	// Versions are earlier versions of files, which are kept beside the mirror.
	Versions, VersionBytes int64
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
		if r.Verdict == string(state.Served) {
			c.Served++
		}
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
	// Commit is that of the configuration; Origins say for each mirror where its files came
	// from and went to.
	Commit  string
	Origins map[string]Origin
	// Traffic is what the run asked of the service, planning included if it planned.
	Traffic Traffic
	// Messages are said once at the end: what stayed, what to do next.
	Messages []string
}

// Origin says where the files of a mirror come from and go to.
type Origin struct {
	Source plan.SourceRef `json:"source"`
	Target string         `json:"target"`
}

// OriginsOf are the origins of the mirrors that a plan changes, by address.
func OriginsOf(mirrors map[string]*Mirror) map[string]Origin {
	list := make(map[string]Origin, len(mirrors))
	for address, m := range mirrors {
		list[address] = Origin{m.Plan.Source, m.Plan.Target.Path}
	}
	return list
}

// Incomplete reports whether something of the plan is left over.
func (r *Report) Incomplete() bool { return r.Counts.Incomplete() || r.Stopped() }

// Stopped reports whether a mirror was not carried out to its end.
func (r *Report) Stopped() bool {
	return slices.ContainsFunc(r.Mirrors, func(m MirrorReport) bool { return m.Problem != "" })
}

// Traffic counts requests, and the time that all work waited for the service.
type Traffic struct {
	Requests      int64         `json:"requests"`
	ResourceUnits int64         `json:"resource_units"`
	Retries       int64         `json:"retries"`
	Renewals      int64         `json:"renewals"`   // tokens and download addresses renewed because they were refused
	Pauses        int64         `json:"pauses"`     // asked for by the service
	PausedFor     time.Duration `json:"paused_ns"`  // together
	Outages       int64         `json:"outages"`    // losses of the network
	LostFor       time.Duration `json:"outages_ns"` // together
}

// Add adds the traffic of another tenant.
func (t *Traffic) Add(o Traffic) {
	t.Requests, t.ResourceUnits, t.Retries, t.Renewals = t.Requests+o.Requests, t.ResourceUnits+o.ResourceUnits, t.Retries+o.Retries, t.Renewals+o.Renewals
	t.Pauses, t.PausedFor, t.Outages, t.LostFor = t.Pauses+o.Pauses, t.PausedFor+o.PausedFor, t.Outages+o.Outages, t.LostFor+o.LostFor
}

// Subtract takes away what was counted before.
func (t *Traffic) Subtract(o Traffic) {
	t.Add(Traffic{-o.Requests, -o.ResourceUnits, -o.Retries, -o.Renewals, -o.Pauses, -o.PausedFor, -o.Outages, -o.LostFor})
}

// MirrorReport is one mirror's part of a report.
type MirrorReport struct {
	Address string
	Counts  Counts
	// Problem says why the mirror was not carried out to its end, empty if it was.
	Code, Problem string
	// Left is how many changes were not reached.
	Left int64
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
