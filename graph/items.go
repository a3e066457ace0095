package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Version is an earlier or the present version of a file (V3).
type Version struct {
	ID         string
	Size       int64 // SizeUnknown if not told
	Modified   time.Time
	ModifiedBy string
}

// Permission is one effective permission on an item. Links are reduced to what they allow: their addresses open doors.
type Permission struct {
	ID        string
	Roles     []string
	Grantees  []Grantee
	LinkType  string // "" if it is no sharing link
	LinkScope string // anonymous, organization, users
	Inherited bool   // as far as the service tells, which on business drives it does not (V6)
	Expires   time.Time
}

// Grantee is someone who has a permission.
type Grantee struct{ Kind, ID, Name, Email string }

// Item reads an item, with a download address if it is a file.
func (c *Client) Item(ctx context.Context, drive DriveID, item ItemID) (Item, error) {
	return c.item(ctx, "get item", drive, "/drives/"+escape(string(drive))+"/items/"+escape(string(item)))
}

// ItemByPath reads the item at a path below the root of a drive, "" and "/" being the root. Segments are separated by
// slashes; they are the real names, not escaped.
func (c *Client) ItemByPath(ctx context.Context, drive DriveID, path string) (Item, error) {
	const op = "get item by path"
	address := "/drives/" + escape(string(drive)) + "/root"
	if path = strings.Trim(path, "/"); path != "" {
		segments := strings.Split(path, "/")
		for i, segment := range segments {
			if segment == "" || segment == "." || segment == ".." {
				return Item{}, opError(op, errors.New("the path has an empty or a dot segment"))
			}
			segments[i] = escape(segment)
		}
		address += ":/" + strings.Join(segments, "/")
	}
	return c.item(ctx, op, drive, address)
}

// SharedItem reads the item that a sharing link leads to.
func (c *Client) SharedItem(ctx context.Context, shareURL string) (Item, error) {
	const op = "get shared item"
	if !strings.HasPrefix(strings.ToLower(shareURL), "https://") {
		return Item{}, opError(op, fmt.Errorf("%w: a sharing link begins with https://", ErrAddress))
	}
	token := "u!" + base64.RawURLEncoding.EncodeToString([]byte(shareURL))
	return c.item(ctx, op, "", "/shares/"+token+"/driveItem")
}

// item reads a single item of a drive, if that is known. One that breaks the protocol is an error here.
func (c *Client) item(ctx context.Context, op string, drive DriveID, path string) (Item, error) {
	return one(ctx, c, op, path, UnitsItem, func(s *scanner, into *Item) {
		if bad := s.item(into); bad != nil {
			s.note(bad.Reason)
		}
		into.belongsTo(drive)
	})
}

// Children lists a folder. Prefer delta for anything large: this call has been seen to skip and to fail (Q28, Q29). A
// child whose description breaks the protocol ends the list with an error.
func (c *Client) Children(ctx context.Context, drive DriveID, folder ItemID) iter.Seq2[Item, error] {
	path := "/drives/" + escape(string(drive)) + "/items/" + escape(string(folder)) + "/children?$top=500"
	return func(yield func(Item, error) bool) {
		read := func(s *scanner, into *child) bool {
			into.bad = s.item(&into.item)
			into.item.belongsTo(drive)
			return true
		}
		for each, err := range all(ctx, c, "list children", path, UnitsList, read) {
			if err == nil && each.bad != nil {
				err = &protocolError{op: "list children", reason: "item " + clean(string(each.bad.ID), 60) + ": " + each.bad.Reason}
			}
			if !yield(each.item, err) || err != nil {
				return
			}
		}
	}
}

// child is an item of a list, or what is wrong with it.
type child struct {
	item Item
	bad  *BadItem
}

// Versions lists the versions of a file, newest first as the service has them.
func (c *Client) Versions(ctx context.Context, drive DriveID, item ItemID) ([]Version, error) {
	path := "/drives/" + escape(string(drive)) + "/items/" + escape(string(item)) + "/versions"
	return gather(all(ctx, c, "list versions", path, UnitsList, func(s *scanner, into *Version) bool { s.version(into); return into.ID != "" }))
}

// version reads one version.
func (s *scanner) version(into *Version) {
	into.Size = SizeUnknown
	s.object(func(key []byte) {
		switch string(key) {
		case "id":
			into.ID = s.text()
		case "size":
			size, err := s.itemSize()
			if err != nil {
				s.note("the size of a version is " + err.Error())
			}
			into.Size = size
		case "lastModifiedDateTime":
			into.Modified = s.time()
		case "lastModifiedBy":
			into.ModifiedBy = s.identity()
		default:
			s.skip()
		}
	})
}

// Permissions lists the effective permissions of an item.
func (c *Client) Permissions(ctx context.Context, drive DriveID, item ItemID) ([]Permission, error) {
	path := "/drives/" + escape(string(drive)) + "/items/" + escape(string(item)) + "/permissions"
	return gather(all(ctx, c, "list permissions", path, UnitsPermissions, func(s *scanner, into *Permission) bool { s.permission(into); return true }))
}

// permission reads one permission. The members whose names end in V2 replace those without; where both are there they
// say the same, so the older ones count only alone.
func (s *scanner) permission(into *Permission) {
	var older []Grantee
	s.object(func(key []byte) {
		switch string(key) {
		case "id":
			into.ID = s.text()
		case "roles":
			if !s.null() {
				s.array(func() { into.Roles = append(into.Roles, s.text()) })
			}
		case "grantedToV2":
			into.Grantees = s.grantees(into.Grantees)
		case "grantedToIdentitiesV2":
			s.each(func() { into.Grantees = s.grantees(into.Grantees) })
		case "grantedTo":
			older = s.grantees(older)
		case "grantedToIdentities":
			s.each(func() { older = s.grantees(older) })
		case "link":
			s.optional(func(key []byte) {
				switch string(key) {
				case "type":
					into.LinkType = s.text()
				case "scope":
					into.LinkScope = s.text()
				default:
					s.skip()
				}
			})
		case "inheritedFrom":
			if !s.null() {
				into.Inherited = true
				s.skip()
			}
		case "expirationDateTime":
			into.Expires = s.time()
		default:
			s.skip()
		}
	})
	if len(into.Grantees) == 0 {
		into.Grantees = older
	}
}

// each reads an array that may be null.
func (s *scanner) each(element func()) {
	if !s.null() {
		s.array(element)
	}
}

// grantees reads an identity set: one member for each kind of identity.
func (s *scanner) grantees(list []Grantee) []Grantee {
	s.optional(func(key []byte) {
		if len(key) > 0 && key[0] == '@' {
			s.skip()
			return
		}
		g := Grantee{Kind: string(key)}
		if s.null() {
			return
		}
		s.object(func(key []byte) {
			switch string(key) {
			case "id":
				g.ID = s.text()
			case "displayName":
				g.Name = s.text()
			case "email":
				g.Email = s.text()
			default:
				s.skip()
			}
		})
		list = append(list, g)
	})
	return list
}
