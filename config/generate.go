package config

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"
)

// NewMirror is a mirror that a [Generator] writes.
type NewMirror struct {
	About  string   // one line of comment: what a person calls the source
	Name   string   // wished for; it is made a valid name that nobody else has
	Kind   string   // stands in for a name of which nothing can be kept
	Tenant string   // address; "" where the configuration has one tenant only
	Ways   []Source // how the source can be named; the first that the language can express is used
}

// Generator writes mirror blocks for sources that were found. Names come from outside: each ends up
// as a quoted text that the language accepts, or is left out with its reason.
type Generator struct {
	dir   string // of the targets
	taken map[string]bool
	out   bytes.Buffer
	wrote int
}

// NewGenerator starts a file. Targets are made below dir, a path relative to the configuration; names
// and targets of mirrors that exist already are not used again.
func NewGenerator(header, dir string, existing []Mirror) *Generator {
	g := &Generator{dir: dir, taken: map[string]bool{}}
	for _, m := range existing {
		g.taken[m.Name] = true
		g.taken[path.Base(strings.ReplaceAll(m.Target, `\`, "/"))] = true
	}
	g.Comment(header)
	return g
}

// Comment writes a line of comment of its own.
func (g *Generator) Comment(text string) {
	if g.out.Len() > 0 {
		g.out.WriteByte('\n')
	}
	fmt.Fprintf(&g.out, "# %s\n", comment(text))
}

// Add writes a mirror and returns its name, or why the language cannot express it.
func (g *Generator) Add(m NewMirror) (name string, err error) {
	var source *Source
	for i := range m.Ways {
		if err = m.Ways[i].expressible(); err == nil {
			source = &m.Ways[i]
			break
		}
	}
	if source == nil {
		return "", err
	}
	file := hclwrite.NewEmptyFile()
	name = g.name(m)
	body := file.Body().AppendNewBlock("mirror", []string{name}).Body()
	if m.Tenant != "" {
		ref, diags := hclsyntax.ParseTraversalAbs([]byte(m.Tenant), "", hcl.InitialPos)
		if diags.HasErrors() {
			return "", fmt.Errorf("%q is no reference to a tenant", m.Tenant)
		}
		body.SetAttributeTraversal("tenant", ref)
	}
	for _, a := range source.arguments() {
		body.SetAttributeValue(a[0], cty.StringVal(a[1]))
	}
	body.SetAttributeValue("target", cty.StringVal(g.target(name)))
	g.Comment(m.About)
	g.out.Write(file.Bytes())
	g.taken[name] = true
	g.wrote++
	return name, nil
}

// Mirrors returns how many mirrors were written.
func (g *Generator) Mirrors() int { return g.wrote }

// Bytes returns the file in canonical form.
func (g *Generator) Bytes() []byte { return formatOnce(g.out.Bytes()) }

func (g *Generator) target(name string) string {
	p := path.Join(g.dir, name)
	if path.IsAbs(p) || strings.HasPrefix(p, "../") {
		return p
	}
	return "./" + p
}

// maxGeneratedName leaves room for a number and stays readable.
const maxGeneratedName = 60

// name makes a valid name that is not taken.
func (g *Generator) name(m NewMirror) string {
	base := slug(m.Name)
	base = strings.Trim(base[:min(len(base), maxGeneratedName)], "-")
	switch {
	case base == "":
		base = m.Kind
	case base[0] >= '0' && base[0] <= '9':
		base = m.Kind + "-" + base
	}
	name := base
	for n := 2; g.taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// arguments are the arguments of a mirror that name a source.
func (s Source) arguments() [][2]string {
	var list [][2]string
	for _, a := range [][2]string{
		{"site", s.Site}, {"site_id", s.SiteID}, {"user", s.User}, {"group", s.Group}, {"drive_id", s.DriveID}, {"share_url", s.ShareURL},
		{"drive", s.Drive}, {"folder", s.Folder},
	} {
		if a[1] != "" && !(a[0] == "folder" && a[1] == "/") {
			list = append(list, a)
		}
	}
	return list
}

// expressible says why a source from outside cannot be written into a configuration.
func (s Source) expressible() error {
	for _, a := range s.arguments() {
		if strings.ContainsFunc(a[1], func(r rune) bool { return isHidden(r) || strings.ContainsRune("\n\r\t\ufffd", r) }) {
			return fmt.Errorf("its %s has a hidden character", a[0])
		}
		// HCL composes every text. Names of libraries and folders are compared so, all else is sent to the service as it is.
		if named := a[0] == "drive" || a[0] == "folder"; !named && !norm.NFC.IsNormalString(a[1]) {
			return fmt.Errorf("its %s has characters that the configuration would write in composed form", a[0])
		}
	}
	if s.Site != "" {
		if u, page := siteForm(s.Site); u == nil || page {
			return errors.New("its address is not that of a site")
		}
	}
	for _, id := range []string{s.SiteID, s.User, s.Group, s.DriveID} {
		if !isWord(id) {
			return errors.New("its id has a character that the configuration does not take")
		}
	}
	if strings.ContainsAny(s.Drive, `/\`) {
		return errors.New("the name of the library has a slash")
	}
	if part, bad := badFolderPart(s.Folder); s.Folder != "" && bad {
		return fmt.Errorf("%q cannot be the name of a folder", visible(part))
	}
	return nil
}

// maxComment is the longest comment that a reviewer may be asked to read.
const maxComment = 200

// comment keeps a text on one line and free of what acts on a terminal.
func comment(text string) string {
	text = visible(text)
	if runes := []rune(text); len(runes) > maxComment {
		text = string(runes[:maxComment-1]) + "…"
	}
	return strings.TrimSpace(text)
}
