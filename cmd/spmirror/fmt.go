package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
)

func fmtCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "fmt",
		Usage:     "rewrite configuration files in canonical form",
		ArgsUsage: "[FILE or DIR ...] or -",
		Description: "Without arguments it formats the files *.hcl of the working directory. With - it reads\n" +
			"from standard input and writes to standard output.\n\n" +
			"Exit codes: 0 ok, 2 syntax error, 3 with -check when something would change.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "change nothing; exit with 3 if something would change"},
			&cli.BoolFlag{Name: "diff", Usage: "show the changes"},
			&cli.BoolFlag{Name: "recursive", Usage: "also format sub-directories"},
			&cli.BoolFlag{Name: "write", Value: true, Usage: "write the files; -write=false only lists them"},
		},
		Action: func(ctx context.Context, c *cli.Command) error { return runFmt(ctx, env, c) },
	}
}

// formatter is one run of fmt.
type formatter struct {
	env                *environment
	check, diff, write bool
	changed, broken    bool
}

func runFmt(ctx context.Context, env *environment, c *cli.Command) error {
	f := &formatter{env: env, check: c.Bool("check"), diff: c.Bool("diff"), write: c.Bool("write") && !c.Bool("check")}
	if slices.Contains(c.Args().Slice(), "-") {
		if c.Args().Len() > 1 || c.IsSet("write") || c.Bool("recursive") {
			return &problem{code: "SPM0002", summary: "fmt - takes no files, and neither -write nor -recursive"}
		}
		if err := f.stream(ctx); err != nil {
			return err
		}
		return f.status()
	}
	places := c.Args().Slice()
	if len(places) == 0 {
		places = []string{"."}
	}
	for _, place := range places {
		files, err := hclFiles(place, c.Bool("recursive"))
		if err != nil {
			return &problem{code: "SPM0010", summary: "Cannot read " + place, err: err}
		}
		for _, name := range files {
			if err := f.file(name); err != nil {
				return err
			}
		}
	}
	return f.status()
}

func (f *formatter) status() error {
	switch {
	case f.broken:
		return exitStatus(exitChanges)
	case f.changed && f.check:
		return exitStatus(exitBlocked)
	}
	return nil
}

func (f *formatter) stream(ctx context.Context) error {
	src, err := io.ReadAll(interruptible{ctx, f.env.stdin})
	if err != nil {
		return err
	}
	out, diags := config.Format(src, "<stdin>")
	if diags.HasErrors() {
		f.broken = true
		_ = diagnostics(f.env, nil, diags)
		return nil
	}
	f.changed = !bytes.Equal(src, out)
	switch {
	case f.diff && f.changed:
		_, err = io.WriteString(f.env.stdout, unifiedDiff("<stdin>", string(src), string(out)))
	case !f.diff && !f.check:
		_, err = f.env.stdout.Write(out)
	}
	return err
}

func (f *formatter) file(name string) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return &problem{code: "SPM0010", summary: "Cannot read " + name, err: err}
	}
	out, diags := config.Format(src, name)
	if diags.HasErrors() {
		f.broken = true
		_ = diagnostics(f.env, nil, diags)
		return nil
	}
	if bytes.Equal(src, out) {
		return nil
	}
	f.changed = true
	fmt.Fprintln(f.env.stdout, name)
	if f.diff {
		fmt.Fprint(f.env.stdout, unifiedDiff(name, string(src), string(out)))
	}
	if !f.write {
		return nil
	}
	if err := replaceFile(name, out); err != nil {
		return &problem{code: "SPM0010", summary: "Cannot write " + name, err: err}
	}
	return nil
}

// replaceFile writes a file all or nothing, with the mode it had.
func replaceFile(name string, data []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(info.Mode().Perm()); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// hclFiles lists the files to format at a place, in the order of their names.
func hclFiles(place string, recursive bool) ([]string, error) {
	info, err := os.Stat(place)
	if err != nil || !info.IsDir() {
		return []string{place}, err
	}
	var files []string
	err = filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != place && (!recursive || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".hcl"):
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}
