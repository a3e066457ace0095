package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/state"
	"github.com/spmirror/spmirror/target"
)

// versionsName is the file beside the marker that lists the earlier versions.
const versionsName = "versions.jsonl"

// versionTries bounds how often one version is fetched from its first byte: old versions
// know no ranges (C16).
const versionTries = 3

// fetchVersions lists the versions of a file that has new content, and fetches those that
// are not there yet.
func (r *besideRun) fetchVersions(ctx context.Context, c *plan.Change) ([]state.Version, error) {
	drive, item := graph.DriveID(r.Plan.Source.DriveID), graph.ItemID(c.ItemID)
	list, err := r.Beside.Versions(ctx, drive, item)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	have, err := r.Store.VersionsOf(context.WithoutCancel(ctx), r.Key, state.ItemID(c.ItemID))
	if err != nil {
		return nil, err
	}
	var got []state.Version
	for _, v := range earlier(list, r.Plan.Policy.Versions) {
		if slices.ContainsFunc(have, func(h state.Version) bool { return h.ID == v.ID }) {
			continue
		}
		kept, err := r.fetchVersion(ctx, c, v)
		if err != nil {
			return got, fmt.Errorf("version %s: %w", v.ID, err)
		}
		got = append(got, kept)
	}
	return got, nil
}

// earlier are the versions to keep, the newest first: all but the present one, which is in
// the list as well (V3), up to as many as are wanted.
func earlier(list []graph.Version, wanted string) []graph.Version {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b graph.Version) int {
		if d := b.Modified.Compare(a.Modified); d != 0 {
			return d
		}
		return cmp.Compare(versionNumber(b.ID), versionNumber(a.ID))
	})
	if len(list) == 0 {
		return nil
	}
	list = list[1:]
	if n, err := strconv.Atoi(wanted); err == nil && n < len(list) { // else "all"
		list = list[:n]
	}
	return list
}

// versionNumber orders versions of one moment: 2.0 before 10.0.
func versionNumber(id string) float64 {
	n, err := strconv.ParseFloat(id, 64)
	if err != nil {
		return 0
	}
	return n
}

// fetchVersion brings one version to its place. There is no hash to compare it with, only
// a size: one of another size is believed when it comes twice the same (DESIGN 7.5).
func (r *besideRun) fetchVersion(ctx context.Context, c *plan.Change, v graph.Version) (state.Version, error) {
	f := &versionFetch{besideRun: r, change: c, version: v, kept: state.Version{
		Item: state.ItemID(c.ItemID), ID: v.ID, Path: string(c.Path), Modified: v.Modified, By: v.ModifiedBy,
		Verdict: state.SizeOnly, Run: r.Run,
	}}
	dir, name := target.ControlName(string(c.ItemID), ""), target.ControlName(v.ID, path.Ext(c.Name))
	f.kept.File = dir + "/" + name
	err := f.space()
	if err != nil {
		return f.kept, err
	}
	if err = r.allow(v.Size); err != nil {
		return f.kept, err
	}
	for range versionTries {
		if err = f.try(ctx, dir, name); err == nil || ctx.Err() != nil || !worthAnother(err) {
			break
		}
	}
	if v.Size < 0 && err == nil {
		r.mu.Lock()
		r.versionBytes += f.kept.Size // now it is known
		r.mu.Unlock()
	}
	return f.kept, err
}

// allow counts the bytes that earlier versions bring, and refuses those that would be more than guard.max_download_bytes leaves to
// them.
func (r *besideRun) allow(bytes int64) error {
	if r.Allowance == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.versionBytes+max(0, bytes) > *r.Allowance {
		return &itemError{code: CodeAllowance, message: "it would bring more bytes than guard.max_download_bytes"}
	}
	r.versionBytes += max(0, bytes)
	return nil
}

// versionFetch is the download of one version.
type versionFetch struct {
	*besideRun
	change  *plan.Change
	version graph.Version
	kept    state.Version
	first   string // SHA-256 of a first complete download of another size
	head    []byte // how the last download began
}

// space refuses a version that would leave less of the disk than is to stay free.
func (f *versionFetch) space() error {
	if f.Reserve == 0 {
		return nil
	}
	free, _, err := f.Dir.Free()
	if err == nil && free >= 0 && free-max(0, f.version.Size) < f.Reserve {
		return &itemError{code: CodeNoSpace, message: "it would leave less of the disk free than guard.min_free_space"}
	}
	return err
}

// worthAnother reports whether a version may come better next time: the transfer broke, or what came is not what was
// announced. Answers of the service and failures of the disk stay what they are.
func worthAnother(err error) bool {
	own := (*itemError)(nil)
	return errors.As(err, &own) && (own.code == CodeNetwork || own.code == CodeIntegrity) || errors.Is(err, graph.ErrURLExpired)
}

// try downloads the version from a fresh address.
func (f *versionFetch) try(ctx context.Context, dir, name string) error {
	url, err := f.Beside.VersionURL(ctx, graph.DriveID(f.Plan.Source.DriveID), graph.ItemID(f.change.ItemID), f.version.ID)
	if err != nil {
		return err
	}
	most := int64(maxFile)
	if f.version.Size >= 0 {
		most = f.version.Size + maxExcess
	}
	c, err := f.Source.Open(ctx, graph.ContentRequest{URL: url, MaxBytes: most})
	if err != nil {
		return err
	}
	defer c.Body.Close()
	return f.Dir.WriteVersion(dir, name, func(w io.Writer) error {
		if err := f.copy(c, w); err != nil {
			return err
		}
		return f.judge(c.ContentType)
	})
}

// copy counts and hashes what comes.
func (f *versionFetch) copy(c *graph.Content, w io.Writer) error {
	hash := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	body := &sourceReader{r: c.Body}
	n, err := io.CopyBuffer(io.MultiWriter(w, hash), body, *buf)
	switch {
	case errors.Is(body.err, graph.ErrTooLarge):
		return &itemError{code: CodeIntegrity, message: "more bytes than announced", err: body.err}
	case body.err != nil:
		return &itemError{code: CodeNetwork, message: "read version", err: body.err}
	case err != nil:
		return err
	case c.Length >= 0 && n != c.Length:
		return integrity("%d bytes came instead of %d", n, c.Length)
	}
	f.kept.Size, f.kept.SHA256, f.head = n, hex.EncodeToString(hash.Sum(nil)), body.head
	return nil
}

// judge decides whether what came is the version. A body without a length may have ended early without an error (I-05),
// and a page or nothing may stand in for it (H-61, Q69): that is only seen by the size.
func (f *versionFetch) judge(kind string) error {
	want, got := f.version.Size, f.kept.Size
	if got == want {
		return nil
	}
	wrong := integrity("%d bytes came instead of %d", got, want)
	page := isPage(kind, func() []byte { return f.head }, f.change.Name)
	switch {
	case want < 0 && !page:
		return nil
	case page, got == 0:
		return integrity("the service sent a page, or nothing, in place of the version")
	case f.Plan.Policy.Unverifiable == "fail":
		return wrong
	case f.first == "":
		f.first = f.kept.SHA256
		return wrong
	case f.first != f.kept.SHA256:
		return integrity("%d bytes came instead of %d, and others than before", got, want)
	}
	f.kept.Verdict = state.Served
	return nil
}

// sourceReader is a body that remembers how it begins, and what ended it: a failure of the source is not one of the disk.
// It hides further methods, so that copying uses the buffer that it is given.
type sourceReader struct {
	r    io.Reader
	head []byte
	err  error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if room := headBytes - len(s.head); room > 0 {
		s.head = append(s.head, p[:min(n, room)]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// countVersions takes committed versions into the counts.
func (r *besideRun) countVersions() {
	var bytes int64
	for _, v := range r.versions {
		bytes += v.Size
	}
	n := int64(len(r.versions))
	r.mirrorRun.mu.Lock()
	r.counts.Versions, r.counts.VersionBytes = r.counts.Versions+n, r.counts.VersionBytes+bytes
	r.mirrorRun.mu.Unlock()
	r.running.mu.Lock()
	r.report.Counts.Versions, r.report.Counts.VersionBytes = r.report.Counts.Versions+n, r.report.Counts.VersionBytes+bytes
	r.running.mu.Unlock()
}

// versionResults are the lines of a run's record for versions that were fetched.
func (r *besideRun) versionResults(c *plan.Change, list []state.Version) []Result {
	var results []Result
	for _, v := range list {
		res := r.result(c, Done)
		res.Action, res.Message = plan.Metadata, "version "+v.ID
		res.Verdict, res.SHA256, res.Bytes = string(v.Verdict), v.SHA256, v.Size
		results = append(results, res)
	}
	return results
}

// versionLine is one line of the list of versions.
type versionLine struct {
	Path     string     `json:"path"`
	ID       string     `json:"id"`
	Version  string     `json:"version"`
	File     string     `json:"file"`
	Size     int64      `json:"size"`
	SHA256   string     `json:"sha256"`
	Modified *time.Time `json:"modified,omitempty"`
	By       string     `json:"by,omitempty"`
	Verdict  string     `json:"verdict"`
	Gone     bool       `json:"gone,omitempty"` // the file is not in the mirror any more; path is where it was
}

// writeVersions writes the list anew from the state, sorted by path and version.
func (m *mirrorRun) writeVersions(ctx context.Context) error {
	lines, err := plan.NewSpool(os.TempDir())
	if err != nil {
		return err
	}
	defer lines.Close()
	n := 0
	for v, err := range m.Store.Versions(ctx, m.Key) {
		if err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		line, err := m.versionLine(&v)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%s\x01%020.4f\x01%s", line.Path, versionNumber(v.ID), v.ID)
		if err := lines.Add([]byte(key), line); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return nil
	}
	return m.writeLines(versionsName, lines.Lines())
}

func (m *mirrorRun) versionLine(v *state.KeptVersion) (*versionLine, error) {
	line := &versionLine{
		Path: "/" + strings.TrimPrefix(v.Path, "/"), ID: string(v.Item), Version: v.ID, File: v.File, Size: v.Size, SHA256: v.SHA256,
		By: v.By, Verdict: string(v.Verdict), Gone: v.Name == "",
	}
	if !v.Modified.IsZero() {
		utc := v.Modified.UTC()
		line.Modified = &utc
	}
	if line.Gone {
		return line, nil
	}
	at, err := m.knownAt(v.Item, v.Parent, v.Name)
	line.Path = "/" + at
	return line, err
}
