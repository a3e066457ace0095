package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// defaultTrash is where the trash lies inside a target.
const defaultTrash = ".spmirror/trash"

// buildMirrors expands and decodes all mirror blocks of a module.
func (sc *scope) buildMirrors(p *parts, blocks hcl.Blocks, base guardBase) {
	for _, b := range blocks {
		name := b.Labels[0]
		values := map[string]cty.Value{}
		single := cty.NilVal
		for _, inst := range sc.expand(b, "mirror."+name) {
			if sc.session.tooManyMirrors(b) {
				return
			}
			m, ok := inst.mirror(name, base)
			switch {
			case inst.unknown:
				p.deferred = append(p.deferred, inst.address)
				single = cty.DynamicVal
				continue
			case ok:
				p.mirrors = append(p.mirrors, m)
			}
			if inst.keyed {
				values[inst.key] = mirrorObject(m)
			} else {
				single = mirrorObject(m)
			}
		}
		if single == cty.NilVal {
			single = cty.ObjectVal(values)
		}
		sc.mirrors[name] = single
	}
}

func (s *session) tooManyMirrors(b *hcl.Block) bool {
	s.mirrors++
	if s.mirrors == maxMirrors+1 {
		s.fail(CodeExpansion, b.DefRange, "Too many mirrors", "A configuration may declare %d mirrors.", maxMirrors)
	}
	return s.mirrors > maxMirrors
}

// mirrorObject is what mirror.name means before planning: what the configuration says.
func mirrorObject(m Mirror) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(m.Address),
		"name":    cty.StringVal(m.Name),
		"key":     cty.StringVal(m.Key),
		"tenant":  cty.StringVal(m.Tenant),
		"target":  cty.StringVal(m.Target),
		"folder":  cty.StringVal(m.Source.Folder),
		"drive":   cty.StringVal(m.Source.Drive),
		"enabled": cty.BoolVal(m.Lifecycle.Enabled),
	})
}

// mirror decodes one instance. False: it is not known yet which mirror this is.
func (inst instance) mirror(name string, base guardBase) (Mirror, bool) {
	r := inst.open(inst.block.Body, mirrorSpec, inst.block.DefRange)
	m := Mirror{Name: name, Key: inst.key, Address: inst.address, Range: inst.block.DefRange}
	m.Tenant = r.tenantRef()
	m.Source = r.source()
	m.Target, m.targetRange = r.target(), r.at("target")
	m.TargetNames = r.oneOf("names", "native", "native", "portable")
	m.FileMode, m.DirectoryMode = r.permissions("file_mode", 0o600, 0o664), r.permissions("directory_mode", 0o700, 0o775)
	m.Select = r.nested("select").selection()
	m.Content = r.nested("content").contentRules()
	m.Metadata = r.nested("metadata").metadata()
	m.Trash = r.nested("trash").trash()
	m.Guard, m.GuardRanges = r.nested("guard").guard(base)
	m.Lifecycle = r.nested("lifecycle").lifecycle()
	m.SelectDigest = m.selectDigest()
	return m, !inst.unknown
}

// tenantRef reads the tenant of a mirror or data block; with one tenant declared it
// may be left out.
func (r *reader) tenantRef() string {
	if !r.has("tenant") {
		return r.onlyTenant()
	}
	v, ok := r.raw("tenant")
	if !ok || !v.IsKnown() {
		return ""
	}
	v = withoutMarks(v)
	switch {
	case isInstance(v):
		if a := v.GetAttr("address"); a.IsKnown() && !a.IsNull() {
			return a.AsString()
		}
		return ""
	case v.Type() == cty.String:
		r.reject("tenant", CodeType, "Wrong type", "The argument tenant is a reference without quotes: tenant = tenant.NAME, or tenant.NAME[\"key\"] for one with for_each.")
	case v.Type().IsObjectType():
		r.reject("tenant", CodeTenantAmbiguous, "Several tenants", "The tenant has for_each, so a key is needed: tenant.NAME[each.key], for example.")
	default:
		r.reject("tenant", CodeType, "Wrong type", "The argument tenant is a reference: tenant = tenant.NAME.")
	}
	return ""
}

// onlyTenant is the single tenant of the root module, which modules share.
func (r *reader) onlyTenant() string {
	root := r.session.rootScope
	var all []Tenant
	for _, name := range root.declared("tenant") {
		if v := root.resolve("tenant." + name); !v.IsWhollyKnown() {
			return ""
		}
		all = append(all, root.tenants[name]...)
	}
	switch len(all) {
	case 0:
		r.session.fail(CodeTenantMissing, r.rng, "No tenant", "No tenant is declared. Add a tenant block, for example tenant \"demo\" { sandbox {} } to try the program with the emulated tenant.")
	case 1:
		return all[0].Address
	default:
		r.session.fail(CodeTenantAmbiguous, r.rng, "Several tenants", "%d tenants are declared, so this block must say which it uses: tenant = %s.", len(all), visible(all[0].Address))
	}
	return ""
}

// sourceArgs are the ways to name a source, one of which is used.
var sourceArgs = []string{"site", "site_id", "user", "group", "drive_id", "share_url"}

func (r *reader) source() Source {
	var set []string
	for _, name := range sourceArgs {
		if r.written(name) {
			set = append(set, name)
		}
	}
	switch len(set) {
	case 1:
	case 0:
		r.session.fail(CodeSource, r.rng, "No source", "Set exactly one of %s.", wordListPlain(sourceArgs))
	default:
		r.session.fail(CodeSource, r.at(set[1]), "Several sources", "Set exactly one of %s; here are %s.", wordListPlain(sourceArgs), joinWords(set, "and"))
	}
	s := Source{
		Site: r.siteURL("site"), SiteID: r.word("site_id"), User: r.word("user"), Group: r.word("group"),
		DriveID: r.word("drive_id"), ShareURL: r.shareURL(), Drive: r.text("drive"), Folder: r.folder(),
	}
	for _, by := range []string{"drive_id", "share_url"} {
		if r.written("drive") && r.written(by) {
			r.reject("drive", CodeSource, "Drive named twice", "%s names the drive already; drive goes with site, site_id, user and group.", by)
		}
	}
	if strings.ContainsAny(s.Drive, `/\`) {
		r.reject("drive", CodeSourceForm, "Invalid source", "drive is the name of one document library; folders go into folder.")
	}
	return s
}

// written reports whether an argument has a value other than null.
func (r *reader) written(name string) bool {
	if !r.has(name) {
		return false
	}
	v, ctx, ok := r.value(r.content.Attributes[name].Expr)
	r.ctx[name] = ctx
	return !ok || !v.IsNull()
}

func wordListPlain(words []string) string { return joinWords(words, "and") }

// word reads an id or name: not empty, no surrounding space, no slash at the ends.
func (r *reader) word(name string) string {
	s := r.text(name)
	if !isWord(s) {
		r.reject(name, CodeSourceForm, "Invalid source", "The argument %s is an id or name, without spaces around it and without slashes.", name)
		return ""
	}
	if s == "" {
		r.notEmpty(name)
	}
	return s
}

// isWord tells whether a text may be an id or the name of a user. That of a guest has # in it.
func isWord(s string) bool { return s == strings.TrimSpace(s) && !strings.ContainsAny(s, `/\?`) }

func (r *reader) notEmpty(name string) {
	if v, ok := r.get(name, cty.String); ok && v.AsString() == "" {
		r.reject(name, CodeSourceForm, "Invalid source", "The argument %s is empty.", name)
	}
}

// siteURL reads the address of a site and removes what browsers leave behind it.
func (r *reader) siteURL(name string) string {
	s := r.text(name)
	if s == "" {
		r.notEmpty(name)
		return ""
	}
	u, page := siteForm(s)
	if u == nil {
		r.reject(name, CodeSourceForm, "Invalid source", "A site is named by its address, such as https://contoso.sharepoint.com/sites/people.")
		return ""
	}
	if page {
		r.reject(name, CodeSourceForm, "Invalid source", "This is the address of a page, not of a site. Cut it after the name of the site, as in https://%s/sites/people; libraries go into drive, folders into folder.", visible(u.Host))
		return ""
	}
	return strings.TrimRight(s, "/")
}

// siteForm parses what may be the address of a site; page says that it is that of a page.
func siteForm(s string) (u *url.URL, page bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, false
	}
	return u, u.RawQuery != "" || u.Fragment != "" || strings.Contains(strings.ToLower(u.Path), "/forms/") || strings.HasSuffix(strings.ToLower(u.Path), ".aspx")
}

func (r *reader) shareURL() string {
	s := r.text("share_url")
	if s == "" {
		r.notEmpty("share_url")
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		r.reject("share_url", CodeSourceForm, "Invalid source", "share_url is a sharing link that starts with https://.")
		return ""
	}
	return s
}

// folder reads the path of the source folder as "/" or "/A/B".
func (r *reader) folder() string {
	s := r.text("folder")
	if s == "" {
		return "/"
	}
	if part, bad := badFolderPart(s); bad {
		r.reject("folder", CodeSourceForm, "Invalid source", "folder is a path from the root of the library with / between names, such as \"/Handbook/2026\". The part %q cannot be the name of a folder in SharePoint.", visible(part))
		return "/"
	}
	return path.Clean("/" + strings.Trim(s, "/"))
}

// badFolderPart finds the part of a path that cannot be the name of a folder.
func badFolderPart(s string) (part string, bad bool) {
	if s == "/" {
		return "", false
	}
	for _, part := range strings.Split(strings.Trim(s, "/"), "/") {
		if part == "" || part == "." || part == ".." || strings.Contains(part, `\`) || part != strings.TrimRight(part, " .") || strings.ContainsAny(part, `"*:<>?|`) {
			return part, true
		}
	}
	return "", false
}

// target reads the target path.
func (r *reader) target() string {
	if !r.require("target", `target = "./mirror/handbook"`) {
		return ""
	}
	s := r.text("target")
	switch {
	case s == "":
		if v, ok := r.get("target", cty.String); ok && v.AsString() == "" {
			r.reject("target", CodeTarget, "Invalid target", "The target is empty.")
		}
		return ""
	case strings.HasPrefix(s, "~"):
		r.reject("target", CodeTarget, "Invalid target", "~ is a word of the shell and means nothing here. Write the whole path, or one relative to the configuration directory.")
		return ""
	case strings.Contains(s, "://"):
		r.reject("target", CodeTarget, "Invalid target", "The target is a directory of the local file system, not a URL.")
		return ""
	case filepath.Separator == '/' && (strings.HasPrefix(s, `\\`) || len(s) > 2 && s[1] == ':' && isLetter(s[0]) && (s[2] == '\\' || s[2] == '/')):
		r.reject("target", CodeTarget, "Invalid target", "The target is a path of Windows, and this is another system; it would become one strange name.")
		return ""
	}
	abs := r.session.absolute(s)
	if why := r.session.protected(abs); why != "" {
		r.reject("target", CodeTargetProtected, "Protected target", "The target %s is %s. Use a directory of its own, for example below ./mirror.", r.session.shown(abs), why)
		return ""
	}
	return abs
}

func (r *reader) contentRules() Content {
	return Content{
		Verify:       r.oneOf("verify", "quickxor", "quickxor", "size"),
		Unverifiable: r.oneOf("unverifiable", "accept", "accept", "fail"),
		Notebooks:    r.oneOf("notebooks", "skip", "skip", "files"),
		Shortcuts:    r.oneOf("shortcuts", "skip", "skip", "follow"),
		Versions:     r.versions(),
	}
}

// versions reads a count or "all".
func (r *reader) versions() string {
	v, ok := r.get("versions", cty.String)
	if !ok {
		return "0"
	}
	s := v.AsString()
	if s == "all" {
		return s
	}
	if len(s) == 0 || len(s) > 5 || strings.Trim(s, "0123456789") != "" {
		r.reject("versions", CodeRange, "Out of range", "versions is a number of older versions to keep (0 to 50000) or \"all\".")
		return "0"
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	if len(s) == 5 && s > "50000" {
		r.reject("versions", CodeRange, "Out of range", "versions is a number of older versions to keep (0 to 50000) or \"all\".")
	}
	return s
}

func (r *reader) metadata() Metadata {
	return Metadata{Times: r.boolean("times", true), Permissions: r.oneOf("permissions", "none", "none", "sidecar"), Columns: r.texts("columns")}
}

func (r *reader) trash() Trash {
	t := Trash{Path: defaultTrash, Retention: r.duration("retention", 30*24*60*60*1e9), Enabled: r.boolean("enabled", true)}
	if p := r.text("path"); p != "" {
		clean := path.Clean(filepath.ToSlash(p))
		if clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || clean == ".spmirror" || strings.HasPrefix(p, "~") {
			r.reject("path", CodeTarget, "Invalid trash", "The path of the trash is relative to the target and below it, such as %q, or absolute.", defaultTrash)
			return t
		}
		t.Path = clean
		if filepath.IsAbs(p) {
			t.Path = filepath.Clean(p)
			if why := r.session.protected(t.Path); why != "" {
				r.reject("path", CodeTargetProtected, "Protected directory", "The trash %s is %s.", r.session.shown(t.Path), why)
			}
		}
	}
	if !t.Enabled {
		r.advise("enabled", CodeWithoutProtector, "Protection turned off", "Without a trash, replaced and deleted bytes are gone at once and cannot be restored.")
	}
	return t
}

func (r *reader) lifecycle() Lifecycle {
	return Lifecycle{
		Enabled:        r.boolean("enabled", true),
		PreventDelete:  r.boolean("prevent_delete", false),
		OnRemoteDelete: r.oneOf("on_remote_delete", "trash", "trash", "delete", "keep"),
		OnDeselect:     r.oneOf("on_deselect", "forget", "forget", "trash", "delete"),
		OnLocalChange:  r.oneOf("on_local_change", "restore", "restore", "keep", "rename"),
		OnUntracked:    r.oneOf("on_untracked", "adopt", "adopt", "block", "rename"),
		OnSuperseded:   r.oneOf("on_superseded", "skip", "skip", "latest"),
	}
}

// selectDigest is the canonical digest of everything that decides selection. Order of
// patterns has no meaning, so it does not count.
func (m Mirror) selectDigest() string {
	data, err := json.Marshal(struct {
		Folder               string
		Select               Select
		Notebooks, Shortcuts string
	}{m.Source.Folder, m.Select.canonical(), m.Content.Notebooks, m.Content.Shortcuts})
	if err != nil { // strings, numbers and times always have a JSON form
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
