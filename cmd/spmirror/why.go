package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

func whyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "why",
		Usage:     "say all that is known of one item",
		ArgsUsage: "ADDR PATH",
		Description: "Says whether an item is in the selection and by which rule, what the source said last,\n" +
			"what is on disk, and what the next plan would do. PATH is relative to the mirror's folder,\n" +
			"and may lead through a shortcut that the mirror follows. It reads recorded data and the disk,\n" +
			"not the source.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			jsonFlag(), lockFlag(),
		}),
		Action: func(ctx context.Context, c *cli.Command) error { return runWhy(ctx, env, c) },
	}
}

func runWhy(ctx context.Context, env *environment, c *cli.Command) error {
	if c.Args().Len() != 2 {
		return &problem{code: "SPM0002", summary: "why takes the address of a mirror and a path"}
	}
	address, path := c.Args().Get(0), c.Args().Get(1)
	cfg, err := load(ctx, env, c)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cfg.Backend.Path); errors.Is(err, fs.ErrNotExist) {
		return noState(cfg, state.ErrMissing)
	}
	s, err := openSession(ctx, env, cfg, sessionOptions{operation: "why", lockTimeout: c.Duration("lock-timeout"), color: colorOf(c)})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.knownAddresses(planOptions{Options: plan.Options{Targets: []string{address}}}); err != nil {
		return err
	}
	inside, rest := s.through(address, path)
	x, err := s.why(ctx, inside, rest)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(env.stdout, x)
	}
	s.notice.close()
	text := whyText(x)
	if inside != address {
		text = fmt.Sprintf("%-10s %s, which follows a shortcut\n", "Mirror", view.Name(inside)) + text
	}
	_, err = fmt.Fprint(env.stdout, text)
	return err
}

// through leads a path of a mirror through the shortcut above it to the mirror that follows that one, and to the path there.
// The shortcut itself is an item of the mirror that has it.
func (s *session) through(address, path string) (inside, rest string) {
	names := strings.Split(strings.Trim(path, "/"), "/")
	for _, sc := range s.shortcuts {
		at := strings.Split(string(sc.path), "/")
		if sc.of != address || len(names) <= len(at) || !sameName(strings.Join(names[:len(at)], "/"), string(sc.path)) {
			continue
		}
		if nested := nestedAddress(sc.of, sc.item); s.mirror(nested) != nil {
			return nested, strings.Join(names[len(at):], "/")
		}
	}
	return address, path
}

// why explains one item from recorded data.
func (s *session) why(ctx context.Context, address, path string) (plan.Explanation, error) {
	o := planOptions{mode: plan.ModeNormal, Options: plan.Options{Targets: []string{address}, NoRefresh: true, Verify: plan.VerifyStat}}
	mirrors := slices.DeleteFunc(s.selected(o), func(w *wanted) bool { // not those whose shortcuts it has
		return !addressed(w.cfg.Address, o.Targets, false)
	})
	if len(mirrors) != 1 {
		return plan.Explanation{}, &problem{code: "SPM0012", summary: fmt.Sprintf("%s names %s, not one", address, plural(len(mirrors), "mirror"))}
	}
	if err := s.refresh(ctx, mirrors, o); err != nil {
		return plan.Explanation{}, err
	}
	w := mirrors[0]
	if w.err != nil {
		return plan.Explanation{}, w.err
	}
	if err := s.describe(ctx, w); err != nil {
		return plan.Explanation{}, err
	}
	dir, err := s.openForPlan(ctx, w)
	if err != nil {
		return plan.Explanation{}, err
	}
	if dir != nil {
		defer dir.Close()
	}
	x, ok, err := s.request(w, o, dir).Why(ctx, path)
	if err == nil && !ok {
		err = &problem{code: "SPM0013", summary: fmt.Sprintf("Nothing is known of %q in %s", path, address),
			detail: fmt.Sprintf("Neither the source, as it was read at %s, nor the target has it.", w.drive.CrawledAt.UTC().Format("2006-01-02 15:04 UTC"))}
	}
	return x, err
}

// whyText lays an explanation out for people.
func whyText(x plan.Explanation) string {
	var b strings.Builder
	row := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", label, view.Message(fmt.Sprintf(format, args...)))
	}
	selected := "out"
	if x.Verdict.Selected {
		selected = "in"
	}
	switch {
	case x.Item == nil:
		row("Source", "gone")
	case x.Path == "":
		row("Source", "item %s, not below the mirror's folder", x.Item.ID)
	default:
		row("Path", "/%s", x.Path)
		row("Selection", "%s: %s", selected, x.Verdict.Rule)
		row("Source", "item %s, %s, modified %s by %s", x.Item.ID, sizeText(x.Item.Size), timeText(x.Item.Modified), orDash(x.Item.ModifiedBy))
		row("", "eTag %s, cTag %s, quickXorHash %s", orDash(x.Item.ETag), orDash(x.Item.CTag), orDash(x.Item.Hash))
	}
	if x.Entry == nil {
		row("Applied", "no: not tracked")
	} else {
		row("Applied", "%q, %s, %s", x.Entry.Name, sizeText(x.Entry.Size), orDash(x.Entry.Verdict))
		row("", "SHA-256 %s", orDash(x.Entry.SHA256))
		row("Disk", "%s", orText(string(x.Drift), "as it was left"))
	}
	switch {
	case x.Change != nil:
		row("Next plan", "%s (%s: %s) %s", x.Change.Action(), x.Change.Cause, x.Change.Reason, x.Change.Detail)
	case x.Skip != "":
		row("Next plan", "nothing: left out (%s)", x.Skip)
	default:
		row("Next plan", "nothing")
	}
	return b.String()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func orDash(s string) string { return orText(s, "-") }

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
