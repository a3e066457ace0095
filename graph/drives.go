package graph

import (
	"context"
	"time"
)

// Drive is a document library or a OneDrive.
type Drive struct {
	ID       DriveID
	Name     string // localised; find the default library by DefaultDrive, not by name (Q45)
	Type     string // personal, business or documentLibrary (S11)
	WebURL   string
	Owner    string
	Used     int64 // bytes, those of older versions and of the recycle bin among them; SizeUnknown if not told (S18)
	System   bool  // hidden by the service unless asked for: caches, preservation copies (S9, S17, Q87)
	Created  time.Time
	Modified time.Time // moves for reasons of its own: never take it for "nothing changed" (Q43)
}

const (
	opUserDrive = "get drive of user"
	// driveSelect names system, so that hidden drives are listed and can be told from the others (S9).
	driveSelect = "?$select=id,name,driveType,webUrl,owner,quota,system,createdDateTime,lastModifiedDateTime"
)

// Drives lists the document libraries of a site, hidden ones included.
func (c *Client) Drives(ctx context.Context, site SiteID) ([]Drive, error) {
	return c.drives(ctx, "list drives", "/sites/"+escape(string(site)))
}

// UserDrives lists the drives of a user, which may be more than the OneDrive (S16).
func (c *Client) UserDrives(ctx context.Context, user string) ([]Drive, error) {
	return c.drives(ctx, "list drives of user", "/users/"+escape(user))
}

// GroupDrives lists the document libraries of a group's site, hidden ones included.
func (c *Client) GroupDrives(ctx context.Context, group string) ([]Drive, error) {
	return c.drives(ctx, "list drives of group", "/groups/"+escape(group))
}

// drives lists the drives of what has some.
func (c *Client) drives(ctx context.Context, op, owner string) ([]Drive, error) {
	return gather(all(ctx, c, op, owner+"/drives"+driveSelect, UnitsList, func(s *scanner, into *Drive) bool { s.drive(into); return true }))
}

// DefaultDrive reads the default library of a site, whatever it is called.
func (c *Client) DefaultDrive(ctx context.Context, site SiteID) (Drive, error) {
	return one(ctx, c, "get default drive", "/sites/"+escape(string(site))+"/drive", UnitsItem, (*scanner).drive)
}

// UserDrive reads the OneDrive of a user, by id or principal name. A user without one gives ErrNoDrive (S15).
func (c *Client) UserDrive(ctx context.Context, user string) (Drive, error) {
	return one(ctx, c, opUserDrive, "/users/"+escape(user)+"/drive", UnitsItem, (*scanner).drive)
}

// GroupDrive reads the default library of a group.
func (c *Client) GroupDrive(ctx context.Context, group string) (Drive, error) {
	return one(ctx, c, "get drive of group", "/groups/"+escape(group)+"/drive", UnitsItem, (*scanner).drive)
}

// Drive reads a drive by id.
func (c *Client) Drive(ctx context.Context, id DriveID) (Drive, error) {
	return one(ctx, c, "get drive", "/drives/"+escape(string(id)), UnitsItem, (*scanner).drive)
}

// drive reads one drive.
func (s *scanner) drive(into *Drive) {
	into.Used = SizeUnknown
	s.object(func(key []byte) {
		switch string(key) {
		case "id":
			into.ID = DriveID(s.text())
		case "name":
			into.Name = s.text()
		case "driveType":
			into.Type = s.text()
		case "webUrl":
			into.WebURL = s.text()
		case "owner":
			into.Owner = s.identity()
		case "quota":
			s.optional(func(key []byte) { s.quota(into, key) })
		case "system":
			if !s.null() {
				into.System = true
				s.skip()
			}
		case "createdDateTime":
			into.Created = s.time()
		case "lastModifiedDateTime":
			into.Modified = s.time()
		default:
			s.skip()
		}
	})
	if into.ID == "" {
		s.note("a drive has no id")
	}
}

// quota reads a member of the quota of a drive. On libraries it may be all zeros, which tells nothing (S18).
func (s *scanner) quota(into *Drive, key []byte) {
	if string(key) != "used" {
		s.skip()
		return
	}
	if n, err := s.itemSize(); err == nil && n > 0 {
		into.Used = n
	}
}
