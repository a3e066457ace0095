package config

import (
	"encoding/json"
	"io/fs"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Options say what to load and what may influence the result.
type Options struct {
	// Dir is the configuration directory; empty means the working directory.
	Dir string
	// File, when set, is the one configuration file of Dir to load instead of all.
	// Files of values are still found beside it.
	File string
	// Vars are the -var and -var-file arguments in command-line order.
	Vars []VarArg
	// Env is the environment as os.Environ gives it. Only names this room documents
	// are looked at: SPMIRROR_VAR_*, ARM_*, AZURE_*, the names of CI systems that
	// carry federated identity, HOME and USERPROFILE.
	Env []string
	// ToolVersion is compared with required_version; empty skips the comparison.
	ToolVersion string
	// Data answers data blocks. Nil means offline: results of data blocks, variables
	// without a value and missing credentials are unknown instead of wrong.
	Data DataSource
}

// VarArg is one -var or -var-file argument. Exactly one field is set.
type VarArg struct {
	Assign string // name=value of -var
	File   string // path of -var-file
}

// Var makes the VarArg of -var=assign.
func Var(assign string) VarArg { return VarArg{Assign: assign} }

// VarFile makes the VarArg of -var-file=path.
func VarFile(path string) VarArg { return VarArg{File: path} }

// Config is everything the files of one directory declare. Its data may be read by
// many goroutines at once; evaluating checks, outputs and console expressions may not.
type Config struct {
	Dir    string // absolute
	Files  []File // configuration files, sorted by name; files of values are not among them
	Digest string // SHA-256 over files, non-sensitive variable values and files read by functions

	Approval   string        // always, on_delete, on_guard, never
	PlanMaxAge time.Duration // older saved plans are refused
	Names      string        // full, folders, hashed: what plans and reports show
	Backend    Backend

	Tenants   []Tenant   // sorted by address
	Mirrors   []Mirror   // for_each expanded, sorted by address
	Checks    []Check    // by name
	Outputs   []Output   // by name
	Imports   []Import   // in order of declaration
	Moved     []Moved    // in order of declaration
	Removed   []Removed  // in order of declaration
	Variables []Variable // by name

	// Deferred are the addresses of blocks whose for_each is not known while offline.
	Deferred []string
	// Gaps are the addresses of data blocks of which single entries could not be read.
	Gaps []string
	// Missing are the names of variables that have neither a value nor a default.
	Missing []string
	// Sources are the parsed files by name, for printing diagnostics.
	Sources map[string]*hcl.File

	declared map[string]bool // the addresses of Mirrors
	root     *scope
}

// File is one configuration file as it was read.
type File struct {
	Name   string // relative to Config.Dir, slash separated
	Digest string // hex SHA-256 of Bytes
	Bytes  []byte
}

// Backend says where the state lies.
type Backend struct {
	Path string // absolute
}

// Variable is a declared input with the value it got.
type Variable struct {
	Name        string
	Description string
	Value       json.RawMessage // null when sensitive or unknown
	Sensitive   bool
	Origin      string // where the value came from: "default", `-var="name=..."`, a file name
}

// Tenant is one declared tenant, the analogue of a provider.
type Tenant struct {
	Name    string // label
	Key     string // for_each key; empty without for_each
	Address string // tenant.name or tenant.name["key"]

	TenantID     string
	Environment  string // global, usgovernment, dod, china, bleu, delos, custom
	UserAgent    string
	Auth         Auth
	Endpoints    Endpoints
	AllowedHosts []string
	Limits       Limits
	Sandbox      *Sandbox // set instead of Auth: the embedded emulated tenant

	Range hcl.Range
}

// Auth is the one method by which the program proves who it is. There is no chain
// of fallbacks: what was reviewed is what is used. Names follow the azuread
// provider; the zero Method belongs to a sandbox tenant. Where several sources of one
// credential are set by the environment, a token goes before a file, and a file before
// a request.
type Auth struct {
	Method string // client_secret, client_certificate, oidc, workload_identity, managed_identity, azure_cli, device_code

	ClientID            string
	ClientIDFile        string
	ClientSecret        Secret
	ClientSecretFile    string
	CertificatePath     string
	CertificatePassword Secret
	SendChain           bool

	OIDCToken           Secret
	OIDCTokenFile       string
	OIDCRequestURL      string
	OIDCRequestToken    Secret
	ServiceConnectionID string // Azure DevOps

	TokenCachePath string

	Range hcl.Range
}

// Endpoints replace the addresses of the cloud when the environment is "custom".
type Endpoints struct {
	Graph  string
	Login  string
	CAFile string // absolute
}

// Limits slow the program down on purpose. Zero means: the program decides.
type Limits struct {
	RequestsInFlight  int
	RequestsPerMinute int
	Bandwidth         int64  // bytes per second
	QuietHours        string // "22:00-06:00", normalised
}

// Sandbox describes the emulated tenant. With nothing set it is a small generated
// demonstration tenant.
type Sandbox struct {
	Seed      int64
	Files     int
	Folders   int
	Size      int64  // average size of a generated file in bytes
	Directory string // absolute; a real directory served as the default library
	Script    string // absolute; script of faults and changes
	Libraries []SandboxLibrary
	Sites     []SandboxSite
}

// SandboxSite is one site of the emulated tenant.
type SandboxSite struct {
	Path      string // server-relative, such as /sites/people
	Libraries []SandboxLibrary
}

// SandboxLibrary is one document library, generated or served from a directory.
type SandboxLibrary struct {
	Name      string
	Directory string // absolute; empty means generated
	Files     int
	Folders   int
	Size      int64
	Seed      int64
}

// Mirror is one declared source folder and its target directory.
type Mirror struct {
	Name    string // label
	Key     string // for_each key; empty without for_each
	Address string // mirror.name or mirror.name["key"]
	Tenant  string // address of the tenant

	Source      Source
	Target      string // absolute, clean, in the notation of this operating system
	TargetNames string // native, portable
	// FileMode and DirectoryMode are the permissions of what is made in the target.
	FileMode, DirectoryMode fs.FileMode

	Select    Select
	Content   Content
	Metadata  Metadata
	Trash     Trash
	Guard     Guard
	Lifecycle Lifecycle

	// SelectDigest changes exactly when something that decides selection changes:
	// folder, select block, classes of content.
	SelectDigest string

	Range       hcl.Range            // header of the block
	targetRange hcl.Range            // of the target argument
	GuardRanges map[string]hcl.Range // where each guard limit in force was written; defaults are absent
}

// Source names a folder of a drive. Exactly one of the first six fields is set.
type Source struct {
	Site     string // URL
	SiteID   string
	User     string
	Group    string
	DriveID  string
	ShareURL string

	Drive  string // name of the library; empty means the default one
	Folder string // "/" or "/A/B", clean
}

// Select decides which items below the folder belong to the mirror.
type Select struct {
	Include           []string
	Exclude           []string
	MinSize           *int64
	MaxSize           *int64
	ModifiedAfter     *time.Time
	ModifiedBefore    *time.Time
	Extensions        []string // lower case, without dot
	ExcludeExtensions []string // lower case, without dot
}

// Content says how bytes are checked and which kinds of item are taken.
type Content struct {
	Verify       string // quickxor, size
	Unverifiable string // accept, fail
	Notebooks    string // skip, files
	Shortcuts    string // skip, follow
	Versions     string // "0", a number, "all"
}

// Metadata says what is kept beside the bytes.
type Metadata struct {
	Times       bool
	Permissions string // none, sidecar
	Columns     []string
}

// Trash says where replaced and deleted bytes go.
type Trash struct {
	Path      string        // absolute, or relative to the target
	Retention time.Duration // zero: kept until the next apply only
	Enabled   bool
}

// Guard holds the limits that block a plan. A nil limit is not in force.
type Guard struct {
	MaxDeleteCount         *int64
	MaxDeletePercent       *float64
	MaxDeleteBytes         *int64
	MaxFolderDeletePercent *float64
	MaxChangePercent       *float64
	MaxDownloadBytes       *int64
	MaxFiles               *int64
	MinFreeSpace           *int64

	RequireNonemptySource  bool
	RequireCompleteListing bool
	RequireSameSource      bool
	RequireMarker          bool
}

// Lifecycle says what happens when source, selection and disk disagree.
type Lifecycle struct {
	Enabled        bool
	PreventDelete  bool
	OnRemoteDelete string // trash, delete, keep
	OnDeselect     string // forget, trash, delete
	OnLocalChange  string // restore, keep, rename
	OnUntracked    string // adopt, block, rename
	OnSuperseded   string // skip, latest
}

// Import takes files over that another tool copied.
type Import struct {
	To     string // address of the mirror
	Path   string // absolute; empty means the target of the mirror
	Verify string // quickxor, size_time
	Range  hcl.Range
}

// Moved says that an address was renamed.
type Moved struct {
	From, To string
	Range    hcl.Range
}

// Removed says that a mirror is no longer declared on purpose.
type Removed struct {
	From    string
	Destroy bool // true: its files are deleted through the plan and its guards
	Trash   Trash
	Guard   Guard
	Range   hcl.Range

	guardRanges map[string]hcl.Range
}
