package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

func stateRebuildCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "rebuild",
		Usage:     "make a lost, damaged or old state anew from targets and sources",
		ArgsUsage: "[ADDR...]",
		Description: "Reads every file of the targets, lists the sources in full, and records as applied what has the\n" +
			"size and the hash that the source names. It downloads nothing, and writes nothing to a target but\n" +
			"its marker and the note of its last run. Files that differ or are missing are recorded as drift: the\n" +
			"next plan shows them, and restores them after a review. Items without a hash count as the same if size\n" +
			"and time agree.\n\n" +
			"A damaged state is moved aside, never deleted; a good one is backed up and only the named mirrors\n" +
			"are made anew. Targets that belong to another state, such as a lost one, are taken over only if\n" +
			"-adopt names its lineage. Without ADDR all declared mirrors are rebuilt.\n\n" +
			"Exit codes: 0 done, 1 error, 4 some mirrors could not be rebuilt, 6 locked, 7 declined.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			jsonFlag(), lockFlag(),
			&cli.BoolFlag{Name: "auto-approve", Usage: "do not ask"},
			&cli.StringSliceFlag{Name: "adopt", Usage: "take over targets of the state with this `LINEAGE`; may be repeated"},
		}),
		Action: func(ctx context.Context, c *cli.Command) error { return runStateRebuild(ctx, env, c) },
	}
}

func runStateRebuild(ctx context.Context, env *environment, c *cli.Command) error {
	approved := c.Bool("auto-approve")
	if c.Bool("json") && !approved {
		return &problem{code: "SPM0008", summary: "-auto-approve required", detail: "With -json nobody can be asked."}
	}
	cfg, err := load(ctx, env, c)
	if err != nil {
		return err
	}
	s, err := newSession(env, cfg, colorOf(c))
	if err != nil {
		return err
	}
	defer s.close()
	s.notify(false)
	if err := s.acquire(ctx, sessionOptions{operation: "state rebuild", lockTimeout: c.Duration("lock-timeout")}); err != nil {
		return err
	}
	r := &rebuild{session: s, json: c.Bool("json"), adopt: c.StringSlice("adopt")}
	if err := r.prepare(ctx, c.Args().Slice()); err != nil {
		return err
	}
	if !approved {
		if err := s.confirm(ctx, r.question(), "Rebuild cancelled.", "-auto-approve"); err != nil {
			return err
		}
	}
	return r.run(ctx)
}

// rebuild makes the records of some mirrors anew.
type rebuild struct {
	*session
	json    bool
	adopt   []string // lineages whose targets may be taken over
	lost    error    // why the state cannot be used; nil if it can
	named   planOptions
	mirrors []*rebuilding
	skipped []string // why other mirrors need no rebuilding
}

// rebuilding is one mirror whose records are made anew.
type rebuilding struct {
	*wanted
	path   string        // of the target
	marker target.Marker // as it is on disk
	tally  matched
}

// prepare looks at state and targets and changes nothing.
func (r *rebuild) prepare(ctx context.Context, named []string) error {
	r.named = planOptions{mode: plan.ModeNormal, Options: plan.Options{Targets: named}}
	if err := r.openOld(ctx); err != nil {
		return err
	}
	if err := r.knownAddresses(r.named); err != nil {
		return err
	}
	seen := map[string]string{}
	for _, w := range r.selected(r.named) {
		m, why, err := r.examine(ctx, w)
		if err != nil {
			return err
		}
		if m == nil {
			r.skipped = append(r.skipped, w.cfg.Address+": "+why)
			continue
		}
		if twin := seen[m.marker.UUID]; twin != "" {
			return &problem{code: "SPM0802", summary: fmt.Sprintf("%s and %s have targets with the same marker", twin, w.cfg.Address),
				detail: "One directory is a copy of the other. Nothing was changed. Rebuild one of them, and remove .spmirror from the copy."}
		}
		seen[m.marker.UUID] = w.cfg.Address
		r.mirrors = append(r.mirrors, m)
	}
	if len(r.mirrors) == 0 {
		return &problem{code: "SPM0710", summary: "There is nothing to rebuild from",
			detail: strings.Join(append(slices.Clone(r.skipped), "Nothing was changed. A plan compares directories without a marker by itself, and adopts equal files."), "\n")}
	}
	return nil
}

// examine decides whether a mirror has a target to rebuild from; if not, it says why.
func (r *rebuild) examine(ctx context.Context, w *wanted) (m *rebuilding, why string, err error) {
	row, known, err := r.recorded(ctx, w.cfg.Address)
	if err != nil {
		return nil, "", err
	}
	at := w.cfg.Target
	if known {
		at = targetOf(row, w.cfg)
	}
	marker, marked := readMarker(at)
	switch {
	case !marked && known:
		return nil, "", r.remark(w.cfg, row)
	case !marked:
		return nil, fmt.Sprintf("%s has no marker", relative(r.cfg.Dir, at)), nil
	case !r.ours(marker):
		return nil, "", r.foreign(w.cfg, at, marker)
	}
	if err := r.taken(ctx, w.cfg.Address, marker); err != nil {
		return nil, "", err
	}
	if known {
		err = r.resolved(ctx, row, at, marker)
	}
	return &rebuilding{wanted: w, path: at, marker: marker}, "", err
}

// resolved refuses a mirror that an interrupted run has left half done. If the state is older than the target, a later
// run has brought that in order, and no apply with this state may.
func (r *rebuild) resolved(ctx context.Context, row state.Mirror, at string, marker target.Marker) error {
	dir, err := target.Open(at, marker, target.WithReadOnly())
	if err != nil {
		return err
	}
	defer dir.Close()
	if older, err := r.older(ctx, dir.LastRun()); older || err != nil {
		return err
	}
	return r.refuseOpen(ctx, row)
}

// recorded is what a usable state knows of a mirror.
func (r *rebuild) recorded(ctx context.Context, address string) (row state.Mirror, known bool, err error) {
	if r.store == nil {
		return row, false, nil
	}
	return r.store.MirrorByAddress(ctx, address)
}

// taken refuses a target that the state knows as that of another mirror.
func (r *rebuild) taken(ctx context.Context, address string, marker target.Marker) error {
	if r.store == nil {
		return nil
	}
	rows, err := r.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Marker == marker.UUID && row.Address != address {
			return &problem{code: "SPM0802", summary: fmt.Sprintf("The state knows the target of %s as that of %s", address, row.Address),
				detail: "Nothing was changed. If the mirror was renamed, apply its moved block first, or use `spmirror state mv`."}
		}
	}
	return nil
}

// ours reports whether a target belongs to this state, or to one that -adopt names.
func (r *rebuild) ours(marker target.Marker) bool {
	return r.store != nil && marker.Lineage == r.store.Lineage() || slices.Contains(r.adopt, marker.Lineage)
}

// foreign says whose target it is and how to take it over.
func (r *rebuild) foreign(m *config.Mirror, at string, marker target.Marker) error {
	return &problem{
		code: "SPM0711", summary: fmt.Sprintf("The target of %s belongs to another state", m.Address),
		detail: fmt.Sprintf("%s holds the marker of %s, lineage %s, made %s.\nNothing was changed. If that state is lost for good, take the target over:\nspmirror state rebuild -adopt=%s\nIf it still exists somewhere, restore it instead: two states must not write to one target.",
			at, view.Name(marker.Mirror), marker.Lineage, timeText(marker.Created), marker.Lineage),
	}
}

// question says what the answer yes would do.
func (r *rebuild) question() string {
	var b strings.Builder
	if r.lost != nil {
		fmt.Fprintf(&b, "The state %s cannot be used: %s.\n", relative(r.cfg.Dir, r.cfg.Backend.Path), view.Message(r.lost.Error()))
	}
	b.WriteString("Rebuild the records of these mirrors?\n")
	follows := false
	for _, m := range r.mirrors {
		follows = follows || m.cfg.Content.Shortcuts == "follow"
		fmt.Fprintf(&b, "  %s  ->  %s\n", view.Name(m.cfg.Address), view.Name(relative(r.cfg.Dir, m.path)))
		if r.store == nil || m.marker.Lineage != r.store.Lineage() {
			fmt.Fprintf(&b, "    taken over from %s of the state with lineage %s\n", view.Name(m.marker.Mirror), view.Name(m.marker.Lineage))
		}
	}
	if follows {
		b.WriteString("  And those that follow shortcuts, as far as the sources show them.\n")
	}
	for _, why := range r.skipped {
		fmt.Fprintf(&b, "  (left out: %s)\n", view.Message(why))
	}
	b.WriteString("  Every file of them is read. Nothing is downloaded, and no file is changed.")
	return b.String()
}

// run does it. A mirror whose source or target cannot be read does not stop the others.
func (r *rebuild) run(ctx context.Context) error {
	kept, err := r.secure(ctx)
	if err != nil {
		return err
	}
	failed, err := r.matchAll(ctx)
	if err != nil {
		return err
	}
	summary := r.summary(kept)
	if err := r.logged(ctx, "state rebuild", summary, func(*state.Tx) error { return nil }); err != nil {
		return err
	}
	if err := r.report(summary); err != nil {
		return err
	}
	switch {
	case failed == len(r.mirrors):
		return exitStatus(exitError)
	case failed > 0:
		return exitStatus(exitIncomplete)
	}
	return nil
}

// matchAll makes the records of the declared mirrors and then of those that follow their shortcuts, and counts those that
// could not be made.
func (r *rebuild) matchAll(ctx context.Context) (failed int, err error) {
	r.mirrors = slices.DeleteFunc(r.mirrors, func(m *rebuilding) bool { return m.shortcut != nil }) // they are found anew
	var read []*wanted
	for _, m := range r.mirrors {
		read = append(read, m.wanted)
	}
	if err := r.refresh(ctx, read, inFull()); err != nil {
		return 0, err
	}
	if err := r.follow(ctx); err != nil {
		return 0, err
	}
	nested, err := r.nestedMirrors(ctx, read)
	if err != nil {
		return 0, err
	}
	r.mirrors = append(r.mirrors, nested...)
	for _, m := range r.mirrors {
		if m.err = r.match(ctx, m); m.err == nil {
			continue
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		failed++
		writeProblem(r.env.stderr, explained(fmt.Errorf("%s: %w", m.cfg.Address, m.err)))
	}
	return failed, nil
}

func inFull() planOptions {
	return planOptions{mode: plan.ModeNormal, Options: plan.Options{Full: true}}
}

// nestedMirrors are those that follow shortcuts of the named ones, read: which there are is known once their sources
// were. One without a target is left to the next plan; one that cannot be rebuilt says so itself.
func (r *rebuild) nestedMirrors(ctx context.Context, read []*wanted) (list []*rebuilding, err error) {
	var followed []*wanted
	for _, w := range r.selected(r.named) {
		if w.shortcut != nil {
			followed = append(followed, w)
		}
	}
	if err := r.readFollowed(ctx, read, followed, inFull()); err != nil {
		return nil, err
	}
	for _, w := range followed {
		m, _, err := r.examine(ctx, w)
		if err != nil {
			m = &rebuilding{wanted: w}
		}
		if m == nil {
			continue
		}
		if w.err == nil {
			w.err = cmp.Or(err, w.shortcut.refused)
		}
		list = append(list, m)
	}
	return list, nil
}

// rebuilt is what state rebuild says of one mirror.
type rebuilt struct {
	Address string `json:"address"`
	matched
	Adopted string `json:"adopted_from,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// rebuildSummary is the last line of state rebuild -json, and the summary of the run.
type rebuildSummary struct {
	Type          string    `json:"type"`
	FormatVersion string    `json:"format_version"`
	Lineage       string    `json:"lineage"`
	Kept          string    `json:"kept"` // where the old state is
	Mirrors       []rebuilt `json:"mirrors"`
}

func (r *rebuild) summary(kept string) rebuildSummary {
	sum := rebuildSummary{Type: "summary", FormatVersion: "1.0", Lineage: r.store.Lineage(), Kept: relative(r.cfg.Dir, kept)}
	for _, m := range r.mirrors {
		line := rebuilt{Address: m.cfg.Address, matched: m.tally}
		if m.marker.Lineage != sum.Lineage {
			line.Adopted = m.marker.Lineage
		}
		if m.err != nil {
			line.Problem = explained(m.err).code
		}
		sum.Mirrors = append(sum.Mirrors, line)
	}
	return sum
}

func (r *rebuild) report(sum rebuildSummary) error {
	if r.json {
		enc := json.NewEncoder(r.env.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(sum)
	}
	var b strings.Builder
	for _, m := range sum.Mirrors {
		if m.Problem != "" {
			fmt.Fprintf(&b, "%s: not rebuilt [%s]\n", view.Name(m.Address), m.Problem)
			continue
		}
		fmt.Fprintf(&b, "%s: %s (%s) and %s match the source, %s, %s, %s.\n",
			view.Name(m.Address), plural(m.Files, "file"), view.Size(m.Bytes), plural(m.Folders, "folder"),
			agree(m.Differ, "differs", "differ"), agree(m.Missing, "is missing", "are missing"), agree(m.Blocked, "is held back", "are held back"))
	}
	if sum.Kept != "" {
		fmt.Fprintf(&b, "The old state is kept as %s.\n", view.Name(sum.Kept))
	}
	b.WriteString("`spmirror plan` shows what is left to do.\n")
	_, err := fmt.Fprint(r.env.stdout, b.String())
	return err
}
