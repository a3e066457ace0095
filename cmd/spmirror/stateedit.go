package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

func editFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat(configFlags(), outputFlags(), []cli.Flag{
		lockFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing"},
	}, more)
}

func stateRmCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "forget mirrors; their files stay",
		ArgsUsage: "ADDR...",
		Description: "Removes what the state knows of mirrors. No file is touched. A mirror that is still declared is\n" +
			"planned anew, and files with the right content are adopted without a download.",
		Flags:  editFlags(),
		Action: editing(env, "state rm", takes{1, math.MaxInt, "state rm takes the addresses of mirrors"}, runStateRm),
	}
}

func runStateRm(ctx context.Context, s *session, c *cli.Command) error {
	var rows []state.Mirror
	for _, address := range c.Args().Slice() {
		named, err := s.recordedMirrors(ctx, address)
		if err != nil {
			return err
		}
		for _, row := range named {
			if !slices.ContainsFunc(rows, func(r state.Mirror) bool { return r.Key == row.Key }) {
				rows = append(rows, row)
			}
		}
	}
	var addresses, lines []string
	verb := "Removed"
	if c.Bool("dry-run") {
		verb = "Would remove"
	}
	for _, row := range rows {
		files, _, bytes, err := s.store.EntryCount(ctx, row.Key)
		if err != nil {
			return err
		}
		if err := s.refuseOpen(ctx, row); err != nil {
			return err
		}
		addresses = append(addresses, row.Address)
		lines = append(lines, fmt.Sprintf("%s %s from the state (%s, %s, stay in %s).\n", verb, view.Name(row.Address), plural(files, "file"), view.Size(bytes), view.Name(row.Target)))
	}
	if c.Bool("dry-run") {
		_, err := io.WriteString(s.env.stdout, strings.Join(lines, ""))
		return err
	}
	err := s.edit(ctx, "state rm", map[string]any{"removed": addresses}, func(tx *state.Tx) error {
		for _, row := range rows {
			if err := tx.ForgetMirror(row.Key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.env.stdout, strings.Join(lines, ""))
	return err
}

// refuseOpen keeps what a killed run left half done: a file that was set aside for a moment would be
// forgotten where nobody looks for it. A target that is gone has no such file.
func (s *session) refuseOpen(ctx context.Context, row state.Mirror) error {
	if _, marked := readMarker(row.Target); !marked {
		return nil
	}
	for _, err := range s.store.Intents(ctx, row.Key) {
		if err != nil {
			return err
		}
		return &problem{code: "SPM0707", summary: fmt.Sprintf("An interrupted run left %s half done", row.Address), detail: "Nothing was changed. Run `spmirror apply` first, which brings it in order."}
	}
	return nil
}

// edit backs the state up and changes it.
func (s *session) edit(ctx context.Context, kind string, summary any, change func(*state.Tx) error) error {
	if _, err := s.store.Backup(ctx, stateBackups); err != nil {
		return &problem{code: "SPM0705", summary: "The state could not be backed up before the edit", err: err, detail: "Nothing was done."}
	}
	return s.logged(ctx, kind, summary, change)
}

// mirrorAddress is the form of addresses that a configuration can declare.
var mirrorAddress = regexp.MustCompile(`^mirror\.[\pL_][\pL\pN_-]*(\["[^"\x00-\x1f]+"\])?$`)

func stateMvCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "mv",
		Usage:     "give a mirror another address",
		ArgsUsage: "FROM TO",
		Description: "Tells the state that a mirror has another name in the configuration now. Nothing is moved on\n" +
			"disk and nothing downloaded, and the mirrors that follow its shortcuts go with it. A moved block\n" +
			"in the configuration does the same through a plan.",
		Flags:  editFlags(),
		Action: editing(env, "state mv", takes{2, 2, "state mv takes two addresses"}, runStateMv),
	}
}

func runStateMv(ctx context.Context, s *session, c *cli.Command) error {
	from, to := c.Args().Get(0), c.Args().Get(1)
	if !mirrorAddress.MatchString(to) {
		return &problem{code: "SPM0707", summary: fmt.Sprintf("%q is not the address of a mirror", to), detail: "Addresses are written as mirror.name or mirror.name[\"key\"]. Nothing was done."}
	}
	row, err := s.recordedMirror(ctx, from)
	if err != nil {
		return err
	}
	renames, err := s.nestedRenames(ctx, from, to)
	if err != nil {
		return err
	}
	renames = append([]rename{{row, to}}, renames...)
	verb := "Moved"
	if c.Bool("dry-run") {
		verb = "Would move"
	}
	var lines []string
	for _, r := range renames {
		if _, taken, err := s.store.MirrorByAddress(ctx, r.to); err != nil || taken {
			if err != nil {
				return err
			}
			return &problem{code: "SPM0707", summary: fmt.Sprintf("The state has a mirror %s already", r.to), detail: "Nothing was done."}
		}
		lines = append(lines, fmt.Sprintf("%s %s to %s.\n", verb, view.Name(r.row.Address), view.Name(r.to)))
	}
	if !c.Bool("dry-run") {
		err := s.edit(ctx, "state mv", map[string]any{"from": from, "to": to}, func(tx *state.Tx) error { return renameAll(tx, renames) })
		if err != nil {
			return err
		}
	}
	_, err = io.WriteString(s.env.stdout, strings.Join(lines, ""))
	return err
}

func stateExportCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a copy of the state",
		Description: "Writes a consistent copy: the SQLite file itself, or with a name that ends in .jsonl one line\n" +
			"for each mirror and each tracked item. An existing file is never overwritten. The copy has names\n" +
			"and hashes of files, but no secret.",
		Flags: slices.Concat(configFlags(), outputFlags(), []cli.Flag{
			lockFlag(), &cli.StringFlag{Name: "out", Usage: "write to `FILE`"},
			&cli.BoolFlag{Name: "inventory", Usage: "write only what plan -inventory=FILE reads"},
			&cli.StringFlag{Name: "names", Usage: "with -inventory: `HOW` to write names of files: full or hashed; extensions and folders stay"},
		}),
		Action: func(ctx context.Context, c *cli.Command) error { return runStateExport(ctx, env, c) },
	}
}

func runStateExport(ctx context.Context, env *environment, c *cli.Command) (err error) {
	name := c.String("out")
	if name == "" {
		return &problem{code: "SPM0002", summary: "state export needs -out=FILE"}
	}
	if err := goesWith(c, "names", "inventory"); err != nil {
		return err
	}
	if names := c.String("names"); !slices.Contains([]string{"", view.NamesFull, view.NamesHashed}, names) {
		return &problem{code: "SPM0002", summary: "Invalid -names=" + names, detail: "Allowed are full and hashed."}
	}
	s, err := openEditing(ctx, env, c, "state export")
	if err != nil {
		return err
	}
	defer s.close()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		switch {
		case c.Bool("inventory"):
			err = s.exportInventory(ctx, c, f)
		case filepath.Ext(name) == ".jsonl":
			err = s.exportLines(ctx, f)
		default:
			err = s.exportCopy(ctx, f)
		}
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}
	if err != nil {
		return &problem{code: "SPM0708", summary: "The state was not exported", err: err}
	}
	_, err = fmt.Fprintf(env.stdout, "Exported the state (lineage %s) to %s.\n", s.store.Lineage(), view.Name(name))
	return err
}

// exportCopy copies a backup, which is one moment of the state in one file.
func (s *session) exportCopy(ctx context.Context, w io.Writer) error {
	copied, err := s.store.Backup(ctx, stateBackups)
	if err != nil {
		return err
	}
	f, err := os.Open(copied)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return errors.Join(err, f.Close())
}

// exportLines writes the applied side: what is on disk and where it came from.
func (s *session) exportLines(ctx context.Context, w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	serial, err := s.store.Serial(ctx)
	if err != nil {
		return err
	}
	if err := enc.Encode(map[string]any{"type": "state", "format_version": "1.0", "lineage": s.store.Lineage(), "serial": serial}); err != nil {
		return err
	}
	rows, err := s.store.Mirrors(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r, err := s.mirrorRecord(ctx, row)
		if err != nil {
			return err
		}
		if err := enc.Encode(struct {
			Type string `json:"type"`
			view.StateMirror
		}{"mirror", r}); err != nil {
			return err
		}
		for e, err := range s.entriesOf(ctx, row) {
			if err != nil {
				return err
			}
			if err := enc.Encode(struct {
				Type string `json:"type"`
				view.StateItem
			}{"item", recordOf(row.Address, e.path, e.Entry)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func forceUnlockCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "force-unlock",
		Usage: "clear what a dead run left beside the state",
		Description: "The lock itself is the kernel's and ends with the process that holds it, so there is nothing to\n" +
			"break. This clears only the text that says who held it. It refuses while the lock is held.",
		Flags:  slices.Concat(configFlags(), outputFlags()),
		Action: func(ctx context.Context, c *cli.Command) error { return runForceUnlock(ctx, env, c) },
	}
}

func runForceUnlock(ctx context.Context, env *environment, c *cli.Command) error {
	cfg, err := loadOffline(env, c)
	if err != nil {
		return err
	}
	path := cfg.Backend.Path
	if _, err := os.Stat(path + ".lock"); errors.Is(err, fs.ErrNotExist) {
		_, err := fmt.Fprintln(env.stdout, "The state is not locked and never was. Nothing was done.")
		return err
	}
	holder, _ := state.LockHolder(path)
	lock, err := state.Acquire(ctx, path, state.Owner{Operation: "force-unlock", Since: env.now().UTC(), Version: version}, 0, nil)
	if err != nil {
		return err
	}
	if err := lock.Release(); err != nil { // removes the text
		return err
	}
	if holder == (state.Owner{}) {
		_, err = fmt.Fprintln(env.stdout, "The state is not locked. Nothing was done.")
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "The state is not locked. Cleared the record of %s by process %d on %s, which is gone.\n", view.Message(holder.Operation), holder.PID, view.Message(holder.Host))
	return err
}
