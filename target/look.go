package target

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// Stat looks at a path without following links. A missing file is fs.ErrNotExist; any other error means that
// nothing is known, never that the file is missing (F05).
func (d *Dir) Stat(rel RelPath) (Fingerprint, error) {
	if rel == "" {
		return d.root.stat(".")
	}
	p, err := d.at("stat", rel)
	if err != nil {
		return Fingerprint{}, err
	}
	defer p.release()
	fp, err := p.stat()
	return fp, fail("stat", rel, err)
}

// hashBuffer is the largest read for hashing; from 256 KiB on the rate is flat.
const hashBuffer = 256 << 10

// Hash reads a regular file and returns its fingerprint with hashes. A file that changes while it is read is
// ErrChanged.
func (d *Dir) Hash(ctx context.Context, rel RelPath) (Fingerprint, error) {
	p, err := d.at("hash", rel)
	if err != nil {
		return Fingerprint{}, err
	}
	defer p.release()
	fp, err := d.hashPlace(ctx, p)
	return fp, fail("hash", rel, err)
}

func (d *Dir) hashPlace(ctx context.Context, p place) (Fingerprint, error) {
	f, err := p.dir.openFile(p.name, openRead, 0)
	if err != nil {
		return Fingerprint{}, err
	}
	defer f.Close()
	first, err := statFile(f)
	if err != nil {
		return Fingerprint{}, err
	}
	sha := sha256.New()
	var sink io.Writer = sha
	var quick hash.Hash
	if d.quickXor != nil {
		quick = d.quickXor()
		sink = io.MultiWriter(sha, quick)
	}
	n, err := copyContext(ctx, sink, f, first.Size)
	if err != nil {
		return Fingerprint{}, err
	}
	last, err := statFile(f)
	if err != nil {
		return Fingerprint{}, err
	}
	if !first.Same(last) || n != last.Size {
		return Fingerprint{}, &Error{Op: "hash", Path: p.rel, Kind: ErrChanged, Found: &last}
	}
	last.SHA256 = hex.EncodeToString(sha.Sum(nil))
	if quick != nil {
		last.QuickXor = base64.StdEncoding.EncodeToString(quick.Sum(nil))
	}
	return last, nil
}

// copyContext copies until the end. The expected size spares small files a large buffer.
func copyContext(ctx context.Context, to io.Writer, from io.Reader, size int64) (n int64, err error) {
	buf := make([]byte, min(hashBuffer, max(size, 1)))
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		got, err := from.Read(buf)
		if got > 0 {
			n += int64(got)
			if _, err := to.Write(buf[:got]); err != nil {
				return n, err
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// listBuffer is the size of one getdents read: about a thousand names.
const listBuffer = 64 << 10

// ReadDir returns the entries of a directory with their fingerprints, in no order. At the root our own control
// directory is left out.
func (d *Dir) ReadDir(rel RelPath) ([]Found, error) {
	return d.ReadDirStat(rel, nil)
}

// ReadDirStat is ReadDir into a slice that can be used again. On error the entries are incomplete and must not
// be taken for the whole directory.
func (d *Dir) ReadDirStat(rel RelPath, into []Found) ([]Found, error) {
	return d.readDir(rel, into, make([]byte, listBuffer))
}

func (d *Dir) readDir(rel RelPath, into []Found, buf []byte) ([]Found, error) {
	if err := rel.Check(); err != nil {
		return into, &Error{Op: "list", Path: rel, Kind: ErrBadPath, Err: err}
	}
	h, err := d.root.openDir(rel)
	if err != nil {
		return into, fail("list", rel, err)
	}
	defer h.close()
	out, err := h.list(buf, into, d.skip(rel))
	return out, fail("list", rel, err)
}

// skip returns which names in a directory are ours and not part of the mirror.
func (d *Dir) skip(rel RelPath) func(name []byte) bool {
	atTrash := d.trash.Dir() == rel
	if rel != "" && !atTrash {
		return nil
	}
	return func(name []byte) bool {
		return rel == "" && reservedAtRoot(name) || atTrash && string(name) == string(d.trash.Base())
	}
}
