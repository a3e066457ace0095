package config

import "github.com/hashicorp/hcl/v2"

// spec is the shape of one kind of block: which labels, arguments and nested
// blocks it may have. The whole language is the value of rootSpec; decoding,
// dynamic blocks and "did you mean" all read it.
type spec struct {
	name   string
	labels []string
	args   []string
	blocks []*spec
}

// schema is the spec as hcl wants it. Required arguments are checked by the
// decoders, which know better words than "missing".
func (s *spec) schema() *hcl.BodySchema {
	out := &hcl.BodySchema{}
	for _, name := range s.args {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, b := range s.blocks {
		out.Blocks = append(out.Blocks, hcl.BlockHeaderSchema{Type: b.name, LabelNames: b.labels})
	}
	return out
}

// child returns the spec of a nested block, or nil.
func (s *spec) child(name string) *spec {
	for _, b := range s.blocks {
		if b.name == name {
			return b
		}
	}
	return nil
}

// Arguments common to generated parts of a sandbox.
var generatedArgs = []string{"seed", "files", "folders", "size"}

var (
	backendSpec  = &spec{name: "backend", labels: []string{"type"}, args: []string{"path"}}
	settingsSpec = &spec{name: "spmirror", args: []string{"required_version", "approval", "plan_max_age", "names"}, blocks: []*spec{backendSpec}}

	authSpec = &spec{name: "auth", labels: []string{"method"}, args: []string{
		"client_id", "client_id_file_path", "client_secret", "client_secret_file_path", "client_certificate_path",
		"client_certificate_password", "send_certificate_chain", "oidc_token", "oidc_token_file_path",
		"oidc_request_url", "oidc_request_token", "ado_pipeline_service_connection_id", "token_cache_path",
	}}
	endpointsSpec = &spec{name: "endpoints", args: []string{"graph", "login", "ca_file"}}
	limitsSpec    = &spec{name: "limits", args: []string{"requests_in_flight", "requests_per_minute", "bandwidth", "quiet_hours"}}
	librarySpec   = &spec{name: "library", labels: []string{"name"}, args: append([]string{"directory"}, generatedArgs...)}
	siteSpec      = &spec{name: "site", labels: []string{"path"}, blocks: []*spec{librarySpec}}
	sandboxSpec   = &spec{name: "sandbox", args: append([]string{"directory", "script"}, generatedArgs...), blocks: []*spec{librarySpec, siteSpec}}
	tenantSpec    = &spec{name: "tenant", labels: []string{"name"},
		args:   []string{"for_each", "tenant_id", "environment", "user_agent", "allowed_hosts"},
		blocks: []*spec{authSpec, endpointsSpec, limitsSpec, sandboxSpec}}

	guardSpec = &spec{name: "guard", args: []string{
		"max_delete_count", "max_delete_percent", "max_delete_bytes", "max_folder_delete_percent", "max_change_percent",
		"max_download_bytes", "max_files", "min_free_space",
		"require_nonempty_source", "require_complete_listing", "require_same_source", "require_marker",
	}}
	selectSpec = &spec{name: "select", args: []string{"include", "exclude", "min_size", "max_size",
		"modified_after", "modified_before", "extensions", "exclude_extensions"}}
	contentSpec   = &spec{name: "content", args: []string{"verify", "unverifiable", "notebooks", "shortcuts", "versions"}}
	metadataSpec  = &spec{name: "metadata", args: []string{"times", "permissions", "columns"}}
	trashSpec     = &spec{name: "trash", args: []string{"path", "retention", "enabled"}}
	lifecycleSpec = &spec{name: "lifecycle", args: []string{"enabled", "prevent_delete", "on_remote_delete", "on_deselect",
		"on_local_change", "on_untracked", "on_superseded"}}
	mirrorSpec = &spec{name: "mirror", labels: []string{"name"},
		args: []string{"for_each", "tenant", "site", "site_id", "user", "group", "drive_id", "share_url", "drive", "folder",
			"target", "names", "file_mode", "directory_mode"},
		blocks: []*spec{selectSpec, contentSpec, metadataSpec, trashSpec, guardSpec, lifecycleSpec}}

	dataSpec = &spec{name: "data", labels: []string{"type", "name"}}

	assertSpec = &spec{name: "assert", args: []string{"condition", "error_message"}}
	checkSpec  = &spec{name: "check", labels: []string{"name"}, args: []string{"enforcement"}, blocks: []*spec{assertSpec}}
	outputSpec = &spec{name: "output", labels: []string{"name"}, args: []string{"value", "description", "sensitive"}}
	importSpec = &spec{name: "import", args: []string{"for_each", "to", "path", "verify"}}
	movedSpec  = &spec{name: "moved", args: []string{"from", "to"}}

	removedLifecycleSpec = &spec{name: "lifecycle", args: []string{"destroy"}}
	removedSpec          = &spec{name: "removed", args: []string{"from"}, blocks: []*spec{removedLifecycleSpec, trashSpec, guardSpec}}

	validationSpec = &spec{name: "validation", args: []string{"condition", "error_message"}}
	variableSpec   = &spec{name: "variable", labels: []string{"name"},
		args: []string{"type", "default", "description", "sensitive", "nullable"}, blocks: []*spec{validationSpec}}
	localsSpec = &spec{name: "locals"}
	moduleSpec = &spec{name: "module", labels: []string{"name"}}

	rootSpec = &spec{blocks: []*spec{settingsSpec, tenantSpec, dataSpec, mirrorSpec, guardSpec, checkSpec, outputSpec,
		importSpec, movedSpec, removedSpec, variableSpec, localsSpec, moduleSpec}}
)

// dataKinds are the arguments of each kind of data block and the attributes of its result.
var dataKinds = map[string][]string{
	"site":   {"url", "site_id"},
	"sites":  {"search", "url_prefix", "include", "exclude", "all", "max_results"},
	"drives": {"site", "site_id", "include", "exclude", "hidden", "max_results"},
	"users":  {"group", "filter", "upns", "include", "exclude", "max_results"},
	"groups": {"filter", "teams_only", "include", "exclude", "max_results"},
}

// dataSpecOf is the shape of one kind of data block.
func dataSpecOf(kind string) *spec {
	return &spec{name: "data", labels: dataSpec.labels, args: append([]string{"for_each", "tenant", "strict"}, dataKinds[kind]...)}
}
