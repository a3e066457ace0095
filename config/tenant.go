package config

import (
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// environments are the clouds of Microsoft (FACTS A13) and the one you describe yourself.
var environments = []string{"global", "usgovernment", "dod", "china", "bleu", "delos", "custom"}

// declareTenants makes one node per tenant label; its value is an object, or a map of
// objects by key.
func (sc *scope) declareTenants(blocks hcl.Blocks) {
	sc.checkLabels(blocks, "tenant")
	for _, b := range blocks {
		name := "tenant." + b.Labels[0]
		if sc.nodes[name] == nil {
			sc.nodes[name] = &node{rng: b.DefRange, compute: func() cty.Value { return sc.computeTenant(b) }}
		}
	}
}

func (sc *scope) computeTenant(b *hcl.Block) cty.Value {
	name := b.Labels[0]
	values := map[string]cty.Value{}
	for _, inst := range sc.expand(b, "tenant."+name) {
		t := inst.tenant(name)
		value := tenantObject(t)
		if inst.unknown {
			sc.session.deferred = append(sc.session.deferred, inst.address)
			return cty.DynamicVal
		}
		sc.tenants[name] = append(sc.tenants[name], t)
		if !inst.keyed {
			return value
		}
		values[inst.key] = value
	}
	return cty.ObjectVal(values)
}

// tenantObject is what tenant.name means in an expression. Credentials are no part of it.
func tenantObject(t Tenant) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address":     cty.StringVal(t.Address),
		"name":        cty.StringVal(t.Name),
		"key":         cty.StringVal(t.Key),
		"tenant_id":   cty.StringVal(t.TenantID),
		"environment": cty.StringVal(t.Environment),
	})
}

func (inst instance) tenant(name string) Tenant {
	r := inst.open(inst.block.Body, tenantSpec, inst.block.DefRange)
	t := Tenant{Name: name, Key: inst.key, Address: inst.address, Range: inst.block.DefRange}
	t.TenantID = r.identity("tenant_id")
	if !r.has("tenant_id") {
		t.TenantID = inst.session.firstEnv("ARM_TENANT_ID", "AZURE_TENANT_ID")
	}
	t.Environment = r.environment()
	t.UserAgent = r.text("user_agent")
	t.AllowedHosts = r.hosts("allowed_hosts")
	t.Limits = r.nested("limits").limits()
	t.Endpoints = r.endpoints(t.Environment)
	r.identify(&t)
	return t
}

// identify reads auth or sandbox, exactly one of which a tenant has.
func (r *reader) identify(t *Tenant) {
	auth, sandbox := r.one("auth"), r.one("sandbox")
	switch {
	case auth != nil && sandbox != nil:
		r.session.fail(CodeSandbox, sandbox.DefRange, "Sandbox and authentication", "A tenant has either an auth block or a sandbox block. The emulated tenant needs no credentials.")
		t.Sandbox = r.open(sandbox.Body, sandboxSpec, sandbox.DefRange).sandbox()
		t.Auth = r.auth(auth, t)
	case sandbox != nil:
		t.Sandbox = r.open(sandbox.Body, sandboxSpec, sandbox.DefRange).sandbox()
		if r.one("endpoints") != nil {
			r.session.fail(CodeSandbox, r.one("endpoints").DefRange, "Sandbox and endpoints", "The emulated tenant runs inside the program and has no endpoints. Remove one of the two blocks.")
		}
	case auth != nil:
		t.Auth = r.auth(auth, t)
	default:
		r.session.fail(CodeAuth, r.rng, "No authentication", "The tenant needs one auth block, for example auth \"device_code\" { client_id = \"...\" }, or a sandbox block to use the emulated tenant.")
	}
}

// local reports whether all endpoints lie on loopback, as in tests.
func (t Tenant) local() bool {
	return t.Endpoints.Graph != "" && t.Endpoints.Login != "" && onLoopback(t.Endpoints.Graph) && onLoopback(t.Endpoints.Login)
}

func onLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

func (r *reader) environment() string {
	if r.has("environment") {
		name := r.text("environment")
		switch name { // other tools' names for the same clouds
		case "public":
			name = "global"
		case "usgovernmentl4", "usgovernmentl5":
			want := map[string]string{"usgovernmentl4": "usgovernment", "usgovernmentl5": "dod"}[name]
			r.reject("environment", CodeEnvironment, "Unknown environment", "The environment %q is called %q here.", name, want)
			return want
		}
		if contains(environments, name) {
			return name
		}
		if v, ok := r.get("environment", cty.String); ok {
			r.reject("environment", CodeEnvironment, "Unknown environment", "There is no environment %q.%s Known are %s.", visible(v.AsString()), didYouMean(name, environments), wordList(environments, "and"))
		}
		return "global"
	}
	switch name := strings.ToLower(r.session.env["ARM_ENVIRONMENT"]); name {
	case "", "public", "global":
		return "global"
	case "usgovernmentl4":
		return "usgovernment"
	case "usgovernmentl5":
		return "dod"
	default:
		if contains(environments, name) && name != "custom" {
			return name
		}
		r.session.fail(CodeEnvironment, r.rng, "Unknown environment", "ARM_ENVIRONMENT is %q. Known are %s.", visible(name), wordList(environments, "and"))
		return "global"
	}
}

func (r *reader) endpoints(environment string) Endpoints {
	b := r.one("endpoints")
	switch {
	case b == nil && environment == "custom":
		r.reject("environment", CodeEndpoint, "Endpoints missing", "environment = \"custom\" needs an endpoints block with graph and login.")
		return Endpoints{}
	case b == nil:
		return Endpoints{}
	case environment != "custom":
		r.session.fail(CodeEndpoint, b.DefRange, "Endpoints without custom environment", "endpoints may be set only with environment = \"custom\"; the environment %q has its own.", environment)
	}
	in := r.open(b.Body, endpointsSpec, b.DefRange)
	in.require("graph", `graph = "https://graph.example.com"`)
	in.require("login", `login = "https://login.example.com"`)
	return Endpoints{Graph: in.endpoint("graph"), Login: in.endpoint("login"), CAFile: r.session.absolute(in.text("ca_file"))}
}

// endpoint reads an address without path. Plain http would send tokens in the clear,
// so it is allowed on loopback only.
func (r *reader) endpoint(name string) string {
	text := r.text(name)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.reject(name, CodeEndpoint, "Invalid endpoint", "The endpoint %s is an address such as https://graph.example.com.", name)
	case u.Scheme == "http" && !onLoopback(text):
		r.reject(name, CodeEndpoint, "Endpoint without TLS", "The endpoint %s uses plain http, which would send tokens unencrypted. Plain http is allowed on loopback (127.0.0.1, ::1, localhost) only.", name)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		r.reject(name, CodeEndpoint, "Invalid endpoint", "The endpoint %s has no user name, path, query or fragment: write only scheme, host and port.", name)
	default:
		return strings.TrimSuffix(text, "/")
	}
	return ""
}

// hosts reads names of hosts. They widen the set of hosts that may receive requests,
// so nothing but plain names of at least two labels is taken.
func (r *reader) hosts(name string) []string {
	var out []string
	for i, host := range r.texts(name) {
		h := strings.ToLower(strings.TrimSuffix(host, "."))
		_, ipErr := netip.ParseAddr(h)
		if h == "" || len(h) > 253 || ipErr == nil || !strings.Contains(h, ".") || strings.Trim(h, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.Contains(h, "..") || strings.HasPrefix(h, ".") {
			r.rejectElement(name, i, CodeHost, "Invalid host", "%q is not the full name of a host, such as files.example.com. No scheme, port, path, wildcard or address literal.", visible(host))
			continue
		}
		out = append(out, h)
	}
	return out
}

func (r *reader) limits() Limits {
	var l Limits
	if n := r.whole("requests_in_flight", 1, 256); n != nil {
		l.RequestsInFlight = int(*n)
	}
	if n := r.whole("requests_per_minute", 1, 1_000_000); n != nil {
		l.RequestsPerMinute = int(*n)
	}
	if v, ok := r.get("bandwidth", cty.String); ok {
		rate, err := ParseRate(v.AsString())
		switch {
		case err != nil:
			r.reject("bandwidth", CodeSize, "Invalid rate", "The argument bandwidth: %s.", err)
		case rate < 1024:
			r.reject("bandwidth", CodeRange, "Out of range", "bandwidth is at least \"1KiB/s\"; leave it out for no limit.")
		default:
			l.Bandwidth = rate
		}
	}
	if v, ok := r.get("quiet_hours", cty.String); ok {
		hours, err := parseQuietHours(v.AsString())
		if err != nil {
			r.reject("quiet_hours", CodeTime, "Invalid hours", "The argument quiet_hours: %s.", err)
		}
		l.QuietHours = hours
	}
	return l
}

func (r *reader) sandbox() *Sandbox {
	sb := &Sandbox{Script: r.session.absolute(r.text("script"))}
	top := r.library("")
	sb.Seed, sb.Files, sb.Folders, sb.Size, sb.Directory = top.Seed, top.Files, top.Folders, top.Size, top.Directory
	sb.Libraries = r.libraries()
	seen := map[string]bool{}
	for _, b := range r.all("site") {
		p := path.Clean("/" + b.Labels[0])
		if seen[foldText(p)] {
			r.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "The site %q is declared twice in this sandbox.", visible(p))
		}
		seen[foldText(p)] = true
		in := r.open(b.Body, siteSpec, b.DefRange)
		sb.Sites = append(sb.Sites, SandboxSite{Path: p, Libraries: in.libraries()})
	}
	return sb
}

func (r *reader) libraries() []SandboxLibrary {
	var out []SandboxLibrary
	seen := map[string]bool{}
	for _, b := range r.all("library") {
		name := b.Labels[0]
		if seen[foldText(name)] || name == "" {
			r.session.fail(CodeDuplicateBlock, b.DefRange, "Block declared twice", "The library %q is declared twice here, or has no name.", visible(name))
		}
		seen[foldText(name)] = true
		out = append(out, r.open(b.Body, librarySpec, b.DefRange).library(name))
	}
	return out
}

func (r *reader) library(name string) SandboxLibrary {
	lib := SandboxLibrary{Name: name}
	if d := r.text("directory"); d != "" {
		lib.Directory = r.session.absolute(d)
		if why := r.session.protected(lib.Directory); why != "" && lib.Directory != r.session.dir {
			r.reject("directory", CodeSandbox, "Protected directory", "The sandbox cannot serve %s: it is %s, and its names would appear in plans.", r.session.shown(lib.Directory), why)
		}
	}
	if n := r.whole("files", 0, 5_000_000); n != nil {
		lib.Files = int(*n)
	}
	if n := r.whole("folders", 0, 1_000_000); n != nil {
		lib.Folders = int(*n)
	}
	if n := r.whole("seed", 0, 1<<53); n != nil {
		lib.Seed = *n
	}
	if n := r.size("size"); n != nil {
		lib.Size = *n
	}
	if lib.Directory != "" && (r.has("files") || r.has("folders") || r.has("size")) {
		r.session.fail(CodeSandbox, r.at("directory"), "Directory and generated files", "A library is either served from directory or generated with files, folders and size.")
	}
	return lib
}
