package state

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"
	"time"
)

// Version is an earlier version of a file that is kept beside a mirror.
type Version struct {
	Item     ItemID
	ID       string // the service's name of the version
	Path     string // of the file when the version was fetched
	File     string // below the directory of versions
	Size     int64
	SHA256   string
	Modified time.Time
	By       string
	Verdict  Verdict
	Run      RunID
}

// KeptVersion is a version with the place that its file has in the mirror now; Name is empty if it has none.
type KeptVersion struct {
	Version
	Parent ItemID
	Name   string
}

// contentTag stands for the content of an entry e, and for a choice of versions, ?3.
const contentTag = `e.remote_hash || ' ' || e.remote_size || ' ' || CASE e.remote_hash WHEN '' THEN e.ctag ELSE '' END || ' ' || ?3`

var versionColumns = joined(`v.item, v.version, v.path, v.file, v.size, v.sha256, v.modified, v.author, v.verdict, v.run`)

func scanVersion(column driver.Value) (Version, error) {
	u := unpack(column)
	v := Version{
		Item: ItemID(u.text()), ID: u.text(), Path: u.text(), File: u.text(), Size: u.int(), SHA256: u.text(), Modified: u.time(),
		By: u.text(), Verdict: Verdict(u.text()), Run: RunID(u.int()),
	}
	return v, u.end()
}

// VersionsOf returns the versions that are kept of one file.
func (s *Store) VersionsOf(ctx context.Context, mirror MirrorKey, item ItemID) ([]Version, error) {
	return collect(ctx, s, func(row []driver.Value) (Version, error) { return scanVersion(row[0]) },
		`SELECT `+versionColumns+` FROM versions v WHERE v.mirror = ? AND v.item = ?`, mirror, item)
}

// Versions yields all versions that are kept beside a mirror.
func (s *Store) Versions(ctx context.Context, mirror MirrorKey) iter.Seq2[KeptVersion, error] {
	return stream(ctx, s, func(row []driver.Value) (k KeptVersion, err error) {
		k.Version, err = scanVersion(row[0])
		parent, _ := row[1].(string)
		k.Name, _ = row[2].(string)
		k.Parent = ItemID(parent)
		return k, err
	}, `SELECT `+versionColumns+`, coalesce(e.parent, ''), coalesce(e.name, '')
		FROM versions v LEFT JOIN entries e INDEXED BY entries_facts ON e.mirror = ?1 AND e.item = v.item AND e.folder = 0 WHERE v.mirror = ?1`, mirror)
}

// PutVersions stores versions that were fetched.
func (tx *Tx) PutVersions(mirror MirrorKey, list []Version) error {
	tx.applied = true
	for _, v := range list {
		_, err := tx.exec(`INSERT OR REPLACE INTO versions (mirror, item, version, path, file, size, sha256, modified, author, verdict, run)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			mirror, v.Item, bounded(v.ID), bounded(v.Path), bounded(v.File), v.Size, v.SHA256, toUnix(v.Modified), bounded(v.By), string(v.Verdict), v.Run)
		if err != nil {
			return fmt.Errorf("put version of %s: %w", v.Item, err)
		}
	}
	return nil
}

// CompleteVersions records that all versions of a choice are there for the present content of files.
func (tx *Tx) CompleteVersions(m Mirror, items []ItemID, choice string) error {
	tx.applied = true
	list, err := idList(items)
	if err == nil {
		_, err = tx.exec(`INSERT OR REPLACE INTO version_sets (mirror, item, tag)
			SELECT ?1, e.item, `+contentTag+` FROM entries e INDEXED BY entries_facts
			WHERE e.mirror = ?1 AND e.item IN (SELECT value FROM json_each(?2))`, m.Key, list, choice)
	}
	if err != nil {
		return fmt.Errorf("complete versions: %w", err)
	}
	return nil
}
