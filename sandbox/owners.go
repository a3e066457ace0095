package sandbox

import (
	"net/http"
	"strings"
)

// ownerPath routes users, groups and me.
func (c *call) ownerPath(set, rest string) action {
	id := ""
	if set != "me" {
		id, rest, _ = strings.Cut(rest, "/")
	}
	if set == "users" && id == "" {
		c.kind = KindUsers
		return (*call).listUsers
	}
	if set == "groups" && id == "" {
		c.kind = KindUsers
		return (*call).listGroups
	}
	find := func(c *call) (*Drive, *graphError) { return c.ownedDrive(set, id) }
	head, tail, _ := strings.Cut(rest, "/")
	switch {
	case head == "drive":
		return c.drivePath(find, tail)
	case head == "drives" && tail == "":
		c.kind = KindDrives
		return func(c *call) *graphError {
			d, e := find(c)
			if e != nil {
				return e
			}
			return c.sendSiteDrives(d.site)
		}
	case set == "groups" && (rest == "members" || rest == "transitiveMembers"):
		c.kind = KindUsers
		return func(c *call) *graphError { return c.listMembers(id) }
	case rest == "" && set != "groups":
		c.kind = KindUsers
		return func(c *call) *graphError { return c.sendUser(set, id) }
	}
	return nil
}

// ownedDrive finds the drive of a user, a group or the one who signed in. A user without OneDrive is
// a 404 for an application (S15).
func (c *call) ownedDrive(set, id string) (*Drive, *graphError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if set == "groups" {
		for _, s := range c.t.sites {
			if s.group != "" && strings.EqualFold(s.group, id) {
				return c.defaultDrive(s)
			}
		}
		return nil, errorf(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", id)
	}
	n, e := c.person(set, id)
	if e != nil {
		return nil, e
	}
	s := c.t.personalSite(n)
	if s == nil {
		return nil, errorf(http.StatusNotFound, "ResourceNotFound", "User's mysite not found.")
	}
	return c.defaultDrive(s)
}

// person finds a user, or the one who signed in: behind an application's own token there is nobody.
func (c *call) person(set, id string) (int, *graphError) {
	n, ok := c.t.people[strings.ToLower(id)]
	if set == "me" {
		if c.appOnly {
			return 0, errorf(http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
		}
		n, ok = 1, len(c.t.users) > 1
	}
	if !ok || n == 0 {
		return 0, errorf(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", id)
	}
	return n, nil
}

func (u user) members() map[string]any {
	return map[string]any{"id": u.ID, "userPrincipalName": u.UPN, "displayName": u.DisplayName, "mail": u.UPN, "accountEnabled": true, "userType": "Member"}
}

var userMembers = []string{"id", "userPrincipalName", "displayName", "mail", "accountEnabled", "userType", "givenName", "surname", "jobTitle", "assignedLicenses"}

func (c *call) listUsers() *graphError {
	var list []map[string]any
	for _, u := range c.t.users[1:] {
		list = append(list, u.members())
	}
	list, e := c.filtered(list)
	if e != nil {
		return e
	}
	return c.sendList("users", list, userMembers, "accountEnabled", "userType")
}

var groupMembers = []string{"id", "displayName", "mail", "description", "groupTypes", "visibility", "resourceProvisioningOptions"}

// listMembers lists the members of a group: users, and whatever else a directory has.
func (c *call) listMembers(id string) *graphError {
	c.t.mu.RLock()
	var of *site
	for _, s := range c.t.sites {
		if s.group != "" && strings.EqualFold(s.group, id) && !s.deleted {
			of = s
		}
	}
	c.t.mu.RUnlock()
	if of == nil {
		return errorf(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", id)
	}
	list := []map[string]any{{"@odata.type": "#microsoft.graph.device", "id": makeGUID(c.t.seed, "device", id).String()}}
	for _, n := range of.people {
		m := c.t.users[n].members()
		m["@odata.type"] = "#microsoft.graph.user"
		list = append(list, m)
	}
	return c.sendList("groups/"+id+"/transitiveMembers", list, userMembers, "accountEnabled", "userType")
}

// provisioned are the resources of a group beyond its mailbox and site.
func provisioned(team bool) []string {
	if team {
		return []string{"Team"}
	}
	return []string{}
}

// listGroups lists the groups that sites are connected to.
func (c *call) listGroups() *graphError {
	c.t.mu.RLock()
	var list []map[string]any
	for _, s := range c.t.sites {
		if s.group != "" && !s.deleted {
			list = append(list, map[string]any{"id": s.group, "displayName": s.name, "groupTypes": []string{"Unified"},
				"mail": lastSegment(s.path) + "@" + c.t.name + ".com", "resourceProvisioningOptions": provisioned(s.team)})
		}
	}
	c.t.mu.RUnlock()
	list, e := c.filtered(list)
	if e != nil {
		return e
	}
	return c.sendList("groups", list, groupMembers)
}

func (c *call) sendUser(set, id string) *graphError {
	n, e := c.person(set, id)
	if e != nil {
		return e
	}
	m, e := c.choose(c.t.users[n].members(), userMembers, "accountEnabled", "userType")
	if e != nil {
		return e
	}
	return c.sendMap(m)
}
