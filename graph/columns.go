package graph

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// Fields are columns of a list item by internal name, each as the JSON the service wrote.
type Fields map[string]json.RawMessage

// ItemFields are the columns of one child of a folder; nil if the service does not tell them.
type ItemFields struct {
	ID     ItemID
	Fields Fields
}

// Columns reads the columns of the list item behind a file or folder, or only those that are named. Delta does not carry
// them (D6, V4).
func (c *Client) Columns(ctx context.Context, drive DriveID, item ItemID, names ...string) (Fields, error) {
	path := itemPath(drive, item) + "/listItem?$expand=" + fieldsExpansion(names)
	return one(ctx, c, "get columns", path, UnitsItem, func(s *scanner, into *Fields) { *into = s.listItem() })
}

// FolderColumns reads the columns of the children of a folder, so many with a request, for the price of a list (T10, V4). It
// is no proof of what is in the folder: such lists have been seen to skip and to fail (Q28, Q29).
func (c *Client) FolderColumns(ctx context.Context, drive DriveID, folder ItemID, page int, names ...string) iter.Seq2[ItemFields, error] {
	path := itemPath(drive, folder) + "/children?$select=id&$expand=listItem($expand=" + fieldsExpansion(names) + ")&$top=" + strconv.Itoa(page)
	return all(ctx, c, "list columns", path, UnitsList, func(s *scanner, into *ItemFields) bool {
		s.object(func(key []byte) {
			switch string(key) {
			case "id":
				into.ID = ItemID(s.text())
			case "listItem":
				if !s.null() {
					into.Fields = s.listItem()
				}
			default:
				s.skip()
			}
		})
		return into.ID != ""
	})
}

func itemPath(drive DriveID, item ItemID) string {
	return "/drives/" + escape(string(drive)) + "/items/" + escape(string(item))
}

func fieldsExpansion(names []string) string {
	if len(names) == 0 {
		return "fields"
	}
	return "fields($select=" + queryEscape(strings.Join(names, ",")) + ")"
}

// listItem reads the columns of a list item.
func (s *scanner) listItem() Fields {
	fields := Fields{}
	s.object(func(key []byte) {
		if string(key) != "fields" {
			s.skip()
			return
		}
		s.optional(func(key []byte) {
			name := string(key)
			value := s.value()
			if !strings.HasPrefix(name, "@") {
				fields[name] = value
			}
		})
	})
	return fields
}
