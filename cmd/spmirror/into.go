package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

// Further forms of the same output go into files beside what is printed, so that one
// run serves a terminal, a comment and an archive.

func jsonIntoFlag() cli.Flag {
	return &cli.StringFlag{Name: "json-into", Usage: "write the events of -json to `FILE` as well"}
}

func planIntoFlags() []cli.Flag {
	return []cli.Flag{
		jsonIntoFlag(),
		&cli.StringFlag{Name: "md-into", Usage: "write the plan as Markdown to `FILE` as well"},
		&cli.StringFlag{Name: "html-into", Usage: "write the plan as one page to `FILE` as well"},
		&cli.StringFlag{Name: "marker", Usage: "with -md-into: `TEXT` of the first line, by which a bot finds its comment"},
	}
}

// writePlanInto writes the forms of a finished plan that the flags ask for.
func (s *session) writePlanInto(c *cli.Command, p *plan.Plan) error {
	if file := c.String("md-into"); file != "" {
		opt := view.MarkdownOptions{PlanFile: c.String("out"), Names: s.cfg.Names, Marker: c.String("marker")}
		if err := writeInto(file, func(w io.Writer) error { return view.WriteMarkdown(w, p.Header, p, opt) }); err != nil {
			return err
		}
	}
	if file := c.String("html-into"); file != "" {
		return writeInto(file, func(w io.Writer) error { return view.WriteHTML(w, p.Header, p, s.cfg.Names) })
	}
	return nil
}

// writeInto writes a further form of the output into a file.
func writeInto(name string, write func(io.Writer) error) error {
	if err := writeWhole(name, write); err != nil {
		return notWritten(name, err)
	}
	return nil
}

// writeWhole replaces a file with mode 0600, all or nothing: half a plan must not look
// like one.
func writeWhole(name string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".spmirror-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(write(tmp), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

func notWritten(name string, err error) error {
	return &problem{code: "SPM0030", summary: fmt.Sprintf("The file %q was not written", name), err: err}
}

// stream adds a stream of events: to stdout, or to the file of -json-into.
func (s *session) stream(w io.Writer) *view.Events {
	e := view.NewEvents(w, s.env.now)
	e.Names = s.cfg.Names
	e.Version(version)
	s.streams = append(s.streams, e)
	return e
}

// streamInto opens the file of -json-into before any work, so that a mistyped path
// costs nothing.
func (s *session) streamInto(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return notWritten(name, err)
	}
	s.closers = append(s.closers, func() { f.Close() })
	s.into, s.intoName = s.stream(f), name
	return nil
}

// streamPlan writes a plan to all streams.
func (s *session) streamPlan(p *plan.Plan) error {
	for _, e := range s.streams {
		if err := e.Plan(p.Header, p); err != nil {
			if e == s.into {
				return notWritten(s.intoName, err)
			}
			return err
		}
	}
	return nil
}

// endStreams writes the last event of all streams, once: how the command ended. An
// error that nobody reported yet becomes a diagnostic. It returns how the command ended,
// which is with an error if a stream was not written whole.
func (s *session) endStreams(command string, err error, r *apply.Report) error {
	if s.ended {
		return err
	}
	s.ended = true
	var status exitStatus
	for _, e := range s.streams {
		if err != nil && !errors.As(err, &status) {
			e.Diagnostic(*asDiagnostic(err, ""))
		}
		e.RunReport(command, exitCode(err), r)
	}
	if err != nil && !errors.As(err, &status) {
		return err
	}
	if s.into != nil && s.into.Error() != nil {
		return notWritten(s.intoName, s.into.Error())
	}
	return err
}
