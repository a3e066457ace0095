package plan

import (
	"slices"
	"time"
)

// DriveID, ItemID and the path types are distinct on purpose: a remote name is
// not a local name, and Naming alone turns one into the other.
type (
	// DriveID identifies a drive inside a tenant. Case-sensitive, opaque (D24).
	DriveID string
	// ItemID identifies a driveItem inside its drive (D24).
	ItemID string
	// RelPath is a slash-separated local path below a mirror's target.
	RelPath string
	// RemotePath is a slash-separated path below a mirror's source folder.
	RemotePath string
	// Generation counts observed changes of one drive.
	Generation int64
)

// ParkedParent is the parent of an applied entry that a move has set aside.
const ParkedParent ItemID = "!park"

// Action is what apply does to one item.
type Action string

// The actions, in the order in which a plan file lists them.
const (
	Add      Action = "add"
	Adopt    Action = "adopt"
	Blocked  Action = "blocked"
	Delete   Action = "delete"
	Forget   Action = "forget"
	Metadata Action = "metadata"
	Move     Action = "move"
	Update   Action = "update"
)

// Actions lists every action in the byte order of its name, the order of items.jsonl.
var Actions = [...]Action{Add, Adopt, Blocked, Delete, Forget, Metadata, Move, Update}

// Cause says who or what made a change necessary.
type Cause string

// The causes.
const (
	ByConfig Cause = "config" // the configuration was edited
	BySource Cause = "source" // someone edited SharePoint
	ByDrift  Cause = "drift"  // someone edited the disk
	ByRetry  Cause = "retry"  // left over from the last run
)

// Causes lists every cause in the order of display.
var Causes = [...]Cause{ByConfig, BySource, ByDrift, ByRetry}

// Reason says why a change is in the plan. The codes are stable: they appear in
// JSON, text and CSV.
type Reason string

// Reasons of changes.
const (
	SelectedByInclude Reason = "selected_by_include"
	Deselected        Reason = "deselected"
	MirrorAdded       Reason = "mirror_added"
	MirrorRemoved     Reason = "mirror_removed"
	ShortcutGone      Reason = "shortcut_gone" // or not followed any more, or left out by the selection
	TargetMoved       Reason = "destination_moved"
	AddressMoved      Reason = "address_moved"
	ReplaceRequested  Reason = "replace_requested"

	NewAtSource     Reason = "new"
	ContentChanged  Reason = "content_changed"
	MetadataChanged Reason = "metadata_changed"
	Renamed         Reason = "renamed"
	Moved           Reason = "moved"
	Removed         Reason = "removed"
	LeftFolder      Reason = "left_folder"
	TypeChanged     Reason = "type_changed"

	SharingChanged  Reason = "sharing_changed"
	ColumnsChanged  Reason = "columns_changed"
	VersionsMissing Reason = "versions_missing"
	BesideWanted    Reason = "sidecar_wanted"
	BesideUnwanted  Reason = "sidecar_unwanted"
	BesideUnwritten Reason = "sidecar_unwritten"

	MissingOnDisk Reason = "missing_on_disk"
	ChangedOnDisk Reason = "changed_on_disk"

	FailedLastRun     Reason = "failed_last_run"
	SupersededLastRun Reason = "superseded_last_run"
	EqualOnDisk       Reason = "equal_on_disk"
)

// Reasons of blocked changes.
const (
	BlockedPreventDelete Reason = "prevent_delete"
	BlockedLocalChange   Reason = "local_change"
	BlockedUntracked     Reason = "untracked"
	BlockedCollision     Reason = "name_collision"
	BlockedPathTooLong   Reason = "path_too_long"
	BlockedUnsafeName    Reason = "unsafe_name"
	BlockedMalware       Reason = "malware"
	BlockedOrphan        Reason = "parent_unknown"
	BlockedUnknown       Reason = "type_unknown"
	BlockedHolding       Reason = "holds_blocked_items"
)

// Skip says why an observed item is outside a mirror without being a change.
type Skip string

// The classes of items that are counted but not mirrored.
const (
	SkipOutside    Skip = "outside_folder"
	SkipDeselected Skip = "deselected"
	SkipPackage    Skip = "package"
	SkipPart       Skip = "notebook_part"
	SkipShortcut   Skip = "shortcut"
	SkipBundle     Skip = "bundle"
	SkipUnknown    Skip = "unknown_type"
	SkipKept       Skip = "kept_local_change"
	SkipNarrowed   Skip = "outside_target_path" // a change that -target-path leaves out
)

// Change is one item's line in a plan.
type Change struct {
	Mirror       string   `json:"mirror"`
	Path         RelPath  `json:"path"`
	PreviousPath RelPath  `json:"previous_path,omitempty"`
	ItemID       ItemID   `json:"item_id"`
	Folder       bool     `json:"folder,omitempty"`
	Actions      []Action `json:"actions"`
	Cause        Cause    `json:"cause"`
	Reason       Reason   `json:"reason"`
	// Detail is one sentence for people where the reason alone does not tell.
	Detail string  `json:"detail,omitempty"`
	Remote *Remote `json:"remote,omitempty"`
	Local  *Local  `json:"local,omitempty"`
	// Parent and Name place the item below the target once the plan is done;
	// Parent is empty directly below the target.
	Parent ItemID `json:"parent_id,omitempty"`
	Name   string `json:"name,omitempty"`
	Fold   string `json:"fold,omitempty"`
	// Replaces is the item whose place an added or moved item takes; that item
	// leaves by its own change.
	Replaces ItemID `json:"replaces,omitempty"`
	// Wanted is the action that a blocked change would have been.
	Wanted Action `json:"wanted,omitempty"`
	// Disposal says where the local bytes of a delete or a displaced file go:
	// "trash" or "delete" for good.
	Disposal string `json:"disposal,omitempty"`
	// Beside lists what of the item's permissions and columns is written beside the mirror.
	Beside []string `json:"beside,omitempty"`
}

// Action returns the action that decides how the change is counted and run. An
// item that moves and gets new content is one update with a previous path.
func (c *Change) Action() Action { return c.Actions[len(c.Actions)-1] }

// Moves reports whether the change takes the item from one place to another. Both may
// have one path: the old folder gives it up, and the new one takes it, by the same plan.
func (c *Change) Moves() bool {
	return slices.Contains(c.Actions, Move) || c.PreviousPath != "" && c.PreviousPath != c.Path
}

// OfMirror reports whether the change is about the mirror itself and no item of it: it
// has no path below the target, and apply does it before all others.
func (c *Change) OfMirror() bool { return c.Reason == TargetMoved || c.Reason == AddressMoved }

// DownloadBytes is what the change fetches. An unknown size counts as zero.
func (c *Change) DownloadBytes() int64 {
	if c.Folder || (c.Action() != Add && c.Action() != Update) || c.Remote == nil {
		return 0
	}
	return max(0, c.Remote.Size)
}

// Bytes is the size of the item as the change concerns it: the source's size,
// or that of the local file when the source no longer has it.
func (c *Change) Bytes() int64 {
	switch {
	case c.Folder:
		return 0
	case c.Remote != nil && c.Remote.Size > 0:
		return c.Remote.Size
	case c.Local != nil:
		return c.Local.Size
	}
	return 0
}

// Remote is what the source said of the item when the plan was made: the
// precondition of a download. Size is -1 where the source gave none (Q35).
type Remote struct {
	ETag     string    `json:"etag,omitempty"`
	CTag     string    `json:"ctag,omitempty"`
	Size     int64     `json:"size"`
	Hash     string    `json:"quickxorhash,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	By       string    `json:"by,omitempty"`
}

// Local is what is expected on disk before the change: the precondition of
// touching it.
type Local struct {
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256,omitempty"`
	MTime  time.Time `json:"mtime,omitzero"`
	Inode  uint64    `json:"inode,omitempty"`
}

// DriftKind says how the disk differs from what was applied.
type DriftKind string

// The kinds of drift.
const (
	DriftMissing   DriftKind = "missing"
	DriftChanged   DriftKind = "changed"
	DriftReplaced  DriftKind = "replaced"
	DriftUntracked DriftKind = "untracked"
)

// The kinds of changes at the source that -refresh-only tells of.
const (
	SourceAdded   DriftKind = "added at the source"
	SourceChanged DriftKind = "changed at the source"
	SourceMoved   DriftKind = "moved at the source"
	SourceRemoved DriftKind = "removed at the source"
)

// DriftKinds lists every kind in the order of display.
var DriftKinds = [...]DriftKind{
	DriftMissing, DriftChanged, DriftReplaced, DriftUntracked, SourceAdded, SourceChanged, SourceMoved, SourceRemoved,
}

// Drift is one difference between the disk and what was applied to it.
type Drift struct {
	Mirror  string    `json:"mirror"`
	Path    RelPath   `json:"path"`
	ItemID  ItemID    `json:"item_id,omitempty"`
	Kind    DriftKind `json:"kind"`
	Applied *Local    `json:"applied,omitempty"`
	Found   *Local    `json:"found,omitempty"`
}

// OfApplied reports whether it is an applied item that is not on disk as it was left.
func (d Drift) OfApplied() bool {
	return d.ItemID != "" && slices.Contains([]DriftKind{DriftMissing, DriftChanged, DriftReplaced}, d.Kind)
}

// FormatVersion of plan files and of show -json. A minor step adds, a major
// step breaks.
const FormatVersion = "1.0"

// Mode of a plan.
const (
	ModeNormal      = "normal"
	ModeRefreshOnly = "refresh-only"
	ModeDestroy     = "destroy"
)

// SourceDrift says what a change would have been made for, when -refresh-only only
// tells of it; ok is false for changes whose reason lies elsewhere.
func SourceDrift(c Change) (d Drift, ok bool) {
	kinds := map[Action]DriftKind{
		Add: SourceAdded, Update: SourceChanged, Metadata: SourceChanged, Move: SourceMoved, Delete: SourceRemoved, Forget: SourceRemoved,
	}
	kind, ok := kinds[c.Action()]
	if !ok || c.Cause != BySource {
		return Drift{}, false
	}
	return Drift{Mirror: c.Mirror, Path: c.Path, ItemID: c.ItemID, Kind: kind, Applied: c.Local}, true
}

// Header is everything of a plan but its items.
type Header struct {
	FormatVersion   string        `json:"format_version"`
	SpmirrorVersion string        `json:"spmirror_version"`
	PlanID          string        `json:"plan_id,omitempty"`
	Digest          string        `json:"digest,omitempty"`
	Created         time.Time     `json:"created"`
	Expires         time.Time     `json:"expires,omitzero"`
	Mode            string        `json:"mode"`
	Speculative     bool          `json:"speculative,omitempty"`
	Applyable       bool          `json:"applyable"`
	Complete        bool          `json:"complete"`
	Errored         bool          `json:"errored"`
	Blocked         bool          `json:"blocked"`
	Options         Options       `json:"options"`
	Configuration   Configuration `json:"configuration"`
	Variables       []Variable    `json:"variables,omitempty"`
	State           StateRef      `json:"state"`
	Tenants         []TenantRef   `json:"tenants"`
	Mirrors         []*Mirror     `json:"mirrors"`
	Totals          Totals        `json:"totals"`
	Guards          []GuardResult `json:"guards"`
	Checks          []CheckResult `json:"checks"`
	Diagnostics     []Diagnostic  `json:"diagnostics"`
}

// Options are the flags that shaped the plan, as given.
type Options struct {
	Targets     []string `json:"target,omitempty"`
	TargetPaths []string `json:"target_path,omitempty"`
	Excludes    []string `json:"exclude,omitempty"`
	Replace     []string `json:"replace,omitempty"`
	NoRefresh   bool     `json:"refresh_false,omitempty"`
	Full        bool     `json:"full,omitempty"`
	Verify      string   `json:"verify,omitempty"`
	DeleteFiles bool     `json:"delete_files,omitempty"`
}

// Narrowed reports whether the options leave part of the configuration out.
func (o Options) Narrowed() bool {
	return len(o.Targets)+len(o.TargetPaths)+len(o.Excludes) > 0
}

// Partial reports whether the options leave a part of the mirrors out that are planned: such a plan cannot say that a
// mirror agrees with its source.
func (o Options) Partial() bool { return len(o.TargetPaths) > 0 }

// Configuration names the files a plan was made from.
type Configuration struct {
	Digest string    `json:"digest"`
	Files  []FileRef `json:"files,omitempty"`
	Commit string    `json:"commit,omitempty"`
	Branch string    `json:"branch,omitempty"`
	Dirty  bool      `json:"dirty,omitempty"`
}

// FileRef is one configuration file by name and digest.
type FileRef struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Content goes into the plan file's config/ folder, not into the header.
	Content []byte `json:"-"`
}

// Variable is a root variable and its value; a sensitive value is never here.
type Variable struct {
	Name      string `json:"name"`
	Value     any    `json:"value,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// StateRef names the state a plan belongs to.
type StateRef struct {
	Path    string    `json:"path,omitempty"`
	Lineage string    `json:"lineage"`
	Serial  int64     `json:"serial"`
	LastRun time.Time `json:"last_run,omitzero"`
}

// TenantRef names a tenant without anything secret.
type TenantRef struct {
	Name        string `json:"name"`
	TenantID    string `json:"tenant_id,omitempty"`
	Environment string `json:"environment"`
	Auth        string `json:"auth_method"`
}

// Mirror is one declared mirror's part of a plan.
type Mirror struct {
	Address         string               `json:"address"`
	PreviousAddress string               `json:"previous_address,omitempty"`
	Actions         []string             `json:"actions"`
	ActionReason    string               `json:"action_reason,omitempty"`
	Source          SourceRef            `json:"source"`
	Target          TargetRef            `json:"target"`
	Generation      GenerationRef        `json:"generation"`
	Listing         Listing              `json:"listing"`
	Policy          Policy               `json:"policy"`
	Select          Select               `json:"select"`
	ConfigChanges   []ConfigChange       `json:"config_changes,omitempty"`
	Summary         map[Action]Sum       `json:"summary"`
	Causes          map[Cause]int64      `json:"causes"`
	Skipped         map[Skip]int64       `json:"skipped,omitempty"`
	Tracked         Sum                  `json:"tracked"`
	Unchanged       int64                `json:"unchanged"`
	Observed        int64                `json:"observed"`
	Compared        int64                `json:"compared"`
	Folders         []FolderRow          `json:"folders,omitempty"`
	Reasons         map[Action]ReasonSum `json:"reasons,omitempty"`
	Samples         map[Action][]Change  `json:"samples,omitempty"`
	// Problem says why a mirror was not planned; empty when it was.
	Problem *Diagnostic `json:"problem,omitempty"`

	requests, units int64            // that what is kept beside items costs, without columns
	columns         map[ItemID]int64 // items whose columns are read, by the folder
	versioned       int64            // files whose earlier versions are asked for

	restored int64 // added files that are tracked already and missing on disk
}

// ReasonSum counts the reasons of one action.
type ReasonSum map[Reason]int64

// Planned reports whether the mirror's source could be read and compared.
func (m *Mirror) Planned() bool { return m.Problem == nil }

// Changes counts the items of the mirror that the plan touches.
func (m *Mirror) Changes() int64 {
	var n int64
	for a, s := range m.Summary {
		if a != Blocked {
			n += s.Items
		}
	}
	return n
}

// SourceRef says where a mirror reads from.
type SourceRef struct {
	Tenant  string  `json:"tenant"`
	Site    string  `json:"site,omitempty"`
	Drive   string  `json:"drive,omitempty"`
	DriveID DriveID `json:"drive_id"`
	Folder  string  `json:"folder"`
	// FolderID is the item that is the root of the mirror.
	FolderID ItemID `json:"folder_id"`
}

// TargetRef says where a mirror writes to.
type TargetRef struct {
	Path   string `json:"path"`
	Marker string `json:"marker,omitempty"`
	Names  string `json:"names,omitempty"`
}

// GenerationRef ties a plan to what it was made from: the mirror's counter of
// applied changes, and the drive's counter of observed ones.
type GenerationRef struct {
	Base     int64      `json:"base"`
	Observed Generation `json:"observed"`
}

// Listing says how the source was read.
type Listing struct {
	Mode     string    `json:"mode"` // delta, full, recorded
	Reason   string    `json:"reason,omitempty"`
	Complete bool      `json:"complete"`
	Pages    int64     `json:"pages"`
	AsOf     time.Time `json:"as_of,omitzero"`
}

// Sum is a count of items and of the bytes they concern.
type Sum struct {
	Items   int64 `json:"items"`
	Files   int64 `json:"files"`
	Folders int64 `json:"folders,omitempty"`
	Bytes   int64 `json:"bytes"`
}

func (s *Sum) add(c *Change) {
	s.Items++
	if c.Folder {
		s.Folders++
		return
	}
	s.Files++
	s.Bytes += c.Bytes()
}

func (s *Sum) merge(o Sum) {
	s.Items += o.Items
	s.Files += o.Files
	s.Folders += o.Folders
	s.Bytes += o.Bytes
}

// Totals are the sums over all mirrors.
type Totals struct {
	Actions       map[Action]Sum  `json:"actions"`
	Causes        map[Cause]int64 `json:"causes"`
	DownloadFiles int64           `json:"download_files"`
	DownloadBytes int64           `json:"download_bytes"`
	// VersionFiles are asked for their earlier versions. How many bytes these have is known once they are listed.
	VersionFiles int64 `json:"version_files,omitempty"`
	Observed     int64 `json:"observed"`
	Compared     int64 `json:"compared"`
	// Requests and ResourceUnits estimate the apply; T10 prices them.
	Requests      int64 `json:"requests"`
	ResourceUnits int64 `json:"resource_units"`
}

// Count of the items of an action over all mirrors.
func (t Totals) Count(a Action) int64 { return t.Actions[a].Items }

// Changed counts what the summary line calls "to change".
func (t Totals) Changed() int64 { return t.Count(Update) + t.Count(Move) + t.Count(Metadata) }

// Changes counts every item that an apply would touch.
func (t Totals) Changes() int64 {
	return t.Count(Add) + t.Changed() + t.Count(Delete) + t.Count(Forget) + t.Count(Adopt)
}

// Diagnostic is a problem as data: stable code, sentence, advice, and where the
// service had a part in it, its request id.
type Diagnostic struct {
	Severity  string `json:"severity"` // error, warning
	Code      string `json:"code"`
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	Address   string `json:"address,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// CheckResult is the outcome of a check block on the finished plan.
type CheckResult struct {
	Name        string   `json:"name"`
	Enforcement string   `json:"enforcement"`
	Status      string   `json:"status"` // pass, fail, error
	Messages    []string `json:"messages,omitempty"`
}
