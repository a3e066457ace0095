package graph

import (
	"context"
	"iter"
	"strings"
)

// User is a user of the tenant.
type User struct{ ID, PrincipalName, DisplayName, Mail string }

// Group is a Microsoft 365 group, the kind that has a site.
type Group struct{ ID, DisplayName, Mail string }

const userSelect = "$select=id,userPrincipalName,displayName,mail&$top=999"

// Users lists the users of the tenant, or those that an OData filter names.
func (c *Client) Users(ctx context.Context, filter string) iter.Seq2[User, error] {
	path := "/users?" + userSelect
	if filter != "" {
		path += "&$filter=" + queryEscape(filter)
	}
	return all(ctx, c, "list users", path, UnitsList, func(s *scanner, into *User) bool { s.user(into); return into.ID != "" })
}

// GroupUsers lists the users that are members of a group, also by way of groups in it. Other members, such as devices,
// are left out.
func (c *Client) GroupUsers(ctx context.Context, group string) iter.Seq2[User, error] {
	path := "/groups/" + escape(group) + "/transitiveMembers?" + userSelect
	return all(ctx, c, "list members", path, UnitsList, func(s *scanner, into *User) bool {
		kind := s.user(into)
		return into.ID != "" && (kind == "" || strings.EqualFold(kind, "#microsoft.graph.user"))
	})
}

// GroupQuery narrows a list of groups.
type GroupQuery struct {
	Filter string // OData
	Teams  bool   // only those that are a team
}

// Groups lists the groups of the tenant that have a site.
func (c *Client) Groups(ctx context.Context, q GroupQuery) iter.Seq2[Group, error] {
	terms := []string{"groupTypes/any(c:c eq 'Unified')"}
	if q.Teams {
		terms = append(terms, "resourceProvisioningOptions/any(c:c eq 'Team')")
	}
	if q.Filter != "" {
		terms = append(terms, "("+q.Filter+")")
	}
	path := "/groups?$filter=" + queryEscape(strings.Join(terms, " and ")) + "&$select=id,displayName,mail&$top=999"
	return all(ctx, c, "list groups", path, UnitsList, func(s *scanner, into *Group) bool {
		var member User
		s.user(&member)
		*into = Group{ID: member.ID, DisplayName: member.DisplayName, Mail: member.Mail}
		return into.ID != ""
	})
}

// GroupNamed finds the groups of any kind with a name. Names need not be unique.
func (c *Client) GroupNamed(ctx context.Context, name string) ([]Group, error) {
	filter := "displayName eq '" + strings.ReplaceAll(name, "'", "''") + "'"
	path := "/groups?$filter=" + queryEscape(filter) + "&$select=id,displayName,mail"
	return gather(all(ctx, c, "find group", path, UnitsList, func(s *scanner, into *Group) bool {
		var found User
		s.user(&found)
		*into = Group{ID: found.ID, DisplayName: found.DisplayName, Mail: found.Mail}
		return into.ID != ""
	}))
}

// user reads one user, or the members that another directory object has in common with one, and returns its type.
func (s *scanner) user(into *User) (kind string) {
	s.object(func(key []byte) {
		switch string(key) {
		case "@odata.type":
			kind = s.text()
		case "id":
			into.ID = s.text()
		case "userPrincipalName":
			into.PrincipalName = s.text()
		case "displayName":
			into.DisplayName = s.text()
		case "mail":
			into.Mail = s.text()
		default:
			s.skip()
		}
	})
	return kind
}
