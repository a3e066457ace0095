package main

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// A log is at most keptLogs+1 files of about maxLog bytes: some days of debugging, and no full disk.
const (
	maxLog   = 10 << 20
	keptLogs = 5
)

// logFile is the file of SPMIRROR_LOG_PATH. When it is full it becomes FILE.1, that one FILE.2 and so on, and the oldest
// goes. Several processes may write to one log: lines are appended whole, and who finds the file moved away by another
// goes on in the new one.
type logFile struct {
	mu   sync.Mutex
	path string
	max  int64
	file *os.File
	size int64
	keep bool // it is no ordinary file, and is never moved
}

// openLog opens or makes a log that rotates at a size.
func openLog(path string, most int64) (*logFile, error) {
	l := &logFile{path: path, max: most}
	return l, l.open()
}

// open opens the file, private to its owner if it is new.
func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size, l.keep = f, info.Size(), !info.Mode().IsRegular()
	return nil
}

// Write implements io.Writer. slog writes one record at a time.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.keep && l.size > 0 && l.size+int64(len(p)) > l.max {
		l.rotate()
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// rotate begins a new file. What keeps it from that costs no line: the old one is written on, and the next full measure
// tries again.
func (l *logFile) rotate() {
	old := l.file
	if l.current() {
		for n := keptLogs - 1; n >= 1; n-- {
			_ = os.Rename(l.numbered(n), l.numbered(n+1)) // one that is not there yet
		}
		if err := os.Rename(l.path, l.numbered(1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.size = 0
			return
		}
	}
	if err := l.open(); err != nil {
		l.size = 0
		return
	}
	_ = old.Close()
}

func (l *logFile) numbered(n int) string { return l.path + "." + strconv.Itoa(n) }

// current tells whether the path still leads to the file that is open: another process may have moved it.
func (l *logFile) current() bool {
	mine, errMine := l.file.Stat()
	there, errThere := os.Lstat(l.path)
	return errMine == nil && errThere == nil && os.SameFile(mine, there)
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
