package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
// a size.
func (r *besideRun) fetchVersion(ctx context.Context, c *plan.Change, v graph.Version) (state.Version, error) {
	kept := state.Version{
		Item: state.ItemID(c.ItemID), ID: v.ID, Path: string(c.Path), Modified: v.Modified, By: v.ModifiedBy,
		Verdict: state.SizeOnly, Run: r.Run,
	}
	dir, name := target.ControlName(string(c.ItemID), ""), target.ControlName(v.ID, path.Ext(c.Name))
	kept.File = dir + "/" + name
	var err error
	for range versionTries {
		err = r.Dir.WriteVersion(dir, name, func(w io.Writer) error {
			kept.Size, kept.SHA256, err = r.copyVersion(ctx, c, v, w)
			return err
		})
		if err == nil || ctx.Err() != nil || hopeless(err) {
			break
		}
	}
	if err != nil {
		return kept, err
	}
	if v.Size >= 0 && kept.Size != v.Size {
		if r.Plan.Policy.Unverifiable == "fail" {
			return kept, integrity("%d bytes came instead of %d", kept.Size, v.Size)
		}
		kept.Verdict = state.Served
	}
	return kept, nil
}

// copyVersion reads a version from a fresh address and counts and hashes it.
func (r *besideRun) copyVersion(ctx context.Context, c *plan.Change, v graph.Version, w io.Writer) (int64, string, error) {
	url, err := r.Beside.VersionURL(ctx, graph.DriveID(r.Plan.Source.DriveID), graph.ItemID(c.ItemID), v.ID)
	if err != nil {
		return 0, "", err
	}
	most := int64(maxFile)
	if v.Size >= 0 {
		most = v.Size + maxExcess
	}
	body, err := r.Source.Open(ctx, graph.ContentRequest{URL: url, MaxBytes: most})
	if err != nil {
		return 0, "", err
	}
	defer body.Body.Close()
	hash := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(io.MultiWriter(w, hash), onlyReader{body.Body}, *buf)
	if err != nil {
		return n, "", fmt.Errorf("read version: %w", err)
	}
	if body.Length >= 0 && n != body.Length {
		return n, "", integrity("%d bytes came instead of %d", n, body.Length)
	}
	return n, hex.EncodeToString(hash.Sum(nil)), nil
}

// onlyReader hides further methods, so that copying uses the buffer that it is given.
type onlyReader struct{ io.Reader }

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
	dir, err := m.tree.dir(v.Parent)
	if err != nil {
		return nil, fmt.Errorf("path of %s: %w", v.Item, err)
	}
	line.Path = "/" + joinPath(dir, v.Name)
	return line, nil
}
