package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/sandbox"
)

// sandboxOptions describes the emulated tenant that a sandbox block asks for. A
// library that shows a real directory keeps a journal beside the state, so that
// a later run sees what changed.
func sandboxOptions(t *config.Tenant, statePath string) (sandbox.Options, error) {
	c := t.Sandbox
	o := sandbox.Demo(uint64(c.Seed))
	if c.Directory != "" || c.Files > 0 || len(c.Libraries)+len(c.Sites) > 0 {
		o.Sites = sandboxSites(c)
	}
	if c.Directory != "" || servesDirectory(o.Sites) {
		o.StateFile = fmt.Sprintf("%s.sandbox-%s", statePath, t.Name)
	}
	if c.Script != "" {
		text, err := os.ReadFile(c.Script)
		if err != nil {
			return o, fmt.Errorf("sandbox script: %w", err)
		}
		o.Script = string(text)
	}
	return o, nil
}

// sandboxSites are the sites of a sandbox block; libraries that stand outside a
// site belong to /sites/people, the site of the examples.
func sandboxSites(c *config.Sandbox) []sandbox.SiteSpec {
	people := sandbox.SiteSpec{Path: "sites/people", Name: "People"}
	if c.Directory != "" || c.Files > 0 {
		people.Drives = append(people.Drives, sandboxLibrary(config.SandboxLibrary{
			Name: "Documents", Directory: c.Directory, Files: c.Files, Folders: c.Folders, Size: c.Size,
		}))
	}
	for _, l := range c.Libraries {
		people.Drives = append(people.Drives, sandboxLibrary(l))
	}
	sites := []sandbox.SiteSpec{{Name: "Contoso", Drives: []sandbox.DriveSpec{{Name: "Documents", Segment: "Shared Documents"}}}}
	if len(people.Drives) > 0 {
		sites = append(sites, people)
	}
	for _, s := range c.Sites {
		site := sandbox.SiteSpec{Path: strings.TrimPrefix(s.Path, "/"), Name: s.Path}
		for _, l := range s.Libraries {
			site.Drives = append(site.Drives, sandboxLibrary(l))
		}
		sites = append(sites, site)
	}
	return sites
}

func sandboxLibrary(l config.SandboxLibrary) sandbox.DriveSpec {
	d := sandbox.DriveSpec{Name: l.Name, Directory: l.Directory, Seed: uint64(l.Seed)}
	if d.Name == "Documents" {
		d.Segment = "Shared Documents"
	}
	if l.Directory != "" || l.Files == 0 {
		return d
	}
	perFolder := 100
	if l.Folders > 0 {
		perFolder = max(1, l.Files/l.Folders)
	}
	size := l.Size
	if size == 0 {
		size = 4 << 10
	}
	d.Generate = &sandbox.Generate{Files: l.Files, PerFolder: perFolder, Fanout: 16, MinSize: size, MaxSize: size}
	return d
}

func servesDirectory(sites []sandbox.SiteSpec) bool {
	for _, s := range sites {
		for _, d := range s.Drives {
			if d.Directory != "" {
				return true
			}
		}
	}
	return false
}
