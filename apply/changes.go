package apply

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/klauspost/compress/flate"

	"github.com/spmirror/spmirror/plan"
)

// Changes is a plan's list of changes as JSON lines, sorted by mirror, action and
// path. A line is valid until the next one.
type Changes interface {
	ChangeLines() iter.Seq2[[]byte, error]
}

// sections are the changes of a plan, split by mirror and action. The plan is read once
// and each section is kept compressed in one unnamed temporary file, so that a phase
// reads its own changes and no others: a plan of a thousand mirrors is not read a
// thousand times. Several readers may come at once.
type sections struct {
	file *os.File
	at   map[sectionKey]section
}

type sectionKey struct {
	mirror string
	action plan.Action
}

// section is one stretch of the file.
type section struct{ start, end, count int64 }

// readAll decodes the whole plan once and keeps its sections, which must be closed.
func readAll(changes Changes, each func(plan.Change) error) (*sections, error) {
	f, err := plan.Scratch("")
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	s := &sections{file: f, at: make(map[sectionKey]section)}
	if err := s.fill(changes, each); err != nil {
		return nil, errors.Join(fmt.Errorf("read plan: %w", err), s.close())
	}
	return s, nil
}

func (s *sections) close() error { return s.file.Close() }

func (s *sections) fill(changes Changes, each func(plan.Change) error) error {
	w, err := newSectionWriter(s.file)
	if err != nil {
		return err
	}
	var at sectionKey
	var n int64
	for line, err := range changes.ChangeLines() {
		if err != nil {
			return err
		}
		n++
		c, err := decodeChange(line)
		if err != nil {
			return err
		}
		if key := (sectionKey{c.Mirror, c.Action()}); n == 1 || key != at {
			if _, known := s.at[key]; known {
				return fmt.Errorf("line %d is not in order", n)
			}
			if err := s.finish(w, at); err != nil {
				return err
			}
			at = key
			s.at[at] = section{}
		}
		if err := w.write(line); err != nil {
			return err
		}
		if err := each(c); err != nil {
			return err
		}
	}
	return s.finish(w, at)
}

// finish notes where the section that was being written begins and ends.
func (s *sections) finish(w *sectionWriter, key sectionKey) (err error) {
	if w.at.count > 0 {
		s.at[key], err = w.next()
	}
	return err
}

// sectionWriter writes one section after another, each compressed by itself.
type sectionWriter struct {
	out  *countingWriter
	pack *flate.Writer
	at   section
}

func newSectionWriter(f io.Writer) (*sectionWriter, error) {
	out := &countingWriter{w: bufio.NewWriterSize(f, 1<<18)}
	pack, err := flate.NewWriter(out, flate.BestSpeed)
	return &sectionWriter{out: out, pack: pack}, err
}

func (w *sectionWriter) write(line []byte) error {
	w.at.count++
	_, err := w.pack.Write(line)
	return err
}

// next ends the section and returns it.
func (w *sectionWriter) next() (section, error) {
	err := errors.Join(w.pack.Close(), w.out.w.Flush())
	done := w.at
	done.end = w.out.n
	w.at = section{start: w.out.n}
	w.pack.Reset(w.out)
	return done, err
}

type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func decodeChange(line []byte) (plan.Change, error) {
	var c plan.Change
	if err := json.Unmarshal(line, &c); err != nil {
		return c, err
	}
	if len(c.Actions) == 0 {
		return c, fmt.Errorf("the change of %q has no action", c.Path)
	}
	return c, nil
}

// of yields the changes of one mirror with one action.
func (s *sections) of(mirror string, action plan.Action) iter.Seq2[plan.Change, error] {
	return func(yield func(plan.Change, error) bool) {
		at := s.at[sectionKey{mirror, action}]
		if at.count == 0 {
			return
		}
		unpack := flate.NewReader(bufio.NewReaderSize(io.NewSectionReader(s.file, at.start, at.end-at.start), 1<<16))
		defer unpack.Close()
		lines := json.NewDecoder(unpack)
		for range at.count {
			var c plan.Change
			if err := lines.Decode(&c); err != nil {
				yield(c, fmt.Errorf("read plan: %w", err))
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// count is how many changes a section has.
func (s *sections) count(mirror string, action plan.Action) int64 {
	return s.at[sectionKey{mirror, action}].count
}
