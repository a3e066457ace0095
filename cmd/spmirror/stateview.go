package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/view"
)

func stateCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "state",
		Usage: "look at the state and edit it",
		Commands: []*cli.Command{
			stateListCommand(env), stateShowCommand(env), stateRmCommand(env), stateMvCommand(env), stateExportCommand(env),
			stateRebuildCommand(env),
		},
	}
}

// readFlags are the flags of commands that print recorded data.
func readFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat(configFlags(), outputFlags(), []cli.Flag{jsonFlag()}, more)
}

func stateListCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list mirrors, or with -items the files of one",
		ArgsUsage: "[ADDR]",
		Description: "Prints one address a line. With -items it streams all that is tracked: one path a line, or\n" +
			"with -json one object a line. ADDR may hold wildcards.",
		Flags: readFlags(&cli.BoolFlag{Name: "items", Usage: "list files and folders instead of mirrors"}),
		Action: looking(env, takes{0, 1, "state list takes one address"}, func(ctx context.Context, s *session, c *cli.Command) error {
			rows, err := s.recordedMirrors(ctx, c.Args().First())
			switch {
			case err != nil:
				return err
			case c.Bool("items"):
				return s.listItems(ctx, rows, c.Bool("json"))
			case c.Bool("json"):
				return s.listMirrorsJSON(ctx, rows)
			}
			for _, r := range rows {
				if _, err := fmt.Fprintln(env.stdout, view.Name(r.Address)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (s *session) mirrorRecord(ctx context.Context, row state.Mirror) (view.StateMirror, error) {
	r := view.StateMirror{
		Address: row.Address, Folder: row.FolderPath, FolderID: string(row.Folder), Target: row.Target, Marker: row.Marker,
		Generation: row.Generation, Created: row.Created.UTC(),
	}
	var err error
	if r.Files, r.Folders, r.Bytes, err = s.store.EntryCount(ctx, row.Key); err != nil {
		return r, err
	}
	if r.Pending, err = s.countPending(ctx, row); err != nil {
		return r, err
	}
	d, err := s.driveOf(ctx, row)
	r.Drive, r.DriveID, r.Tenant = d.Name, string(d.ID), d.Tenant
	if !d.CrawledAt.IsZero() {
		r.Crawled = d.CrawledAt.UTC()
	}
	return r, err
}

// countPending counts what earlier runs left undone.
func (s *session) countPending(ctx context.Context, row state.Mirror) (n int64, err error) {
	for _, err := range s.store.PendingItems(ctx, row.Key) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func (s *session) driveOf(ctx context.Context, row state.Mirror) (state.Drive, error) {
	d, _, err := s.store.DriveByKey(ctx, row.Drive)
	return d, err
}

func (s *session) listMirrorsJSON(ctx context.Context, rows []state.Mirror) error {
	list := make([]view.StateMirror, 0, len(rows))
	for _, row := range rows {
		r, err := s.mirrorRecord(ctx, row)
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	return writeJSON(s.env.stdout, map[string]any{"format_version": "1.0", "lineage": s.store.Lineage(), "mirrors": list})
}

func recordOf(mirror, at string, e state.Entry) view.StateItem {
	r := view.StateItem{
		Mirror: mirror, Path: at, ItemID: string(e.Item), Folder: e.Folder, Size: e.Size, Verdict: string(e.Verdict),
		SHA256: e.SHA256, QuickXorHash: e.Hash, ETag: e.ETag, CTag: e.CTag, Run: int64(e.Run),
	}
	if !e.MTime.IsZero() {
		r.MTime = e.MTime.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	return r
}

func (s *session) listItems(ctx context.Context, rows []state.Mirror, asJSON bool) error {
	out := bufio.NewWriter(s.env.stdout)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i, err := range s.itemsOf(ctx, rows, nil) {
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		if asJSON {
			err = enc.Encode(i)
		} else {
			name := "/" + i.Path
			if i.Folder {
				name += "/"
			}
			_, err = fmt.Fprintf(out, "%s  %s\n", view.Name(i.Mirror), s.shown(name, i.Folder))
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// placed is an entry with its path below the target.
type placed struct {
	state.Entry
	path string
}

// entriesOf yields what a mirror has on disk, folder by folder. Of all that it yields only the
// folders are held in memory.
func (s *session) entriesOf(ctx context.Context, row state.Mirror) iter.Seq2[placed, error] {
	return func(yield func(placed, error) bool) {
		folders := map[state.ItemID]state.Entry{}
		for e, err := range s.store.EntryFolders(ctx, row.Key) {
			if err != nil {
				yield(placed{}, err)
				return
			}
			folders[e.Item] = e
		}
		paths := map[state.ItemID]string{"": "", state.Parked: ""} // the name of what stepped aside is its whole path
		for e, err := range s.store.EntriesByParent(ctx, row.Key) {
			if err != nil {
				yield(placed{}, err)
				return
			}
			if !yield(placed{e, path.Join(folderPath(folders, paths, e.Parent), e.Name)}, nil) {
				return
			}
		}
	}
}

// folderPath is the path of a folder, remembered in paths. A damaged chain ends at the target.
func folderPath(folders map[state.ItemID]state.Entry, paths map[state.ItemID]string, id state.ItemID) string {
	at, known := paths[id]
	if !known {
		paths[id] = "" // ends a loop
		at = folders[id].Name
		if parent := folders[id].Parent; parent != "" {
			at = path.Join(folderPath(folders, paths, parent), at)
		}
		paths[id] = at
	}
	return at
}

func stateShowCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show a mirror, or one item of it",
		ArgsUsage: "ADDR [PATH]",
		Description: "Shows what the state holds: of a mirror its source, target and counts, of an item its ids,\n" +
			"hashes and verdict, and what runs did to it. PATH is below the target.",
		Flags: readFlags(),
		Action: looking(env, takes{1, 2, "state show takes the address of a mirror, and maybe a path"}, func(ctx context.Context, s *session, c *cli.Command) error {
			row, err := s.recordedMirror(ctx, c.Args().First())
			if err != nil {
				return err
			}
			if c.Args().Len() == 2 {
				return s.showItem(ctx, row, c.Args().Get(1), c.Bool("json"))
			}
			r, err := s.mirrorRecord(ctx, row)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return writeJSON(env.stdout, r)
			}
			return s.showMirror(r)
		}),
	}
}

func (s *session) showMirror(r view.StateMirror) error {
	return s.showRows([][2]string{
		{"Address", r.Address}, {"Source", fmt.Sprintf("%s, folder %s", r.Drive, r.Folder)}, {"", "drive " + r.DriveID}, {"", "folder " + r.FolderID},
		{"Target", r.Target}, {"", "marker " + r.Marker}, {"Tracked", fmt.Sprintf("%s, %s, %s", plural(r.Files, "file"), plural(r.Folders, "folder"), view.Size(r.Bytes))},
		{"Pending", fmt.Sprint(r.Pending)}, {"Generation", fmt.Sprint(r.Generation)}, {"Created", timeText(r.Created)}, {"Crawled", crawledText(r.Crawled)},
	})
}

func crawledText(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return timeText(at)
}

// showRows prints labelled lines.
func (s *session) showRows(rows [][2]string) error {
	for _, r := range rows {
		if _, err := fmt.Fprintf(s.env.stdout, "%-10s %s\n", r[0], view.Message(r[1])); err != nil {
			return err
		}
	}
	return nil
}

// itemEvent is what one run did to an item.
type itemEvent struct {
	Run     int64     `json:"run"`
	At      time.Time `json:"at"`
	Action  string    `json:"action"`
	Outcome string    `json:"outcome"`
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
}

func (s *session) showItem(ctx context.Context, row state.Mirror, at string, asJSON bool) error {
	e, err := s.entryAt(ctx, row, at)
	if err != nil {
		return err
	}
	history, err := s.history(ctx, row.Address, e.Item)
	if err != nil {
		return err
	}
	r := recordOf(row.Address, e.path, e.Entry)
	if asJSON {
		return writeJSON(s.env.stdout, struct {
			view.StateItem
			History []itemEvent `json:"history"`
		}{r, history})
	}
	rows := [][2]string{{"Path", s.shown("/"+r.Path, r.Folder)}, {"Item", r.ItemID}, {"Size", sizeText(r.Size)}}
	if !r.Folder {
		rows = append(rows, [2]string{"Verdict", orDash(r.Verdict)}, [2]string{"SHA-256", orDash(r.SHA256)}, [2]string{"quickXor", orDash(r.QuickXorHash)},
			[2]string{"Modified", orDash(r.MTime)}, [2]string{"eTag", orDash(r.ETag)}, [2]string{"cTag", orDash(r.CTag)})
	}
	for i, h := range history {
		label := ""
		if i == 0 {
			label = "History"
		}
		rows = append(rows, [2]string{label, strings.TrimSpace(fmt.Sprintf("run %d, %s: %s %s %s %s", h.Run, timeText(h.At), h.Action, h.Outcome, h.Code, s.quoting(h.Message)))})
	}
	return s.showRows(rows)
}

// entryAt finds an entry by its path below the target.
func (s *session) entryAt(ctx context.Context, row state.Mirror, at string) (placed, error) {
	want := strings.Trim(path.Clean("/"+at), "/")
	for e, err := range s.entriesOf(ctx, row) {
		if err != nil || e.path == want {
			return e, err
		}
	}
	return placed{}, &problem{code: "SPM0013", summary: fmt.Sprintf("%s has nothing at %q", row.Address, at), detail: "`spmirror state list -items ADDR` lists all that is tracked."}
}

// history lists what the recorded runs did to an item, oldest first.
func (s *session) history(ctx context.Context, address string, item state.ItemID) ([]itemEvent, error) {
	runs, err := s.store.Runs(ctx, 0)
	if err != nil {
		return nil, err
	}
	list := []itemEvent{}
	for _, run := range slices.Backward(runs) {
		for i, err := range s.store.RunItems(ctx, run.ID) {
			if err != nil {
				return nil, err
			}
			if i.Mirror == address && i.Item == item {
				list = append(list, itemEvent{int64(run.ID), i.At.UTC(), i.Action, i.Outcome, i.Code, i.Message})
			}
		}
	}
	return list, nil
}
