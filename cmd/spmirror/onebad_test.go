package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// TestSourcesThatCannotBeReadLeaveTheOthersOfTheirBlock declares mirrors for all sites that are listed, of which some refuse by now.
func TestSourcesThatCannotBeReadLeaveTheOthersOfTheirBlock(t *testing.T) {
	o := withRoles("Sites.Read.All")
	o.Sites = nil
	for i := range 5 {
		o.Sites = append(o.Sites, sandbox.SiteSpec{Path: fmt.Sprint("sites/s", i), Drives: []sandbox.DriveSpec{
			{Name: "Documents", Segment: "Shared Documents", Files: []sandbox.FileSpec{{Path: "a.txt", Text: "a"}}}}})
	}
	w := tenantWorld(t, o, `
data "sites" "own" {
  include = ["/sites/**"]
}

mirror "site" {
  for_each = data.sites.own.sites
  site_id  = each.value.id
  target   = "./mirror${each.key}"
}
`)
	w.run(exitOK, "apply", "-auto-approve")
	for i, status := range []int64{403, 404, 423} {
		edit := sandbox.Edit{Op: sandbox.OpSite, Drive: fmt.Sprintf("sites/s%d/Documents", i), Size: &status}
		if _, err := w.tenant.Apply(edit); err != nil {
			t.Fatal(err)
		}
	}
	text := "new"
	if _, err := w.tenant.Apply(sandbox.Edit{Op: sandbox.OpPut, Drive: "sites/s4/Documents", Path: "/new.txt", Text: &text}); err != nil {
		t.Fatal(err)
	}
	out := w.run(exitIncomplete, "plan")
	for i, code := range []string{"SPM0612", "SPM0611", "SPM0613"} {
		if !strings.Contains(out, fmt.Sprintf("? mirror.site[\"/sites/s%d\"]", i)) || !strings.Contains(out, code) {
			t.Errorf("site %d is not named with %s:\n%s", i, code, out)
		}
	}
	if strings.Contains(out, "to forget") || !strings.Contains(out, "Plan: 1 to add, 0 to change, 0 to destroy.") {
		t.Errorf("the plan is\n%s", out)
	}
	w.run(exitIncomplete, "apply", "-auto-approve")
	for path, want := range map[string]string{"s0/a.txt": "a", "s1/a.txt": "a", "s2/a.txt": "a", "s4/a.txt": "a", "s4/new.txt": "new"} {
		if got, err := os.ReadFile(w.path("mirror/sites/" + path)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
	}
}

func TestAUserWithoutOneDriveLeavesTheOthersOfTheBlock(t *testing.T) {
	o := withRoles("Files.Read.All", "User.ReadBasic.All")
	o.Users = append(o.Users, sandbox.User{UPN: "newcomer@contoso.com", DisplayName: "New Comer"})
	w := tenantWorld(t, o, `
data "users" "all" {
}

mirror "user" {
  for_each = data.users.all.users
  user     = each.key
  target   = "./mirror/${each.key}"
}
`)
	out := w.run(exitIncomplete, "plan")
	if !strings.Contains(out, `? mirror.user["newcomer@contoso.com"]`) || !strings.Contains(out, "SPM0602") || strings.Contains(out, "Plan: 0 to add") {
		t.Errorf("the plan is\n%s", out)
	}
}
