package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestSitesAreFoundInEveryDocumentedWay(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	people := tn.Drive("people/Documents").site
	for _, call := range []string{"/sites/contoso.sharepoint.com:/sites/people", "/sites/contoso.sharepoint.com:/sites/People:", "/sites/" + string(people.id),
		"/sites/" + people.collection.String(), "/sites/contoso.sharepoint.com:/sites/people:/?$select=id,webUrl"} {
		m := object(t, ask(tn, call), 200)
		if m["id"] != string(people.id) || m["webUrl"] != "https://contoso.sharepoint.com/sites/people" {
			t.Errorf("%s is %v", call, m)
		}
	}
	if m := object(t, ask(tn, "/sites/root"), 200); m["webUrl"] != "https://contoso.sharepoint.com" {
		t.Errorf("the root is %v", m)
	}
	drives := values(object(t, ask(tn, "/sites/contoso.sharepoint.com:/sites/people:/drives"), 200))
	if len(drives) != 1 || drives[0]["name"] != "Documents" || !strings.HasSuffix(text(drives[0], "webUrl"), "/Shared%20Documents") {
		t.Errorf("the drives are %v: hidden ones are not listed, the URL is not the name", drives)
	}
	if n := len(values(object(t, ask(tn, "/sites/"+string(people.id)+"/drives?$select=id,name,system"), 200))); n != 2 {
		t.Errorf("%d drives with system selected (S9)", n)
	}
	wantCode(t, ask(tn, "/sites/contoso.sharepoint.com:/sites/none"), 404, "itemNotFound")
}

func TestAllSitesArePaged(t *testing.T) {
	o := Demo(1)
	for i := range 30 {
		o.Sites = append(o.Sites, SiteSpec{Path: fmt.Sprintf("sites/team%02d", i), Name: "Team"})
	}
	o.Sites = append(o.Sites, SiteSpec{Path: "sites/team00/sub", Name: "Sub"})
	o.Behaviour.GetAllSitesName = true
	tn := makeTenant(t, o)
	seen := map[string]bool{}
	pages := 0
	for link := "/sites/getAllSites?$top=10"; link != ""; pages++ {
		m := object(t, ask(tn, link), 200)
		for _, s := range values(m) {
			seen[text(s, "id")] = true
		}
		if link = text(m, "@odata.nextLink"); link != "" && !strings.Contains(link, "oneDrive.getAllSites") {
			t.Errorf("the link names %s (S5)", link)
		}
	}
	if len(seen) != 35 || pages != 4 {
		t.Errorf("%d sites on %d pages", len(seen), pages)
	}
	if n := len(values(object(t, ask(tn, "/sites?search=team"), 200))); n < 30 {
		t.Errorf("the search found %d", n)
	}
	subs := values(object(t, ask(tn, "/sites/contoso.sharepoint.com:/sites/team00:/sites"), 200))
	if len(subs) != 1 || subs[0]["siteCollection"] != nil {
		t.Errorf("sub-sites are %v", subs)
	}
}

func TestLockedSitesRefuseEverythingBelow(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for status, code := range map[int]string{423: "notAllowed", 403: "accessDenied", 404: "itemNotFound"} {
		mustApply(t, tn, Edit{Op: OpSite, Drive: d.Address(), Size: ptr(int64(status))})
		for _, call := range []string{driveURL(d, ""), driveURL(d, "/root/delta"), driveURL(d, "/root:/one.txt"), "/sites/" + string(d.site.id) + "/drives"} {
			wantCode(t, ask(tn, call), status, code)
		}
	}
	mustApply(t, tn, Edit{Op: OpSite, Drive: d.Address(), Size: ptr(int64(0))})
	object(t, ask(tn, driveURL(d, "")), 200)
}

func TestAddressesLeadToItems(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	for address, want := range map[string]string{
		"https://contoso.sharepoint.com/sites/people/Shared%20Documents":                             "root",
		"https://contoso.sharepoint.com/sites/people/Shared Documents/handbook/IT%20%26%20Security/": "IT & Security",
	} {
		for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding} {
			m := object(t, ask(tn, "/shares/u!"+encoding.EncodeToString([]byte(address))+"/driveItem"), 200)
			if m["name"] != want {
				t.Errorf("%s is %v", address, m["name"])
			}
		}
	}
	wantCode(t, ask(tn, "/shares/u!"+base64.RawURLEncoding.EncodeToString([]byte("https://contoso.sharepoint.com/sites/none/x"))+"/driveItem"), 404, "itemNotFound")
}

func TestShortcutsInAOneDriveWantTheirHeader(t *testing.T) {
	tn := makeTenant(t, Demo(1))
	d := tn.Drive("adele@contoso.com")
	mustApply(t, tn, Edit{Op: OpShortcut, Drive: "adele@contoso.com", Path: "/Handbook", ToDrive: "people/Documents", To: "/Handbook"})
	find := func(headers ...string) map[string]any {
		for _, it := range values(object(t, ask(tn, driveURL(d, "/root/delta"), headers...), 200)) {
			if it["remoteItem"] != nil {
				return it["remoteItem"].(map[string]any)
			}
		}
		return nil
	}
	if find() != nil {
		t.Error("without the header the shortcut is there (D55)")
	}
	remote := find("Prefer", "Include-Feature=AddToOneDrive")
	if remote == nil {
		t.Fatal("with the header the shortcut is not there")
	}
	target, _ := tn.Drive("people/Documents").Lookup("/Handbook")
	if remote["id"] != string(target.ID) || remote["parentReference"].(map[string]any)["driveId"] != string(tn.Drive("people/Documents").ID()) {
		t.Errorf("the shortcut points to %v (Q33)", remote)
	}
}

func TestManyClientsAndEditorsWorkAtOnce(t *testing.T) {
	tn, d := smallTenant(t, func(o *Options) { o.Behaviour = Behaviour{Order: OrderShuffled, PageSize: 3, Duplicates: 20} })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 30 {
				path := fmt.Sprintf("/w%d/f%d", i, j%7)
				_, _ = d.PutSize(path, int64(j*100))
				_, _ = d.Rename(path, fmt.Sprintf("g%d", j%5))
				_, _ = d.Delete(fmt.Sprintf("/w%d/g%d", i, j%3))
			}
		})
		wg.Go(func() {
			link := driveURL(d, "/root/delta")
			for range 60 {
				resp := ask(tn, link)
				if resp.StatusCode == http.StatusGone { // the order of an old round was dropped
					link = driveURL(d, "/root/delta")
					continue
				}
				var m map[string]any
				if err := json.NewDecoder(resp.Body).Decode(&m); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("status %d, %v", resp.StatusCode, err)
					return
				}
				for _, it := range values(m) {
					if u := text(it, "@microsoft.graph.downloadUrl"); u != "" {
						ask(tn, u)
					}
				}
				if link = text(m, "@odata.nextLink"); link == "" {
					link = text(m, "@odata.deltaLink")
				}
			}
		})
	}
	wg.Wait()
	r := &replica{}
	r.round(t, tn, driveURL(d, "/root/delta"))
	sameTree(t, r, d)
}
