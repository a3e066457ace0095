package plan

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
)

// A plan file is one zip with these entries, in this order (DESIGN section 5).
// Same plan, same bytes: no times, no order of arrival, no map order.
const (
	entryHeader  = "plan.json"
	entryItems   = "items.jsonl"
	entryDrift   = "drift.jsonl"
	entryConfig  = "config/"
	entryDigests = "digests"
)

// Limits of what is read from a plan file, which may be a stranger's.
const (
	maxHeaderBytes = 64 << 20
	maxLineBytes   = 1 << 20
	maxDigestBytes = 1 << 20
	maxEntries     = 1000
)

var (
	// ErrNotPlan says that a file is no plan of spmirror.
	ErrNotPlan = errors.New("not a spmirror plan")
	// ErrAltered says that a plan file was changed after it was written.
	ErrAltered = errors.New("altered after it was written (digest)")
	// ErrPlanFormat says that a plan file has a format this program does not know.
	ErrPlanFormat = errors.New("plan format is not supported")
)

// WriteFile writes the plan to a file with mode 0600, all or nothing, and sets
// its id and digest.
func (p *Plan) WriteFile(name string) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".spplan-*")
	if err != nil {
		return fmt.Errorf("write plan %q: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	w := bufio.NewWriterSize(tmp, 1<<20)
	err = errors.Join(cmp.Or(p.Write(w), w.Flush()), tmp.Sync(), tmp.Close()) // a writer that failed says it twice
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write plan %q: %w", name, err)
	}
	return nil
}

// lasting is the header without what differs between two plans of the same
// changes: how the source was read, how much space other programs have left, and
// the id and digest computed over this.
func (h *Header) lasting() Header {
	out := *h
	out.PlanID, out.Digest = "", ""
	out.Mirrors = make([]*Mirror, len(h.Mirrors))
	for i, m := range h.Mirrors {
		mirror := *m
		mirror.Listing = Listing{Complete: m.Listing.Complete}
		out.Mirrors[i] = &mirror
	}
	out.Guards = slices.Clone(h.Guards)
	for i := range out.Guards {
		if g := &out.Guards[i]; g.Name == guardFreeSpace && g.Status == GuardPass {
			g.Value, g.Detail = "enough", "bytes" // of the limit
		}
	}
	return out
}

// ContentDigest is a SHA-256 over all that the plan says but when it was made.
func (p *Plan) ContentDigest() (string, error) {
	header := p.lasting()
	header.Created, header.Expires = time.Time{}, time.Time{}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(&header); err != nil {
		return "", fmt.Errorf("digest of plan: %w", err)
	}
	for _, lines := range []iter.Seq2[[]byte, error]{p.ChangeLines(), p.DriftLines()} {
		for line, err := range lines {
			if err != nil {
				return "", fmt.Errorf("digest of plan: %w", err)
			}
			h.Write(line)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Identify gives a plan that is not saved an id, from its content digest.
func (p *Plan) Identify(content string) { p.setDigest(content) }

// Write writes the plan as a zip and sets its id and digest.
func (p *Plan) Write(w io.Writer) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, 3) })
	sums := &digests{}
	header := p.lasting()
	steps := []func() error{
		func() error {
			return sums.entry(z, entryHeader, func(w io.Writer) error {
				enc := json.NewEncoder(w)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", " ")
				return enc.Encode(&header)
			})
		},
		func() error { return sums.lines(z, entryItems, p.ChangeLines()) },
		func() error { return sums.lines(z, entryDrift, p.DriftLines()) },
		func() error { return sums.config(z, p.Configuration.Files) },
		func() error { return sums.finish(z) },
		z.Close,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	p.setDigest(sums.plan())
	return nil
}

func (h *Header) setDigest(digest string) {
	h.Digest = "sha256:" + digest
	h.PlanID = digest[:8]
}

// digests collects the SHA-256 of each entry.
type digests struct{ text bytes.Buffer }

// entryHead gives each entry the first time that a zip can hold: the same plan is the
// same bytes, and a day and month of zero would be no date.
func entryHead(name string) *zip.FileHeader {
	return &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (d *digests) entry(z *zip.Writer, name string, write func(io.Writer) error) error {
	w, err := z.CreateHeader(entryHead(name))
	if err != nil {
		return err
	}
	h := sha256.New()
	if err := write(io.MultiWriter(w, h)); err != nil {
		return err
	}
	fmt.Fprintf(&d.text, "%x  %s\n", h.Sum(nil), name)
	return nil
}

func (d *digests) lines(z *zip.Writer, name string, lines iter.Seq2[[]byte, error]) error {
	return d.entry(z, name, func(w io.Writer) error {
		for line, err := range lines {
			if err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *digests) config(z *zip.Writer, files []FileRef) error {
	for _, f := range files {
		err := d.entry(z, entryConfig+f.Name, func(w io.Writer) error {
			_, err := w.Write(f.Content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// plan is the digest over the digests of all entries.
func (d *digests) plan() string {
	sum := sha256.Sum256(d.text.Bytes())
	return hex.EncodeToString(sum[:])
}

func (d *digests) finish(z *zip.Writer) error {
	w, err := z.CreateHeader(entryHead(entryDigests))
	if err != nil {
		return err
	}
	_, err = w.Write(d.text.Bytes())
	return err
}

// File is a saved plan, open for reading. All its digests were checked.
type File struct {
	*Header
	zip *zip.ReadCloser
}

// Open opens a saved plan and checks it from the first byte to the last.
func Open(name string) (*File, error) {
	z, err := zip.OpenReader(name)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("open plan %q: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, ErrNotPlan)
	}
	f := &File{zip: z}
	if err := f.check(); err != nil {
		z.Close()
		return nil, fmt.Errorf("open plan %q: %w", name, err)
	}
	return f, nil
}

// Close frees the file.
func (f *File) Close() error { return f.zip.Close() }

// check reads every entry, compares it with its digest, and decodes the header.
func (f *File) check() error {
	if len(f.zip.File) > maxEntries || f.find(entryHeader) == nil || f.find(entryDigests) == nil {
		return ErrNotPlan
	}
	var sums digests
	seen := make(map[string]bool)
	for _, entry := range f.zip.File {
		if seen[entry.Name] {
			return fmt.Errorf("%w: entry %q twice", ErrAltered, entry.Name)
		}
		seen[entry.Name] = true
		if entry.Name == entryDigests {
			continue
		}
		if !knownEntry(entry.Name) {
			return fmt.Errorf("%w: unexpected entry %q", ErrAltered, entry.Name)
		}
		if err := sums.read(entry); err != nil {
			return err
		}
	}
	written, err := f.read(entryDigests, maxDigestBytes)
	if err != nil {
		return err
	}
	if !bytes.Equal(written, sums.text.Bytes()) {
		return ErrAltered
	}
	return f.decodeHeader(sums.plan())
}

func knownEntry(name string) bool {
	if rest, ok := strings.CutPrefix(name, entryConfig); ok {
		return rest != "" && filepath.IsLocal(filepath.FromSlash(rest))
	}
	return slices.Contains([]string{entryHeader, entryItems, entryDrift}, name)
}

func (d *digests) read(entry *zip.File) error {
	r, err := entry.Open()
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAltered, entry.Name)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("%w: %s", ErrAltered, entry.Name)
	}
	fmt.Fprintf(&d.text, "%x  %s\n", h.Sum(nil), entry.Name)
	return nil
}

func (f *File) decodeHeader(digest string) error {
	data, err := f.read(entryHeader, maxHeaderBytes)
	if err != nil {
		return err
	}
	var h Header
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("%w: %s", ErrNotPlan, entryHeader)
	}
	major, _, _ := strings.Cut(h.FormatVersion, ".")
	if ours, _, _ := strings.Cut(FormatVersion, "."); major != ours {
		return fmt.Errorf("%w: %q, this program reads %s", ErrPlanFormat, h.FormatVersion, FormatVersion)
	}
	if slices.Contains(h.Mirrors, nil) {
		return fmt.Errorf("%w: %s", ErrNotPlan, entryHeader)
	}
	f.Header = &h
	f.setDigest(digest)
	return f.readConfig()
}

func (f *File) readConfig() error {
	for i := range f.Configuration.Files {
		ref := &f.Configuration.Files[i]
		data, err := f.read(entryConfig+ref.Name, maxHeaderBytes)
		if err != nil {
			return err
		}
		ref.Content = data
	}
	return nil
}

func (f *File) find(name string) *zip.File {
	i := slices.IndexFunc(f.zip.File, func(e *zip.File) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return f.zip.File[i]
}

func (f *File) read(name string, limit int64) ([]byte, error) {
	entry := f.find(name)
	if entry == nil {
		return nil, fmt.Errorf("%w: %s is missing", ErrAltered, name)
	}
	r, err := entry.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrAltered, name)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil || int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s", ErrAltered, name)
	}
	return data, nil
}

// Changes yields the changes in the order of the file.
func (f *File) Changes() iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for c, err := range decodeLines[Change](f.lines(entryItems)) {
			if err == nil {
				err = c.check()
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Drifts yields the differences found on disk.
func (f *File) Drifts() iter.Seq2[Drift, error] { return decodeLines[Drift](f.lines(entryDrift)) }

// ChangeLines yields the changes as JSON lines, undecoded.
func (f *File) ChangeLines() iter.Seq2[[]byte, error] { return f.lines(entryItems) }

// DriftLines yields the drift as JSON lines, undecoded.
func (f *File) DriftLines() iter.Seq2[[]byte, error] { return f.lines(entryDrift) }

func (f *File) lines(name string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		entry := f.find(name)
		if entry == nil {
			return
		}
		r, err := entry.Open()
		if err != nil {
			yield(nil, fmt.Errorf("%w: %s", ErrAltered, name))
			return
		}
		defer r.Close()
		scan := bufio.NewScanner(r)
		scan.Buffer(make([]byte, 64<<10), maxLineBytes)
		for scan.Scan() {
			if !yield(append(scan.Bytes(), '\n'), nil) {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(nil, fmt.Errorf("%w: %s", ErrAltered, name))
		}
	}
}

// check refuses what planning never writes, however it came into a file whose digests
// fit: a change without a known action, or with a path that leads out of the target.
func (c *Change) check() error {
	if len(c.Actions) == 0 || len(c.Actions) > 2 {
		return fmt.Errorf("%w: a change with %d actions", ErrAltered, len(c.Actions))
	}
	for _, a := range c.Actions {
		if !slices.Contains(Actions[:], a) {
			return fmt.Errorf("%w: action %q", ErrAltered, a)
		}
	}
	if err := c.checkBeside(); err != nil {
		return err
	}
	if c.Action() == Blocked || c.OfMirror() { // not carried out, or no path below the target
		return nil
	}
	for _, path := range []RelPath{c.Path, c.PreviousPath} {
		if path != "" && !path.local() {
			return fmt.Errorf("%w: path %q", ErrAltered, path)
		}
	}
	name := c.Name
	if c.Parent == ParkedParent { // a killed run left it where it had stepped aside: its name is its whole path
		name = strings.TrimPrefix(name, parkedPrefix)
	}
	if strings.ContainsAny(name, "/\x00") || name == "." || name == ".." {
		return fmt.Errorf("%w: name %q", ErrAltered, c.Name)
	}
	return nil
}

// parkedDir holds items that stepped aside; parkedPrefix begins their paths.
const (
	parkedDir    = reservedDir + "/park"
	parkedPrefix = parkedDir + "/"
)

// local reports whether every segment of a path is a plain name.
func (p RelPath) local() bool {
	for name := range strings.SplitSeq(string(p), "/") {
		if name == "" || name == "." || name == ".." || strings.ContainsRune(name, 0) {
			return false
		}
	}
	return true
}
