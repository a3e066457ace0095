package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/config"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
	"github.com/spmirror/spmirror/view"
)

func trashCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:     "trash",
		Usage:    "look at replaced and deleted files, and bring them back",
		Commands: []*cli.Command{trashListCommand(env), trashRestoreCommand(env), trashEmptyCommand(env)},
	}
}

// trashRecord is one file in a trash.
type trashRecord struct {
	Mirror   string    `json:"mirror"`
	Path     string    `json:"path"`
	Original string    `json:"original"`
	Size     int64     `json:"size"`
	At       time.Time `json:"at,omitzero"`
	Run      int64     `json:"run,omitempty"`
	Reason   string    `json:"reason,omitempty"`

	in state.Mirror
}

func forgottenFlag() cli.Flag {
	return &cli.StringFlag{Name: "forgotten", Usage: "look in `DIR`, the target of a mirror that was forgotten or removed"}
}

// trashOf are the mirrors whose trash is meant: those that an address names, all, or one that was forgotten.
func (s *session) trashOf(ctx context.Context, c *cli.Command, address string) ([]state.Mirror, error) {
	dir := c.String("forgotten")
	switch {
	case dir == "":
		return s.recordedMirrors(ctx, address)
	case address != "":
		return nil, &problem{code: "SPM0002", summary: "-forgotten does not go with an address", detail: "A mirror that was forgotten is named by its directory alone."}
	}
	row, err := s.forgotten(ctx, dir)
	return []state.Mirror{row}, err
}

// openTarget opens the target of a mirror of the state.
func (s *session) openTarget(row state.Mirror, more ...target.Option) (*target.Dir, error) {
	dir, err := target.Open(row.Target, target.Marker{UUID: row.Marker, Lineage: s.store.Lineage()}, append(s.targetOptions(row.Address), more...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", row.Address, err)
	}
	return dir, nil
}

// trashed lists what is in the trash of a mirror: the disk says what, the state says why.
func (s *session) trashed(ctx context.Context, row state.Mirror, dir *target.Dir) ([]trashRecord, error) {
	why := map[string]state.Trashed{}
	for t, err := range s.store.Trash(ctx, row.Key) {
		if err != nil {
			return nil, err
		}
		why[t.Path] = t
	}
	var list []trashRecord
	for t, err := range dir.TrashDir().List(ctx) {
		if err != nil {
			return nil, err
		}
		if t.Kind != target.KindFile {
			continue
		}
		r := trashRecord{Mirror: row.Address, Path: string(t.Path), Original: string(t.Original), Size: t.Size, At: t.At.UTC(), in: row}
		if w, known := why[r.Path]; known {
			r.Original, r.Run, r.Reason = w.Original, int64(w.Run), w.Reason
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b trashRecord) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

func trashListCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list what is in the trash",
		ArgsUsage:   "[ADDR]",
		Description: "Lists replaced and deleted files, oldest first, with why they went there.",
		Flags:       readFlags(forgottenFlag()),
		Action: looking(env, takes{0, 1, "trash list takes one address"}, func(ctx context.Context, s *session, c *cli.Command) error {
			list, err := s.allTrash(ctx, c, c.Args().First())
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return writeJSON(env.stdout, map[string]any{"format_version": "1.0", "trash": list})
			}
			var bytes int64
			for _, t := range list {
				bytes += t.Size
				_, err := fmt.Fprintf(env.stdout, "%s  %s  %s  %s  %s  %s\n", timeText(t.At), view.Name(t.Mirror), s.shown("/"+t.Original, false), view.Size(t.Size), view.Message(orDash(t.Reason)), s.shown(t.Path, false))
				if err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(env.stdout, "%s, %s.\n", plural(len(list), "file"), view.Size(bytes))
			return err
		}),
	}
}

func (s *session) allTrash(ctx context.Context, c *cli.Command, address string) ([]trashRecord, error) {
	rows, err := s.trashOf(ctx, c, address)
	if err != nil {
		return nil, err
	}
	all := []trashRecord{}
	for _, row := range rows {
		dir, err := s.openTarget(row, target.WithReadOnly())
		if err != nil {
			return nil, err
		}
		list, err := s.trashed(ctx, row, dir)
		dir.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func trashRestoreCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "bring a file back",
		ArgsUsage: "PATH",
		Description: "PATH is where the file was, or its place in the trash as `trash list` prints it. The file goes back\n" +
			"to where it was, or to -to=PATH below the target. Nothing is overwritten. The next plan sees a\n" +
			"file that it does not know, and lifecycle.on_untracked says what becomes of it. What a mirror left\n" +
			"that was forgotten since is found with -forgotten=DIR.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			lockFlag(), forgottenFlag(), &cli.StringFlag{Name: "mirror", Usage: "look only in the trash of `ADDR`"},
			&cli.StringFlag{Name: "to", Usage: "restore to `PATH` below the target"},
		}),
		Action: editing(env, "trash restore", takes{1, 1, "trash restore takes one path"}, runTrashRestore),
	}
}

func runTrashRestore(ctx context.Context, s *session, c *cli.Command) error {
	list, err := s.allTrash(ctx, c, c.String("mirror"))
	if err != nil {
		return err
	}
	found, err := oneTrashed(list, c.Args().First())
	if err != nil {
		return err
	}
	to := strings.Trim(orText(c.String("to"), found.Original), "/")
	err = s.inTarget(ctx, found.in, func(dir *target.Dir) error {
		err := dir.TrashDir().Restore(target.RelPath(found.Path), target.RelPath(to))
		if errors.Is(err, target.ErrOccupied) {
			return &problem{code: "SPM0803", summary: fmt.Sprintf("There is a file at /%s already", to), detail: "Nothing was changed. Restore to another place with -to=PATH."}
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.logged(ctx, "trash restore", map[string]any{"mirror": found.Mirror, "from": found.Path, "to": to}, func(tx *state.Tx) error {
		return tx.DeleteTrash(found.in.Key, []string{found.Path})
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.env.stdout, "Restored %s of %s.\n", s.shown("/"+to, false), view.Name(found.Mirror))
	return err
}

// oneTrashed finds the one file that a path names.
func oneTrashed(list []trashRecord, path string) (trashRecord, error) {
	want := strings.TrimPrefix(path, "/")
	lastName := want[strings.LastIndex(want, "/")+1:]
	var named []trashRecord
	hint := "`spmirror trash list` shows all that is there."
	for _, t := range list {
		switch {
		case t.Path == want:
			return t, nil
		case t.Original == want:
			named = append(named, t)
		case strings.HasSuffix("/"+t.Original, "/"+lastName):
			hint = fmt.Sprintf("One of that name was at /%s. `spmirror trash list` shows all.", t.Original)
		}
	}
	switch len(named) {
	case 0:
		return trashRecord{}, &problem{code: "SPM0803", summary: fmt.Sprintf("Nothing in the trash was at %q", path), detail: hint}
	case 1:
		return named[0], nil
	}
	var places []string
	for _, t := range named {
		places = append(places, fmt.Sprintf("%s (%s, %s)", t.Path, t.Mirror, timeText(t.At)))
	}
	return trashRecord{}, &problem{code: "SPM0803", summary: fmt.Sprintf("%d files in the trash were at %q", len(named), path),
		detail: "Name one by its place in the trash:\n" + strings.Join(places, "\n")}
}

// inTarget works on a target under its lock.
func (s *session) inTarget(ctx context.Context, row state.Mirror, work func(*target.Dir) error) error {
	dir, err := s.openTarget(row)
	if err != nil {
		return err
	}
	defer dir.Close()
	lock, err := lockTarget(ctx, dir, row.Address)
	if err != nil {
		return err
	}
	return errors.Join(work(dir), lock.Unlock())
}

// lockTarget takes the lock of a target without waiting: another state may write
// to the same directory (I-38).
func lockTarget(ctx context.Context, dir *target.Dir, address string) (*target.Lock, error) {
	once, cancel := context.WithCancel(ctx)
	cancel()
	lock, err := dir.Lock(once)
	if errors.Is(err, target.ErrLocked) {
		return nil, &problem{code: "SPM0804", summary: fmt.Sprintf("The target of %s is in use by another process", address), err: err,
			detail: "Nothing was changed. Another state, or another machine, mirrors to the same directory.", exit: exitLocked}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return lock, nil
}

func trashEmptyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "empty",
		Usage:     "delete old files from the trash for good",
		ArgsUsage: "[ADDR]",
		Description: "Deletes what is in the trash for longer than the mirror's trash.retention, or than -older-than;\n" +
			"-older-than=0s empties it. This cannot be undone.",
		Flags:  editFlags(forgottenFlag(), &cli.StringFlag{Name: "older-than", Usage: "delete what is there for longer than `DURATION`, such as 7d"}),
		Action: editing(env, "trash empty", takes{0, 1, "trash empty takes one address"}, runTrashEmpty),
	}
}

// defaultRetention is for mirrors that are not declared any more.
const defaultRetention = 30 * 24 * time.Hour

func runTrashEmpty(ctx context.Context, s *session, c *cli.Command) error {
	age := time.Duration(-1)
	if text := c.String("older-than"); text != "" {
		var err error
		if age, err = config.ParseDuration(text); err != nil || age < 0 {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("Invalid -older-than=%s", text), err: err}
		}
	}
	rows, err := s.trashOf(ctx, c, c.Args().First())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.emptyTrash(ctx, row, age, c.Bool("dry-run")); err != nil {
			return err
		}
	}
	return nil
}

// emptyTrash purges one trash; a negative age means the mirror's retention.
func (s *session) emptyTrash(ctx context.Context, row state.Mirror, age time.Duration, dry bool) error {
	if m := s.configOf(row); age < 0 && m != nil {
		age = m.Trash.Retention
	} else if age < 0 {
		age = defaultRetention
	}
	var purged []string
	var files int
	var bytes int64
	// Stamps have whole seconds: what was trashed in this one counts as before now.
	before := s.env.now().Add(-age).Truncate(time.Second).Add(time.Second)
	err := s.inTarget(ctx, row, func(dir *target.Dir) error {
		var would int64
		keep := func(t target.Trashed) bool {
			purged = append(purged, string(t.Path))
			would += t.Size
			return dry
		}
		var err error
		files, bytes, err = dir.TrashDir().Empty(ctx, before, keep)
		if dry {
			files, bytes = len(purged), would
		}
		return err
	})
	verb := "Deleted"
	if dry {
		verb = "Would delete"
	} else if len(purged) > 0 {
		// Also after an error: what could not be purged is still on disk, and the disk is what list reads.
		err = errors.Join(err, s.logged(ctx, "trash empty", map[string]any{"mirror": row.Address, "files": files, "bytes": bytes}, func(tx *state.Tx) error {
			return tx.DeleteTrash(row.Key, purged)
		}))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.env.stdout, "%s %s (%s) from the trash of %s, older than %s.\n", verb, plural(files, "file"), view.Size(bytes), view.Name(row.Address), config.FormatDuration(age))
	return err
}
