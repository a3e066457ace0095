package state

import (
	"context"
	"database/sql/driver"
	"fmt"
)

const driveColumns = `d.key, d.tenant, d.id, d.name, d.type, d.web_url, d.site, d.root, d.delta_link, d.headers, d.generation, d.log_floor,
	d.full_at, d.crawled_at, d.items, coalesce((SELECT at FROM unread u WHERE u.drive = d.key AND u.id = ''), 0)`

const roundColumns = `r.whole, r.keep, r.next, r.headers, r.pages, r.items, r.started, r.reason`

// driveQuery reads drives with their unfinished rounds, by primary key.
var driveQuery = `SELECT ` + joined(driveColumns) + `, CASE WHEN r.drive IS NOT NULL THEN ` + joined(roundColumns) + ` END
	FROM drives d LEFT JOIN rounds r ON r.drive = d.key`

func scanDrive(row []driver.Value) (Drive, error) {
	u := unpack(row[0])
	d := Drive{
		Key: DriveKey(u.int()), Tenant: u.text(), ID: DriveID(u.text()), Name: u.text(), Type: u.text(), WebURL: u.text(), Site: u.text(),
		Root: ItemID(u.text()), DeltaLink: u.text(), Headers: u.text(), Generation: Generation(u.int()), LogFloor: Generation(u.int()),
		FullAt: u.time(), CrawledAt: u.time(), Items: u.int(),
		UnnamedAt: u.time(),
	}
	if err := u.end(); err != nil || row[1] == nil {
		return d, err
	}
	u = unpack(row[1])
	d.Round = &Round{Full: u.bool(), Keep: u.bool(), Next: u.text(), Headers: u.text(), Pages: u.int(), Items: u.int(), Started: u.time(),
		Reason: u.text()}
	return d, u.end()
}

// Drives returns all drives with their unfinished rounds.
func (s *Store) Drives(ctx context.Context) ([]Drive, error) {
	return collect(ctx, s, scanDrive, driveQuery+` ORDER BY d.key`)
}

// DriveByID finds a drive of a tenant.
func (s *Store) DriveByID(ctx context.Context, tenant string, id DriveID) (Drive, bool, error) {
	return one(ctx, s, scanDrive, driveQuery+` WHERE d.tenant = ? AND d.id = ?`, tenant, id)
}

// DriveByKey finds the drive of a mirror.
func (s *Store) DriveByKey(ctx context.Context, key DriveKey) (Drive, bool, error) {
	return one(ctx, s, scanDrive, driveQuery+` WHERE d.key = ?`, key)
}

// PutDrive inserts a drive or updates its name, type, address and site; an empty Root leaves the known root alone. Progress (links,
// generations, counters) belongs to the rounds and is never touched here.
func (tx *Tx) PutDrive(d Drive) (DriveKey, error) {
	if d.ID == "" {
		return 0, fmt.Errorf("put drive: the id is empty")
	}
	_, err := tx.exec(`
		INSERT INTO drives (tenant, id, name, type, web_url, site, root) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, type = excluded.type, web_url = excluded.web_url, site = excluded.site,
			root = CASE WHEN excluded.root = '' THEN root ELSE excluded.root END`,
		d.Tenant, d.ID, d.Name, d.Type, d.WebURL, d.Site, d.Root)
	if err != nil {
		return 0, fmt.Errorf("put drive: %w", err)
	}
	key, err := tx.c.int(tx.ctx, `SELECT key FROM drives WHERE tenant = ? AND id = ?`, d.Tenant, d.ID)
	return DriveKey(key), err
}

// drive reads one drive inside the transaction.
func (tx *Tx) drive(key DriveKey) (Drive, error) {
	row, err := tx.c.first(tx.ctx, driveQuery+` WHERE d.key = ?`, key)
	if err != nil {
		return Drive{}, err
	}
	if row == nil {
		return Drive{}, fmt.Errorf("drive %d: %w", key, ErrUnknownKey)
	}
	return scanDrive(row)
}
