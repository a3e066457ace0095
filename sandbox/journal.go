package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// journal keeps the edits of a tenant as lines of JSON, so that the next process continues the same
// history. A nil journal keeps nothing.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

// journalHead is the first line: a journal belongs to one tenant, edits of another make no sense.
type journalHead struct {
	Journal int    `json:"spmirror_sandbox_journal"`
	Tenant  string `json:"tenant"`
	Drives  int    `json:"drives"`
}

// journalVersion is the version of the format.
const journalVersion = 1

// openJournal replays the journal and keeps it open for what follows.
func (t *Tenant) openJournal() error {
	path := t.opts.StateFile
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the journal of the sandbox: %w", err)
	}
	end, err := t.replay(file)
	if err == nil {
		err = file.Truncate(end) // a line that a crash cut off
	}
	if err == nil {
		_, err = file.Seek(end, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("read the journal %s: %w", path, err)
	}
	t.journal = &journal{file: file}
	if end == 0 {
		return t.journal.write(journalHead{journalVersion, t.id.String(), len(t.drives)})
	}
	return nil
}

// replay applies the edits of a journal and returns where the last whole line ends.
func (t *Tenant) replay(r io.Reader) (int64, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	var end int64
	for n := 0; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		if n == 0 {
			var head journalHead
			if err := json.Unmarshal(line, &head); err != nil || head.Journal != journalVersion || head.Tenant != t.id.String() || head.Drives != len(t.drives) {
				return end, errors.New("it belongs to another tenant")
			}
		} else {
			var e Edit
			if err := json.Unmarshal(line, &e); err != nil {
				return end, fmt.Errorf("line %d: %w", n+1, err)
			}
			if e.Mark != "" {
				t.ran[e.Mark] = true
			}
			if _, err := t.edit(e); err != nil && !e.Failed {
				return end, fmt.Errorf("line %d: %s: %w", n+1, e.Op, err)
			}
		}
		end += int64(len(line))
	}
}

func (j *journal) append(e Edit) error {
	if j == nil {
		return nil
	}
	return j.write(e)
}

func (j *journal) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("journal of the sandbox: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("journal of the sandbox: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Close()
}
