package graph_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

func example(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestPathsOfCallsAreEscaped(t *testing.T) {
	var asked string
	c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		answer(w, 200, `{"id":"1","name":"n","value":[]}`)
	}))
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"/v1.0/sites/contoso.sharepoint.com:/sites/people": func() error { _, err := c.SiteByURL(ctx, "https://Contoso.sharepoint.com/sites/people/"); return err },
		"/v1.0/sites/contoso.sharepoint.com":               func() error { _, err := c.SiteByURL(ctx, "https://contoso.sharepoint.com"); return err },
		"/v1.0/sites/contoso.sharepoint.com:/sites/R%26D%20%23%25/sub": func() error {
			_, err := c.SiteByURL(ctx, "https://contoso.sharepoint.com/sites/R&D%20%23%25/sub")
			return err
		},
		"/v1.0/sites/contoso.sharepoint.com,a-b,c":                                  func() error { _, err := c.Site(ctx, "contoso.sharepoint.com,a-b,c"); return err },
		"/v1.0/sites/s/drive":                                                       func() error { _, err := c.DefaultDrive(ctx, "s"); return err },
		"/v1.0/users/a%27b%23x@contoso.com/drive":                                   func() error { _, err := c.UserDrive(ctx, "a'b#x@contoso.com"); return err },
		"/v1.0/groups/g/drive":                                                      func() error { _, err := c.GroupDrive(ctx, "g"); return err },
		"/v1.0/drives/d/root":                                                       func() error { _, err := c.ItemByPath(ctx, "d", "/"); return err },
		"/v1.0/drives/d/root:/100%25%20%23%271%27/%C3%A4%3Ab/it%3B%3F":              func() error { _, err := c.ItemByPath(ctx, "d", "/100% #'1'/ä:b/it;?"); return err },
		"/v1.0/drives/b!d/items/x%2F%25%22%27!~":                                    func() error { _, err := c.Item(ctx, "b!d", `x/%"'!~`); return err },
		"/v1.0/shares/u!aHR0cHM6Ly9jb250b3NvLnNoYXJlcG9pbnQuY29tLzp4Oi8_/driveItem": func() error { _, err := c.SharedItem(ctx, "https://contoso.sharepoint.com/:x:/?"); return err },
		"/v1.0/sites?search=R%26D%20%2B%20%23": func() error {
			for _, err := range c.Sites(ctx, "R&D + #") {
				return err
			}
			return nil
		},
		"/v1.0/sites/getAllSites": func() error {
			for _, err := range c.Sites(ctx, "") {
				return err
			}
			return nil
		},
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if asked != want {
			t.Errorf("asked for %s, want %s", asked, want)
		}
	}
}

func TestAddressesThatDoNotNameASiteAreRefusedBeforeAsking(t *testing.T) {
	c, _ := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	for _, address := range []string{
		"", "contoso.sharepoint.com/sites/x", "http://contoso.sharepoint.com/sites/x", "https://contoso.sharepoint.com:8443/sites/x",
		"https://u@contoso.sharepoint.com/sites/x", "https://contoso.sharepoint.com/sites/x?web=1", "https://contoso.sharepoint.com/:f:/s/x/abc",
		"https://contoso.sharepoint.com/sites/x/_layouts/15/viewlsts.aspx", "https://contoso.sharepoint.com/sites/x/Shared%20Documents/Forms/AllItems.aspx",
		"https://contoso.sharepoint.com/sites/../x", "https://contoso.sharepoint.com/sites//x", "https://[::1]/sites/x", "https:///sites/x", "https://kontoß.com/",
	} {
		if _, err := c.SiteByURL(t.Context(), address); !errors.Is(err, graph.ErrSiteURL) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, path := range []string{"a//b", "../x", "a/./b"} {
		if _, err := c.ItemByPath(t.Context(), "d", path); err == nil {
			t.Errorf("%s was asked for", path)
		}
	}
	if _, err := c.SharedItem(t.Context(), "http://x"); !errors.Is(err, graph.ErrAddress) {
		t.Errorf("%v", err)
	}
}

func TestSitesOfTheExamplesAreRead(t *testing.T) {
	var server *httptest.Server
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.RequestURI {
		case "/v1.0/sites/getAllSites":
			answer(w, 200, strings.Replace(example(t, "site-getallsites.json"), "https://graph.microsoft.com", server.URL, 1))
		case "/v1.0/sites/oneDrive.getAllSites?$skiptoken=U1BHZW9EYXRhTG9jYXRpb25Db2RlYU5BTQ":
			answer(w, 200, `{"value":[{"id":"p","webUrl":"https://contoso-my.sharepoint.com/personal/a_contoso_com"},{"id":"q","isPersonalSite":false,"webUrl":"https://contoso-my.sharepoint.com/personal/b"},
				{"error":{"code":"accessDenied"}},{"id":"z","siteCollection":{"hostname":"h","archivalDetails":{"archiveStatus":"fullyArchived"}}}]}`)
		default:
			answer(w, 200, example(t, "site-getbypath.json"))
		}
	}))
	var sites []graph.Site
	for site, err := range c.Sites(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		sites = append(sites, site)
	}
	if len(sites) != 7 || sites[1].Name != "Site A" || sites[1].Host != "contoso.sharepoint.com" || sites[1].Personal || !sites[3].Personal || sites[4].Personal ||
		sites[5].Problem != "accessDenied" || sites[6].Archive != "fullyArchived" {
		t.Errorf("%+v", sites)
	}
	site, err := c.SiteByURL(t.Context(), "https://contoso.sharepoint.com/sites/x")
	if err != nil || site.ID == "" || site.WebURL == "" {
		t.Errorf("%+v, %v", site, err)
	}
}

func TestHiddenDrivesAreListedAndMarked(t *testing.T) {
	c, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Query().Get("$select"), "system") {
			t.Errorf("asked for %s", r.RequestURI)
		}
		answer(w, 200, strings.Replace(example(t, "drive-list.json"), `"value": [`, `"value":[{"id":"cache","system":{}},{"id":"plain","system":null},`, 1))
	}))
	drives, err := c.Drives(t.Context(), "s")
	if err != nil || len(drives) != 4 || !drives[0].System || drives[1].System || drives[2].Name != "Shared Documents" || drives[2].Owner != "Ryan Gregg" {
		t.Errorf("%+v, %v", drives, err)
	}
}

func TestAListIsWholeOrAnError(t *testing.T) {
	var server *httptest.Server
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("p") == "2" {
			answer(w, 403, `{"error":{"code":"accessDenied"}}`)
			return
		}
		answer(w, 200, `{"value":[{"id":"a"}],"@odata.nextLink":"`+server.URL+`/v1.0/x?p=2"}`)
	}))
	if drives, err := c.Drives(t.Context(), "s"); err == nil || drives != nil {
		t.Errorf("%+v, %v", drives, err)
	}
}

func TestPagingThatDoesNotMoveOnEnds(t *testing.T) {
	for name, c := range map[string]struct {
		next func(n int) string
		most int // pages
	}{
		"the same link":            {func(int) string { return "same" }, 2},
		"three links in a circle":  {func(n int) string { return fmt.Sprint(n % 3) }, 4},
		"empty pages without end":  {func(n int) string { return fmt.Sprint(n) }, 1001},
		"a link to somewhere else": {func(n int) string { return "//evil" }, 1},
	} {
		next, most := c.next, c.most
		var server *httptest.Server
		n := 0
		c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			link := server.URL + "/v1.0/users?p=" + next(n)
			if strings.HasPrefix(next(n), "//") {
				link = "https://evil.example/v1.0/users"
			}
			answer(w, 200, `{"value":[],"@odata.nextLink":"`+link+`"}`)
		}), func(o *graph.Options) { o.Gate = graph.NewGate(graph.GateConfig{InFlight: 64}) })
		var last error
		for _, err := range c.Users(t.Context(), "") {
			last = err
		}
		if !errors.Is(last, graph.ErrLoop) && !errors.Is(last, graph.ErrAddress) || n > most {
			t.Errorf("%s: %v after %d pages", name, last, n)
		}
	}
	var server *httptest.Server
	n := 0
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n <= 500 {
			answer(w, 200, fmt.Sprintf(`{"value":[],"@odata.nextLink":"%s/v1.0/users?p=%d"}`, server.URL, n))
			return
		}
		if n == 501 {
			answer(w, 200, `{"value":[],"@odata.nextLink":"/v1.0/users?p=last"}`)
			return
		}
		answer(w, 200, `{"value":[{"id":"u","userPrincipalName":"a@b","displayName":"A","mail":null}]}`)
	}))
	var users []graph.User
	for user, err := range c.Users(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, user)
	}
	if len(users) != 1 || users[0].PrincipalName != "a@b" {
		t.Errorf("after 500 empty pages: %+v", users)
	}
}

func TestVersionsPermissionsColumnsGroupsAndChildrenAreRead(t *testing.T) {
	var server *httptest.Server
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Query().Get("$expand"), "listItem"):
			if got := r.URL.Query(); got.Get("$expand") != "listItem($expand=fields($select=Title,Status))" || got.Get("$top") != "50" || got.Get("$select") != "id" {
				t.Errorf("query %s", got)
			}
			answer(w, 200, `{"value":[{"id":"1","listItem":{"id":"5","fields":{"@odata.etag":"x","Title":"A"}}},{"id":"2","listItem":null},{"id":"3"},{"id":"4","listItem":{"fields":{}}},{}]}`)
		case strings.HasSuffix(r.URL.Path, "/listItem"):
			answer(w, 200, `{"id":"5","fields":{"@odata.etag":"x","Title":"A \"b\"","Author_x0020_Id":7,"Tags":["a", {"b":null}],"Empty":null}}`)
		case strings.HasPrefix(r.URL.Path, "/v1.0/groups"):
			if got := r.URL.Query().Get("$filter"); got != "groupTypes/any(c:c eq 'Unified')" {
				t.Errorf("filter %s", got)
			}
			answer(w, 200, `{"value":[{"id":"g","displayName":"Team","mail":"team@contoso.com"}]}`)
		case strings.HasSuffix(r.URL.Path, "/versions"):
			answer(w, 200, example(t, "driveitem-versions.json"))
		case strings.HasSuffix(r.URL.Path, "/permissions"):
			answer(w, 200, strings.Replace(example(t, "permissions-list.json"), `"value": [`, `"value":[{"id":"v2","roles":["read"],"expirationDateTime":"2030-01-01T00:00:00Z",
				"grantedToIdentitiesV2":[{"siteGroup":{"id":"5","displayName":"Members"},"user":null}],"grantedToIdentities":[{"user":{"displayName":"old"}}],"link":{"type":"view","scope":"organization","webUrl":"https://canary"}},`, 1))
		case r.URL.Query().Get("p") == "2":
			answer(w, 200, `{"value":[{"id":"2","name":"b","size":-1}]}`)
		default:
			answer(w, 200, `{"value":[{"id":"1","name":"a"}],"@odata.nextLink":"`+server.URL+`/v1.0/x?p=2"}`)
		}
	}))
	versions, err := c.Versions(t.Context(), "d", "i")
	if err != nil || len(versions) != 3 || versions[0].ID != "3.0" || versions[0].Size != 123 || versions[0].Modified.Nanosecond() == 0 {
		t.Errorf("%+v, %v", versions, err)
	}
	columns, err := c.Columns(t.Context(), "d", "i")
	if err != nil || len(columns) != 4 || string(columns["Title"]) != `"A \"b\""` || string(columns["Author_x0020_Id"]) != "7" || string(columns["Tags"]) != `["a", {"b":null}]` {
		t.Errorf("%s, %v", columns, err)
	}
	var children []string
	for child, err := range c.FolderColumns(t.Context(), "d", "i", 50, "Title", "Status") {
		children = append(children, fmt.Sprintf("%s %s %t %v", child.ID, child.Fields["Title"], child.Fields != nil, err))
	}
	if want := []string{`1 "A" true <nil>`, "2  false <nil>", "3  false <nil>", "4  true <nil>"}; !slices.Equal(children, want) {
		t.Errorf("%q", children)
	}
	for group, err := range c.Groups(t.Context(), graph.GroupQuery{}) {
		if err != nil || group != (graph.Group{ID: "g", DisplayName: "Team", Mail: "team@contoso.com"}) {
			t.Errorf("%+v, %v", group, err)
		}
	}
	permissions, err := c.Permissions(t.Context(), "d", "i")
	if err != nil || len(permissions) != 4 || len(permissions[0].Grantees) != 1 || permissions[0].Grantees[0] != (graph.Grantee{Kind: "siteGroup", ID: "5", Name: "Members"}) ||
		permissions[0].LinkScope != "organization" || permissions[0].Expires.Year() != 2030 || !permissions[2].Inherited || permissions[2].Grantees[0].Name != "John Doe" {
		t.Errorf("%+v, %v", permissions, err)
	}
	if text := fmt.Sprintf("%+v", permissions); strings.Contains(text, "canary") {
		t.Error("a sharing link came through")
	}
	var names []string
	var last error
	for item, err := range c.Children(t.Context(), "d", "i") {
		if last = err; err == nil {
			names = append(names, item.Name)
		}
	}
	if len(names) != 1 || !errors.Is(last, graph.ErrProtocol) {
		t.Errorf("%v, %v", names, last)
	}
}

func TestEveryCloudHasItsOwnHosts(t *testing.T) {
	for _, name := range []string{"global", "usgovernment", "dod", "china", "bleu", "delos"} {
		cloud, ok := graph.CloudByName(name)
		if !ok || cloud.Name != name {
			t.Errorf("%s: %+v", name, cloud)
		}
		c, err := graph.New(graph.Options{Cloud: cloud, Tokens: &tokens{}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if start := string(c.DeltaStart("d", graph.DeltaQuery{})); start != cloud.Graph+"/v1.0/drives/d/root/delta" {
			t.Errorf("%s: %s", name, start)
		}
	}
	if _, ok := graph.CloudByName("germany"); ok {
		t.Error("a closed cloud is offered")
	}
	if _, err := graph.New(graph.Options{}); err == nil {
		t.Error("a client without tokens was made")
	}
	if !graph.SameDrive("b!AbC", "B!aBc") || graph.SameDrive("b!a", "b!b") {
		t.Error("drives are compared wrongly")
	}
}
