package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// session is one call of Load: where files come from, what was read, and what went wrong.
type session struct {
	dir     string // absolute
	file    string // the one file to load of the root module, or ""
	env     map[string]string
	offline bool
	data    DataSource

	sources   map[string]*hcl.File
	files     []File
	read      map[string]string // digest by name of everything functions read
	bytes     int64             // read so far
	mirrors   int               // expanded so far
	rootScope *scope
	scopes    []*scope // of the root and of every instance of a module
	baseGuard guardBase
	deferred  []string // tenants whose for_each is not known
	gaps      []string // data blocks that lack entries
	modules   []*parts // what modules contribute, in the order in which they were computed
	parsed    map[string][]hcl.Body

	hidden []string       // texts of sensitive values, never to be printed
	seen   map[string]int // reports by code and place
	diags  hcl.Diagnostics
}

// report collects diagnostics; hcl's own get a code.
func (s *session) report(diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		if d = classify(d); s.fresh(d) {
			s.diags = append(s.diags, d)
		}
	}
}

// fail reports one error of ours.
func (s *session) fail(code Code, rng hcl.Range, summary, detail string, args ...any) {
	s.report(problem(hcl.DiagError, code, rng, summary, detail, args...))
}

// warn reports one warning of ours.
func (s *session) warn(code Code, rng hcl.Range, summary, detail string, args ...any) {
	s.report(problem(hcl.DiagWarning, code, rng, summary, detail, args...))
}

func problem(severity hcl.DiagnosticSeverity, code Code, rng hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: fmt.Sprintf(detail, args...)}
	if rng.Filename != "" {
		d.Subject = &rng
	}
	return WithCode(d, code)
}

// isValues reports whether a file name is one of a file of values.
func isValues(name string) bool {
	return strings.HasSuffix(name, ".vars.hcl") || strings.HasSuffix(name, ".vars.hcl.json")
}

// isConfiguration reports whether a file name is one of a configuration file.
// Hidden files and the leftovers of editors are not.
func isConfiguration(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !isValues(name) &&
		(strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json"))
}

// listDir returns the names of the entries of a directory below the configuration
// directory that keep accepts, in order.
func (s *session) listDir(dir string, keep func(string) bool) ([]string, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d, err := root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if keep(e.Name()) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

var errTooLarge = errors.New("file is larger than 4 MiB")

// readConfined reads a file below the configuration directory. os.Root keeps
// symbolic links from leading out of it (T-12).
func (s *session) readConfined(name string) ([]byte, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.readAll(f)
}

// readAll reads a regular file within the limits.
func (s *session) readAll(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: info.Name(), Err: errors.New("not a regular file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	s.bytes += int64(len(data))
	if len(data) > maxFileBytes || s.bytes > maxTotalBytes {
		return nil, errTooLarge
	}
	return data, nil
}

// bodies reads and parses all configuration files of a directory (slash path below
// the root, "." for the root itself).
func (s *session) bodies(dir string) []hcl.Body {
	names, err := s.listDir(dir, isConfiguration)
	if err != nil {
		s.fail(CodeRead, hcl.Range{}, "Directory cannot be read", "Reading the configuration directory %q: %s.", s.display(dir), reason(err))
		return nil
	}
	if dir == "." && s.file != "" {
		names = []string{s.file}
	}
	if len(names) == 0 {
		s.fail(CodeEmpty, hcl.Range{}, "No configuration", "The directory %q holds no *.hcl or *.hcl.json file. Run `spmirror init` there to write a commented skeleton, or name another directory with -chdir=DIR.", s.display(dir))
		return nil
	}
	var out []hcl.Body
	for _, name := range names {
		if body := s.configFile(path.Join(dir, filepath.ToSlash(name))); body != nil {
			out = append(out, body)
		}
	}
	return out
}

// display is a directory as messages have it: the root in full, others below it.
func (s *session) display(dir string) string {
	if dir == "." {
		return visible(s.dir)
	}
	return visible(dir)
}

func (s *session) configFile(name string) hcl.Body {
	src, err := s.readConfined(name)
	if err != nil {
		s.readFailed(name, err)
		return nil
	}
	sum := sha256.Sum256(src)
	s.files = append(s.files, File{Name: name, Digest: hex.EncodeToString(sum[:]), Bytes: src})
	return s.parse(name, src)
}

func (s *session) readFailed(name string, err error) {
	if errors.Is(err, errTooLarge) {
		s.fail(CodeTooLarge, hcl.Range{}, "File too large", "The file %s exceeds 4 MiB, or all files together exceed 32 MiB. Split it, or describe the repetition with for_each.", name)
		return
	}
	s.fail(CodeRead, hcl.Range{}, "File cannot be read", "Reading %s: %s.", name, reason(err))
}

// reason is the error without the operation and path that PathError repeats.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// parse turns the bytes of a file into a body, after the checks that must come
// before any parser (nesting) or that parsers do not make (hidden characters).
func (s *session) parse(name string, src []byte) hcl.Body {
	before := len(s.diags)
	s.report(hiddenCharacters(name, src)...)
	s.report(nestingProblems(name, src)...)
	if len(s.diags) > before {
		s.sources[name] = &hcl.File{Bytes: src}
		return nil
	}
	file, diags := parseSource(name, src)
	s.report(diags...)
	if file == nil {
		file = &hcl.File{}
	}
	file.Bytes = src
	s.sources[name] = file
	if diags.HasErrors() {
		return nil
	}
	return file.Body
}

func parseSource(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	if strings.HasSuffix(name, ".json") {
		return hcljson.Parse(src, name)
	}
	return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
}
