package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
)

// A file that a flag names is replaced. Before any work a command refuses what it could not write, and what nobody means
// to lose: the state, a configuration, what lies in a mirror.

// writtenFile is a flag whose file a command writes.
type writtenFile struct {
	flag, code string
	stream     bool // it is written as it comes, so it may be a pipe or a device
}

var writtenFiles = [...]writtenFile{
	{flag: "out", code: "SPM0007"}, {flag: "json-into", code: "SPM0030", stream: true}, {flag: "md-into", code: "SPM0030"},
	{flag: "html-into", code: "SPM0030"}, {flag: "report", code: "SPM0009"}, {flag: "metrics-file", code: "SPM0039"},
}

// eachWritten calls check with each file that a command is to write, and explains its error.
func eachWritten(c *cli.Command, check func(f writtenFile, name string) error) error {
	for _, f := range writtenFiles {
		name := c.String(f.flag)
		if name == "" || f.flag == "out" && c.Name != "plan" { // that of others is a directory, or a file that must be new
			continue
		}
		if err := check(f, name); err != nil {
			return &problem{code: f.code, summary: fmt.Sprintf("The file %q of -%s cannot be written", name, f.flag), err: err, detail: "Nothing was done."}
		}
	}
	return nil
}

// checkWritten refuses files that cannot be written, whatever the configuration is.
func checkWritten(c *cli.Command) error {
	return eachWritten(c, func(f writtenFile, name string) error {
		if strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json") {
			return errors.New("a file of such a name is a configuration")
		}
		if place, err := os.Stat(filepath.Dir(name)); err != nil {
			return err
		} else if !place.IsDir() {
			return fmt.Errorf("%s is no directory", filepath.Dir(name))
		}
		old, err := os.Stat(name)
		switch {
		case err != nil: // there is none
			return nil
		case old.IsDir():
			return errors.New("it is a directory")
		case !old.Mode().IsRegular() && !f.stream:
			return errors.New("it is no regular file")
		}
		return nil
	})
}

// checkKept refuses files that belong to the state or lie in a target.
func checkKept(c *cli.Command, cfg *config.Config) error {
	stateDir, stateName := filepath.Split(resolved(cfg.Backend.Path))
	return eachWritten(c, func(_ writtenFile, name string) error {
		path := resolved(name)
		if dir, base := filepath.Split(path); dir == stateDir && strings.HasPrefix(base, stateName) {
			return fmt.Errorf("files whose names begin with %s are those of the state", stateName)
		}
		for _, m := range cfg.Mirrors {
			if rel, err := filepath.Rel(resolved(m.Target), path); err == nil && filepath.IsLocal(rel) {
				return fmt.Errorf("it lies in the target of %s", m.Address)
			}
		}
		return nil
	})
}

// resolved is the absolute path of a file, without symbolic links in the part of it that exists.
func resolved(name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(resolved(dir), filepath.Base(path))
	}
	return path
}
