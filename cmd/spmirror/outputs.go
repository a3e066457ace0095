package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/view"
)

func outputCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "output",
		Usage:     "show the outputs of the configuration",
		ArgsUsage: "[NAME]",
		Description: "Evaluates output blocks with what the state knows of the mirrors: tracked_files,\n" +
			"tracked_folders, tracked_bytes, pending, generation, drive_id, folder_id and crawled_at.\n" +
			"-raw prints one value without quotes, for scripts. Sensitive outputs are never shown.",
		Flags: readFlags(&cli.BoolFlag{Name: "raw", Usage: "print one text, number or bool without quotes"}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if n := c.Args().Len(); n > 1 || n == 0 && c.Bool("raw") {
				return &problem{code: "SPM0002", summary: "output takes one name, and -raw needs it"}
			}
			if err := oneOf(c, "json", "raw"); err != nil {
				return err
			}
			s, err := openRecorded(ctx, env, c)
			if err != nil {
				return err
			}
			defer s.close()
			return s.printOutputs(ctx, c)
		},
	}
}

// outputRecord is one output as JSON, in Terraform's shape.
type outputRecord struct {
	Sensitive bool            `json:"sensitive"`
	Value     json.RawMessage `json:"value"`
}

func (s *session) printOutputs(ctx context.Context, c *cli.Command) error {
	name := c.Args().First()
	records, diags, err := s.evaluate(ctx, name)
	if err != nil {
		return err
	}
	if err := diagnostics(s.env, s.cfg, diags); err != nil {
		return err
	}
	var names []string
	for _, o := range s.cfg.Outputs {
		names = append(names, o.Name)
	}
	one, known := records[name]
	switch {
	case name != "" && !known:
		return &problem{code: "SPM0015", summary: fmt.Sprintf("There is no output %q", name) + didYouMean(name, "", names), detail: among("Declared", names)}
	case c.Bool("raw"):
		return printRaw(s.env.stdout, name, one.Value)
	case c.Bool("json") && name != "":
		return writeJSON(s.env.stdout, one.Value)
	case c.Bool("json"):
		return writeJSON(s.env.stdout, records)
	case name != "":
		return printValue(s.env.stdout, "", one)
	}
	return printAll(s.env.stdout, s.cfg.Outputs, records)
}

// evaluate computes the output with a name, or all, as far as they can be computed.
func (s *session) evaluate(ctx context.Context, name string) (map[string]outputRecord, hcl.Diagnostics, error) {
	facts, err := s.mirrorFacts(ctx)
	if err != nil {
		return nil, nil, err
	}
	var diags hcl.Diagnostics
	records := map[string]outputRecord{}
	for _, o := range s.cfg.Outputs {
		if name != "" && o.Name != name {
			continue
		}
		value, problems := o.Evaluate(facts)
		if diags = append(diags, problems...); problems.HasErrors() {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, nil, fmt.Errorf("output %s: %w", o.Name, err)
		}
		records[o.Name] = outputRecord{o.Sensitive, text}
	}
	return records, diags, nil
}

func printAll(w io.Writer, outputs []config.Output, records map[string]outputRecord) error {
	for _, o := range outputs {
		if r, ok := records[o.Name]; ok {
			if err := printValue(w, o.Name+" = ", r); err != nil {
				return err
			}
		}
	}
	return nil
}

func printValue(w io.Writer, label string, r outputRecord) error {
	text := "(sensitive value)"
	if !r.Sensitive {
		text = view.Message(string(r.Value))
	}
	_, err := fmt.Fprintf(w, "%s%s\n", label, text)
	return err
}

// printRaw prints a plain value. The text goes to another program, so it is not escaped.
func printRaw(w io.Writer, name string, value json.RawMessage) error {
	var plain any
	if err := json.Unmarshal(value, &plain); err != nil {
		return err
	}
	var err error
	switch v := plain.(type) {
	case string:
		_, err = io.WriteString(w, v)
	case float64, bool:
		_, err = w.Write(value)
	default:
		err = &problem{code: "SPM0002", summary: fmt.Sprintf("The output %s is no text, number or bool", name), detail: "Use -json for lists and maps."}
	}
	return err
}

// mirrorFacts is what outputs may know of mirrors beyond the configuration. A mirror that was
// never applied has zeros, so that outputs can be evaluated from the first day.
func (s *session) mirrorFacts(ctx context.Context) (map[string]map[string]any, error) {
	facts := make(map[string]map[string]any, len(s.cfg.Mirrors))
	for _, m := range s.cfg.Mirrors {
		row, known, err := s.rowOf(ctx, m.Address)
		if err != nil {
			return nil, err
		}
		var r view.StateMirror
		if known {
			if r, err = s.mirrorRecord(ctx, row); err != nil {
				return nil, err
			}
		}
		crawled := ""
		if !r.Crawled.IsZero() {
			crawled = r.Crawled.Format(time.RFC3339)
		}
		facts[m.Address] = map[string]any{
			"tracked_files": r.Files, "tracked_folders": r.Folders, "tracked_bytes": r.Bytes, "pending": r.Pending,
			"generation": r.Generation, "drive_id": r.DriveID, "folder_id": r.FolderID, "crawled_at": crawled,
		}
	}
	return facts, nil
}

// showOutputs prints the outputs after an apply, as Terraform does.
func (s *session) showOutputs(ctx context.Context) error {
	if len(s.cfg.Outputs) == 0 {
		return nil
	}
	records, diags, err := s.evaluate(ctx, "")
	if err != nil {
		return err
	}
	_ = diagnostics(s.env, s.cfg, diags) // what was applied stays applied
	if _, err := fmt.Fprint(s.env.stdout, "\nOutputs:\n\n"); err != nil {
		return err
	}
	return printAll(s.env.stdout, s.cfg.Outputs, records)
}
