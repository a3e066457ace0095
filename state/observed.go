package state

import (
	"context"
	"database/sql/driver"
	"iter"
)

const (
	packedItem = `i.id, i.parent, i.name, i.class, i.size, i.modified, i.created, i.etag, i.ctag, i.hash, i.mime, i.modified_by, i.note`
)

// readItem takes a packed item apart.
func readItem(column any) (Item, error) {
	u := unpack(column)
	it := Item{
		ID: ItemID(u.text()), Parent: ItemID(u.text()), Name: u.text(), Class: Class(u.int()), Size: u.int(), Modified: u.time(),
		Created: u.time(), ETag: u.text(), CTag: u.text(), Hash: u.text(), MimeType: u.text(), ModifiedBy: u.text(), Note: u.text(),
	}
	return it, u.end()
}

func scanItem(row []driver.Value) (Item, error) { return readItem(row[0]) }

var itemQuery = `SELECT ` + joined(packedItem) + ` FROM items i`

// Item finds one observed item.
func (s *Store) Item(ctx context.Context, drive DriveKey, id ItemID) (Item, bool, error) {
	return one(ctx, s, scanItem, itemQuery+` WHERE i.drive = ? AND i.id = ?`, drive, id)
}

// Folders yields the folders, packages and the root of a drive in id order, with ID, Parent, Name and Class alone; index items_folders.
func (s *Store) Folders(ctx context.Context, drive DriveKey) iter.Seq2[Item, error] {
	return stream(ctx, s, scanName, `SELECT `+joined(`id, parent, name, class`)+` FROM items INDEXED BY items_folders
		WHERE drive = ? AND class IN (2, 3, 4) ORDER BY id`, drive)
}

// Names yields every item of a drive in no particular order, with ID, Parent, Name and Class alone.
func (s *Store) Names(ctx context.Context, drive DriveKey) iter.Seq2[Item, error] {
	return stream(ctx, s, scanName, `SELECT `+joined(`id, parent, name, class`)+` FROM items WHERE drive = ?`, drive)
}

// Shortcuts yields the shortcuts of a drive in id order; index items_shortcuts.
func (s *Store) Shortcuts(ctx context.Context, drive DriveKey) iter.Seq2[Item, error] {
	return stream(ctx, s, scanItem, `SELECT `+joined(packedItem)+` FROM items i INDEXED BY items_shortcuts
		WHERE i.drive = ? AND i.class = 6 ORDER BY i.id`, drive)
}

func scanName(row []driver.Value) (Item, error) {
	u := unpack(row[0])
	it := Item{ID: ItemID(u.text()), Parent: ItemID(u.text()), Name: u.text(), Class: Class(u.int()), Size: -1}
	return it, u.end()
}

// Children yields the items whose parent is the given item, in id order; children and items by key.
func (s *Store) Children(ctx context.Context, drive DriveKey, parent ItemID) iter.Seq2[Item, error] {
	return stream(ctx, s, scanItem, `SELECT `+joined(packedItem)+` FROM children c CROSS JOIN items i ON i.drive = c.drive AND i.id = c.id
		WHERE c.drive = ? AND c.parent = ? ORDER BY c.id`, drive, parent)
}
