package apply

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
)

// besideName is the file beside the marker that shows permissions and columns.
const besideName = "metadata.jsonl"

// besideLine is one line of that file. An item without a line, or without permissions in
// its line, has those of the nearest folder above it that has some; the first line is that
// of the mirror's own folder.
type besideLine struct {
	Path        string          `json:"path"`
	ID          string          `json:"id"`
	Folder      bool            `json:"folder,omitempty"`
	Permissions json.RawMessage `json:"permissions,omitempty"`
	Columns     json.RawMessage `json:"columns,omitempty"`
}

// writeBeside writes the file anew from the state, sorted by path: what it says follows
// from the state alone, whatever the order in which things were read.
func (m *mirrorRun) writeBeside(ctx context.Context, row state.Mirror) error {
	lines, err := plan.NewSpool(os.TempDir())
	if err != nil {
		return err
	}
	defer lines.Close()
	n := 0
	for b, err := range m.Store.Sidecars(ctx, row) {
		if err != nil {
			return fmt.Errorf("read what is beside: %w", err)
		}
		line, err := m.besideLine(&b, row.Folder)
		if err != nil {
			return err
		}
		if err := lines.Add([]byte(line.Path), line); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return m.Dir.RemoveControl(besideName)
	}
	return m.writeLines(besideName, lines.Lines())
}

// writeLines puts lines into a file beside the marker, in place of what it held.
func (m *mirrorRun) writeLines(name string, lines iter.Seq2[[]byte, error]) error {
	return m.Dir.WriteControl(name, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 64<<10)
		for line, err := range lines {
			if err != nil {
				return err
			}
			out.Write(bytes.TrimSuffix(line, []byte("\n")))
			out.WriteByte('\n')
		}
		return out.Flush()
	})
}

func (m *mirrorRun) besideLine(b *state.Beside, folder state.ItemID) (*besideLine, error) {
	line := &besideLine{Path: "/", ID: string(b.Item), Folder: b.Folder}
	if b.Permissions != "" {
		line.Permissions = json.RawMessage(b.Permissions)
	}
	if b.Columns != "" {
		line.Columns = json.RawMessage(b.Columns)
	}
	if b.Item == folder {
		return line, nil
	}
	at, err := m.knownAt(b.Item, b.Parent, b.Name)
	line.Path = "/" + at
	return line, err
}
