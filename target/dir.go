package target

import (
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path/filepath"
	"sync"
)

// SyncPolicy says when effects are made durable.
type SyncPolicy uint8

const (
	// SyncFile flushes file and directories in every operation. The default.
	SyncFile SyncPolicy = iota
	// SyncBatch leaves flushing to PublishBatch and SyncAll: one flush of the file system for many files.
	SyncBatch
	// SyncNone never flushes. A power loss may then leave final names with wrong bytes.
	SyncNone
)

// Option changes how a target is made or opened.
type Option func(*options)

type options struct {
	fileMode, dirMode fs.FileMode
	sync              SyncPolicy
	faults            Faults
	override          func(Capabilities) Capabilities
	trash             RelPath
	quickXor          func() hash.Hash
	allowNonEmpty     bool
	readOnly          bool
}

func newOptions(opts []Option) options {
	o := options{fileMode: 0o600, dirMode: 0o700, trash: DefaultTrash}
	for _, set := range opts {
		set(&o)
	}
	return o
}

// WithModes sets the permissions of published files and of directories made for them, in place of 0600 and
// 0700. Execute bits of files and set-id bits are never set (I-21). Control directories stay private.
func WithModes(file, dir fs.FileMode) Option {
	return func(o *options) { o.fileMode, o.dirMode = file&0o666, dir&0o777 }
}

// WithSync sets the policy for flushing.
func WithSync(p SyncPolicy) Option { return func(o *options) { o.sync = p } }

// WithTrash puts the trash at another path below the root. It must lie on the target's device.
func WithTrash(path RelPath) Option { return func(o *options) { o.trash = path } }

// WithQuickXor lets Hash compute the service's hash too; this package does not know the algorithm.
func WithQuickXor(make func() hash.Hash) Option { return func(o *options) { o.quickXor = make } }

// WithReadOnly opens a target for looking only: nothing is created, nothing probed by writing.
func WithReadOnly() Option { return func(o *options) { o.readOnly = true } }

// WithFaults puts a hook in front of every effect.
func WithFaults(f Faults) Option { return func(o *options) { o.faults = f } }

// WithCapabilities corrects what was probed, to force the fallbacks.
func WithCapabilities(change func(Capabilities) Capabilities) Option {
	return func(o *options) { o.override = change }
}

// AllowNonEmpty lets Init adopt a directory that already has files.
func AllowNonEmpty() Option { return func(o *options) { o.allowNonEmpty = true } }

// Dir is an open target. Its methods may be called from several goroutines.
type Dir struct {
	options
	path    string // absolute
	marker  Marker
	caps    Capabilities
	root    *handle
	control *handle
	staging *handle
	parking *handle
	parents *parents
	ledger  ledger

	closeOnce sync.Once
}

// Open opens a target whose marker matches want: an empty field of want matches everything. It fails with
// ErrNoMarker, ErrForeignMarker, ErrNotDirectory, or ErrCrossDevice when staging or trash are not on the
// target's own device (F10). Nothing is written unless the marker matches.
func Open(dir string, want Marker, opts ...Option) (*Dir, error) {
	d := &Dir{options: newOptions(opts)}
	if err := d.open(dir, want); err != nil {
		d.Close()
		return nil, fmt.Errorf("open target %s: %w", dir, err)
	}
	return d, nil
}

func (d *Dir) open(dir string, want Marker) (err error) {
	if d.path, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := d.checkTrashPath(); err != nil {
		return err
	}
	if d.root, err = openRoot(d.path); err != nil {
		return rootError(err)
	}
	d.parents = newParents(d.root)
	if d.control, err = d.root.openDir(controlDir); err != nil {
		return noMarker(d.root, err)
	}
	if d.marker, err = readMarker(d.control); err != nil {
		return noMarker(d.root, err)
	}
	if !want.matches(d.marker) {
		return &ForeignMarkerError{Want: want, Have: d.marker}
	}
	if d.readOnly {
		d.caps = d.corrected(probeReadOnly(d.control))
		return nil
	}
	return d.prepare()
}

// prepare makes what an initialised target may lack and finds out what the file system can do.
func (d *Dir) prepare() (err error) {
	if d.staging, err = d.controlSubdir(stagingName); err != nil {
		return err
	}
	if d.parking, err = d.controlSubdir(parkName); err != nil {
		return err
	}
	if err := d.checkTrashDevice(); err != nil {
		return err
	}
	caps, err := probe(d.control)
	if err != nil {
		return err
	}
	d.caps = d.corrected(caps)
	return nil
}

func (d *Dir) corrected(c Capabilities) Capabilities {
	if d.override != nil {
		return d.override(c)
	}
	return c
}

// controlSubdir opens a private directory beside the marker and makes it first if need be.
func (d *Dir) controlSubdir(name string) (*handle, error) {
	h, err := d.control.openDir(RelPath(name))
	if isMissing(err) {
		if err = d.control.mkdir(name, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			h, err = d.control.openDir(RelPath(name))
		}
	}
	return h, fail("open", RelPath(controlDir).Join(LocalName(name)), err)
}

func (d *Dir) checkTrashPath() error {
	if d.trash == "" || d.trash == controlDir || d.trash.Within(stagingDir) || d.trash.Within(parkDir) {
		return fmt.Errorf("trash path %q: %w", d.trash, ErrReserved)
	}
	if err := d.trash.Check(); err != nil {
		return fmt.Errorf("trash path %q: %w: %w", d.trash, ErrBadPath, err)
	}
	return nil
}

// checkTrashDevice makes the trash directory so that a wrong device is found now and not at the first delete.
func (d *Dir) checkTrashDevice() error {
	h, err := d.makeDirs(d.trash, 0o700)
	if err != nil {
		return err
	}
	h.release()
	return nil
}

// Close gives up all descriptors. Staged files stay for the next run.
func (d *Dir) Close() {
	d.closeOnce.Do(func() {
		if d.parents != nil {
			d.parents.clear()
		}
		for _, h := range []*handle{d.parking, d.staging, d.control, d.root} {
			if h != nil {
				h.close()
			}
		}
	})
}

// Path returns the absolute path of the root.
func (d *Dir) Path() string { return d.path }

// Marker returns the identity that was read when the target was opened.
func (d *Dir) Marker() Marker { return d.marker }

// Capabilities returns what the file system was found to be able to do.
func (d *Dir) Capabilities() Capabilities { return d.caps }

// Free returns the bytes and inodes that an ordinary user can still use; -1 inodes means no fixed limit (I-22).
func (d *Dir) Free() (bytes, inodes int64, err error) {
	bytes, inodes, err = d.root.free()
	return bytes, inodes, fail("free space", "", err)
}

// Reidentify makes sure that the path still leads to the directory that was opened, with the same control
// directories and the same marker, and forgets every held descriptor below it (I-19). A file system mounted
// over the path would otherwise go unnoticed: the held descriptors keep writing below the mount.
func (d *Dir) Reidentify() error {
	d.parents.clear()
	now, err := identifyPath(d.path)
	if err != nil {
		return fmt.Errorf("target %s: %w: %w", d.path, ErrReplaced, err)
	}
	if now != d.root.id {
		return fmt.Errorf("target %s: %w", d.path, ErrReplaced)
	}
	held := map[RelPath]*handle{controlDir: d.control, stagingDir: d.staging, parkDir: d.parking}
	for rel, h := range held {
		if h == nil {
			continue
		}
		if now, err := d.root.identify(rel); err != nil || now != h.id {
			return fmt.Errorf("target %s: %q: %w", d.path, rel, errors.Join(ErrReplaced, err))
		}
	}
	if d.control == nil { // opened unmarked
		return fmt.Errorf("target %s: %w", d.path, ErrNoMarker)
	}
	have, err := readMarker(d.control)
	if err != nil {
		return fmt.Errorf("target %s: %w", d.path, err)
	}
	if !d.marker.matches(have) {
		return fmt.Errorf("target %s: %w", d.path, &ForeignMarkerError{Want: d.marker, Have: have})
	}
	return nil
}
