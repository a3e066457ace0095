package plan

// Policy is how a mirror treats what it finds: the lifecycle, content and trash
// settings that the diff and the apply need. Values are those of the
// configuration language.
type Policy struct {
	PreventDelete  bool   `json:"prevent_delete,omitempty"`
	OnRemoteDelete string `json:"on_remote_delete"` // trash, delete, keep
	OnDeselect     string `json:"on_deselect"`      // forget, trash, delete
	OnLocalChange  string `json:"on_local_change"`  // restore, keep, rename
	OnUntracked    string `json:"on_untracked"`     // adopt, block, rename
	// AdoptBy says when a file that lies in place of an item is taken over: "" by
	// size and hash, AdoptBySizeTime by size and time, as an import block may ask.
	AdoptBy      string `json:"adopt_by,omitempty"`
	OnSuperseded string `json:"on_superseded"` // skip, latest
	Verify       string `json:"verify"`        // quickxor, size
	Unverifiable string `json:"unverifiable"`  // accept, fail
	Notebooks    string `json:"notebooks"`     // skip, files
	Shortcuts    string `json:"shortcuts"`     // skip, follow
	Times        bool   `json:"times"`
	// Permissions and Columns are what is kept beside the items.
	Permissions    string   `json:"permissions,omitempty"` // "" or sidecar
	Columns        []string `json:"columns,omitempty"`
	Versions       string   `json:"versions,omitempty"` // "", a number or all
	TrashPath      string   `json:"trash_path,omitempty"`
	TrashEnabled   bool     `json:"trash_enabled"`
	TrashRetention string   `json:"trash_retention,omitempty"`
}

// disposal of local bytes that a setting calls "trash" or "delete".
func (p Policy) disposal(setting string) string {
	if setting == "delete" || !p.TrashEnabled {
		return DisposeDelete
	}
	return DisposeTrash
}

// AdoptBySizeTime takes over files by size and whole seconds of their time. Nothing
// of them is read, and they are not called verified.
const AdoptBySizeTime = "size_time"

// Where the local bytes of a deleted or displaced file go.
const (
	DisposeTrash  = "trash"
	DisposeDelete = "delete"
	DisposeRename = "rename" // they stay beside the new file under another name
)
