package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/view"
)

// discovering is one run of discover: what is found is printed at once and kept only as
// configuration.
type discovering struct {
	env    *environment
	cfg    *config.Config
	client *client
	json   bool
	most   int64 // results, 0 for any number

	found, unreadable int64
	file              string
	beside            bool // the file becomes part of the configuration that was loaded
	generator         *config.Generator
	tenant            string // reference that generated mirrors need
}

// source is one thing that was found, as discover -json prints it.
type source struct {
	Type      string `json:"type"` // site, drive, folder, user, unreadable
	Name      string `json:"name,omitempty"`
	URL       string `json:"url,omitempty"`
	Site      string `json:"site,omitempty"`
	SiteID    string `json:"site_id,omitempty"`
	DriveID   string `json:"drive_id,omitempty"`
	DriveType string `json:"drive_type,omitempty"`
	Hidden    bool   `json:"hidden,omitempty"`
	Path      string `json:"path,omitempty"`
	ItemID    string `json:"item_id,omitempty"`
	User      string `json:"user,omitempty"`
	UserID    string `json:"user_id,omitempty"`
	Bytes     *int64 `json:"bytes,omitempty"` // where the service tells it
	Items     *int64 `json:"items,omitempty"` // directly in a folder
	Archive   string `json:"archive,omitempty"`
	Code      string `json:"code,omitempty"` // of what is unreadable
	Message   string `json:"message,omitempty"`
}

// sized is a size that the service told, else nil.
func sized(n int64) *int64 {
	if n == graph.SizeUnknown {
		return nil
	}
	return &n
}

// show prints what was found and writes a mirror for it; without mirror it is only printed.
func (d *discovering) show(s source, mirror *config.NewMirror) error {
	d.found++
	if d.most > 0 && d.found > d.most {
		return &problem{code: "SPM0619", summary: fmt.Sprintf("More than %d were found", d.most), detail: "Nothing was written. Raise -max-results, or narrow the search."}
	}
	text := s.line() + "\n"
	if s.Items != nil {
		text = fmt.Sprintf("%10s  %s", plural(*s.Items, "item"), text)
	}
	if s.Type != "site" { // the service tells no size of a site
		text = fmt.Sprintf("%10s  %s", sizeOf(s), text)
	}
	if err := d.print(s, text); err != nil || mirror == nil || d.generator == nil {
		return err
	}
	mirror.Tenant = d.tenant
	if _, err := d.generator.Add(*mirror); err != nil {
		d.leaveOut(mirror.About, err.Error())
	}
	return nil
}

// leaveOut says in the file why there is no mirror of a thing that was found.
func (d *discovering) leaveOut(about, why string) {
	if d.generator != nil {
		d.generator.Comment(fmt.Sprintf("Left out: %s: %s.", about, why))
	}
}

// refuse names a thing that is there and cannot be read.
func (d *discovering) refuse(s source, err error) error {
	p := explained(err)
	d.unreadable++
	s.Type, s.Code, s.Message = "unreadable", p.code, p.Error()
	if d.generator != nil {
		d.generator.Comment(fmt.Sprintf("Not readable: %s: %s [%s].", cmp.Or(s.URL, s.User, s.Name), p.summary, p.code))
	}
	return d.print(s, fmt.Sprintf("%10s  %s  not readable: %s [%s]\n", "!", s.line(), view.Message(s.Message), s.Code))
}

func (d *discovering) print(s source, line string) error {
	if !d.json {
		_, err := fmt.Fprint(d.env.stdout, line)
		return err
	}
	return d.line(s)
}

func (d *discovering) line(v any) error {
	enc := json.NewEncoder(d.env.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func sizeOf(s source) string {
	if s.Bytes == nil {
		return "-"
	}
	return view.Size(*s.Bytes)
}

// line is what a person calls a source.
func (s source) line() string {
	var parts []string
	for _, part := range []string{cmp.Or(s.User, s.Site, s.URL), s.Path, s.Name} {
		if part != "" && (len(parts) == 0 || parts[0] != view.Name(part)) {
			parts = append(parts, view.Name(part))
		}
	}
	if s.Hidden {
		parts = append(parts, "(hidden)")
	}
	if s.Archive != "" {
		parts = append(parts, "("+view.Name(s.Archive)+")")
	}
	return strings.Join(parts, "  ")
}

// generateInto prepares the file of -generate-config-out: it must be new, and where the program finds it.
func (d *discovering) generateInto(name string, c *cli.Command, t *config.Tenant) error {
	if !strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".vars.hcl") {
		return &problem{code: "SPM0620", summary: fmt.Sprintf("%s is no name for a configuration file", name), detail: "Such files end in .hcl, and those of values in .vars.hcl."}
	}
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return &problem{code: "SPM0620", summary: "The configuration cannot be written to " + name, err: err, detail: "An existing file is never overwritten. Nothing was asked."}
	}
	d.file, d.beside = name, c.String("config") == ""
	d.generator = config.NewGenerator("Found by spmirror discover. Please review, and delete what is not wanted.", filepath.ToSlash(c.String("target-dir")), d.cfg.Mirrors)
	if len(d.cfg.Tenants) > 1 {
		d.tenant = t.Address
	}
	return nil
}

// discoverySummary is the last line of discover -json.
type discoverySummary struct {
	Type          string `json:"type"`
	FormatVersion string `json:"format_version"`
	Found         int64  `json:"found"`
	Unreadable    int64  `json:"unreadable"`
	File          string `json:"file,omitempty"`
	Mirrors       int    `json:"mirrors,omitempty"`
}

// finish writes the file and says how much was found.
func (d *discovering) finish() error {
	sum := discoverySummary{Type: "summary", FormatVersion: "1.0", Found: d.found, Unreadable: d.unreadable}
	if d.generator != nil {
		if err := d.write(); err != nil {
			return err
		}
		sum.File, sum.Mirrors = d.file, d.generator.Mirrors()
	}
	if err := d.say(sum); err != nil {
		return err
	}
	if d.unreadable > 0 {
		return exitStatus(exitIncomplete)
	}
	return nil
}

func (d *discovering) say(sum discoverySummary) error {
	if d.json {
		return d.line(sum)
	}
	text := fmt.Sprintf("%d found, %d not readable.\n", sum.Found, sum.Unreadable)
	if sum.File != "" {
		text += fmt.Sprintf("Wrote %s with %s. Review it, then run `spmirror plan`.\n", view.Name(sum.File), plural(sum.Mirrors, "mirror"))
	}
	_, err := fmt.Fprint(d.env.stdout, text)
	return err
}

// write makes the file, and takes it back if the configuration would not be valid with it.
func (d *discovering) write() (err error) {
	f, err := os.OpenFile(d.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(d.generator.Bytes())
		err = errors.Join(err, f.Close())
		if err == nil {
			err = d.valid()
		}
		if err != nil {
			err = errors.Join(err, os.Remove(d.file))
		}
	}
	if err != nil {
		return &problem{code: "SPM0620", summary: "The configuration was not written to " + d.file, err: err, detail: "No file was left behind."}
	}
	return nil
}

// valid loads the configuration that the file is now part of as validate does.
func (d *discovering) valid() error {
	dir, err := filepath.Abs(filepath.Dir(d.file))
	if err != nil || !d.beside || dir != d.cfg.Dir {
		return err
	}
	_, diags := config.Load(config.Options{Dir: dir, Env: d.env.environ, ToolVersion: version})
	for _, diag := range diags.Errs() {
		if strings.Contains(diag.Error(), filepath.Base(d.file)) {
			return diag
		}
	}
	return nil
}
