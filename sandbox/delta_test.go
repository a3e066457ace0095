package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestATokenIsGoodInTheNextProcess(t *testing.T) {
	tn, d := smallTenant(t, nil)
	link := text(object(t, ask(tn, driveURL(d, "/root/delta")), 200), "@odata.deltaLink")
	again, d2 := smallTenant(t, nil)
	if d2.ID() != d.ID() {
		t.Fatal("the drive has another id")
	}
	page := values(object(t, ask(again, link), 200))
	if len(page) != 1 || page[0]["root"] == nil {
		t.Errorf("an unchanged drive shows %d items, want the root alone (D20)", len(page))
	}
}

func TestATokenOfAnotherHistoryIsDead(t *testing.T) {
	tn, d := smallTenant(t, nil)
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/new.txt", Text: ptr("a")})
	link := text(object(t, ask(tn, driveURL(d, "/root/delta")), 200), "@odata.deltaLink")
	fresh, _ := smallTenant(t, nil)
	resp := ask(fresh, link)
	if resp.Header.Get("Location") == "" {
		t.Error("410 has no Location (D42)")
	}
	wantCode(t, resp, 410, "resyncRequired")
	other, od := smallTenant(t, nil)
	mustApply(t, other, Edit{Op: OpPut, Drive: od.Address(), Path: "/other.txt", Text: ptr("b")})
	wantCode(t, ask(other, link), 410, "resyncRequired")
	if v := other.Violations(); len(v) > 0 {
		t.Errorf("a client with an old token was blamed: %v", v)
	}
}

func TestTheJournalCarriesEditsOver(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	with := func(o *Options) { o.StateFile = state; o.Script = "put sites/a/Documents /script.txt text=once" }
	tn, d := smallTenant(t, with)
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/new.txt", Text: ptr("a")})
	mustApply(t, tn, Edit{Op: OpRename, Drive: d.Address(), Path: "/dir", To: "DIR"})
	mustApply(t, tn, Edit{Op: OpDelete, Drive: d.Address(), Path: "/one.txt"})
	link := text(object(t, ask(tn, driveURL(d, "/root/delta")), 200), "@odata.deltaLink")
	before := modelTree(d)
	if err := tn.Close(); err != nil {
		t.Fatal(err)
	}
	again, d2 := smallTenant(t, with)
	if after := modelTree(d2); !slices.Equal(before, after) {
		t.Errorf("the tree changed over a restart:\n%v\n%v", before, after)
	}
	if page := values(object(t, ask(again, link), 200)); len(page) != 1 {
		t.Errorf("the link shows %d items, want the root alone", len(page))
	}
	mustApply(t, again, Edit{Op: OpPut, Drive: d.Address(), Path: "/new.txt", Text: ptr("b")})
	if page := values(object(t, ask(again, link), 200)); len(page) != 2 || page[0]["name"] != "new.txt" {
		t.Errorf("the link shows %v", page)
	}
}

func TestDeadTokensAreAnsweredInEveryKnownWay(t *testing.T) {
	for loss, want := range map[TokenLoss]struct {
		status   int
		code     string
		location bool
	}{
		LossResync: {410, "resyncRequired", true}, LossApply: {410, "resyncChangesApplyDifferences", true}, LossUpload: {410, "resyncChangesUploadDifferences", true},
		LossNoLocation: {410, "resyncRequired", false}, LossNotFound: {404, "itemNotFound", false}, LossInvalid: {400, "invalidRequest", false},
		LossStateNotFound: {410, "syncStateNotFound", false},
	} {
		tn, d := smallTenant(t, func(o *Options) { o.Behaviour.TokenLoss = loss })
		link := text(object(t, ask(tn, driveURL(d, "/root/delta?$select=id,name")), 200), "@odata.deltaLink")
		mustApply(t, tn, Edit{Op: OpForget, Drive: d.Address()})
		resp := ask(tn, link)
		location := resp.Header.Get("Location")
		if (location != "") != want.location {
			t.Errorf("%q: Location %q", loss, location)
		}
		wantCode(t, resp, want.status, want.code)
		if location != "" {
			object(t, ask(tn, location), 200)
		}
	}
}

// shownIDs follows one link that is one page.
func shownNames(t *testing.T, tn *Tenant, link string, headers ...string) []string {
	t.Helper()
	var names []string
	for _, it := range values(object(t, ask(tn, link, headers...), 200)) {
		name := text(it, "name")
		if it["deleted"] != nil {
			name = "deleted"
		}
		names = append(names, name)
	}
	return names
}

func latestLink(t *testing.T, tn *Tenant, d *Drive, query string, headers ...string) string {
	t.Helper()
	m := object(t, ask(tn, driveURL(d, "/root/delta?token=latest"+query), headers...), 200)
	if len(values(m)) != 0 {
		t.Error("token=latest shows items (D4)")
	}
	return text(m, "@odata.deltaLink")
}

func TestRoundsShowWhatTheFactsSay(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   Edit
		behave Behaviour
		header []string
		want   []string
	}{
		{"a change brings its ancestors (D18)", Edit{Op: OpTouch, Path: "/dir/sub/three.docx"}, Behaviour{}, nil, []string{"three.docx", "sub", "dir", "root"}},
		{"unless they are excluded (D19)", Edit{Op: OpTouch, Path: "/dir/sub/three.docx"}, Behaviour{}, []string{"deltaExcludeParent", "true"}, []string{"three.docx"}},
		{"a moved folder comes alone (D21)", Edit{Op: OpRename, Path: "/dir", To: "moved"}, Behaviour{}, nil, []string{"moved", "root"}},
		{"a deleted folder brings nested folders (D30)", Edit{Op: OpDelete, Path: "/dir"}, Behaviour{}, nil, []string{"deleted", "deleted", "root"}},
		{"or only itself", Edit{Op: OpDelete, Path: "/dir"}, Behaviour{FolderDelete: DeleteFolderOnly}, nil, []string{"deleted", "root"}},
		{"or everything (Q15)", Edit{Op: OpDelete, Path: "/dir"}, Behaviour{FolderDelete: DeleteEverything}, nil, []string{"deleted", "deleted", "deleted", "deleted", "root"}},
		{"sharing is not shown (Q21)", Edit{Op: OpShare, Path: "/one.txt"}, Behaviour{}, nil, []string{"root"}},
		{"unless preferred (D51)", Edit{Op: OpShare, Path: "/one.txt"}, Behaviour{}, []string{"Prefer", "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"}, []string{"one.txt", "root"}},
		{"what vanished leaves no tombstone (D32)", Edit{Op: OpVanish, Path: "/one.txt"}, Behaviour{}, nil, []string{"root"}},
		{"a change too young is not seen yet (D25)", Edit{Op: OpTouch, Path: "/one.txt"}, Behaviour{Lag: time.Minute}, nil, []string{"root"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tn, d := smallTenant(t, func(o *Options) { o.Behaviour = c.behave })
			link := latestLink(t, tn, d, "", c.header...)
			c.edit.Drive = d.Address()
			mustApply(t, tn, c.edit)
			if got := shownNames(t, tn, link, c.header...); !slices.Equal(got, c.want) {
				t.Errorf("shown are %q, want %q", got, c.want)
			}
		})
	}
}

func TestTwoRenamesShowOneItem(t *testing.T) {
	tn, d := smallTenant(t, nil)
	link := latestLink(t, tn, d, "")
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		at := map[string]string{"a.txt": "/one.txt", "b.txt": "/a.txt", "c.txt": "/b.txt"}[name]
		mustApply(t, tn, Edit{Op: OpRename, Drive: d.Address(), Path: at, To: name})
	}
	if got := shownNames(t, tn, link); !slices.Equal(got, []string{"c.txt", "root"}) {
		t.Errorf("shown are %q, want the latest state once (D16)", got)
	}
}

func TestTombstonesSayLittle(t *testing.T) {
	tn, d := smallTenant(t, nil)
	link := latestLink(t, tn, d, "")
	parent := object(t, ask(tn, driveURL(d, "/root:/dir")), 200)["id"]
	mustApply(t, tn, Edit{Op: OpDelete, Drive: d.Address(), Path: "/dir/two.bin"})
	got := values(object(t, ask(tn, link), 200))[0]
	for _, absent := range []string{"name", "cTag", "eTag", "size", "file", "lastModifiedDateTime", "webUrl", "@microsoft.graph.downloadUrl"} {
		if _, ok := got[absent]; ok {
			t.Errorf("a tombstone has %s (D27)", absent)
		}
	}
	ref := got["parentReference"].(map[string]any)
	if ref["id"] != parent || ref["driveId"] != string(d.ID()) || ref["path"] != nil {
		t.Errorf("its parent is %v", ref)
	}
}

func TestTheRootHasNoParentID(t *testing.T) {
	tn, d := smallTenant(t, nil)
	root := values(object(t, ask(tn, driveURL(d, "/root/delta")), 200))[0]
	ref := root["parentReference"].(map[string]any)
	if root["root"] == nil || ref["id"] != nil || ref["driveType"] != "documentLibrary" {
		t.Errorf("the root is %v (D20)", root)
	}
}

func TestSelectIsHonouredAndCarriedByLinks(t *testing.T) {
	tn, d := smallTenant(t, func(o *Options) { o.Behaviour.PageSize = 2 })
	keys := func(m map[string]any) []string {
		var k []string
		for key := range m {
			k = append(k, key)
		}
		slices.Sort(k)
		return k
	}
	link := driveURL(d, "/root/delta?"+url.Values{"$select": {"id,file,@microsoft.graph.downloadUrl"}}.Encode())
	for link != "" {
		m := object(t, ask(tn, link), 200)
		for _, it := range values(m) {
			want := []string{"@odata.type", "id"}
			if it["file"] != nil {
				want = []string{"@microsoft.graph.downloadUrl", "@odata.type", "file", "id"}
			}
			if !slices.Equal(keys(it), want) {
				t.Errorf("an item has %v", keys(it))
			}
		}
		link = text(m, "@odata.nextLink")
	}
	it := object(t, ask(tn, driveURL(d, "/root:/one.txt?select=id,name")), 200)
	if !slices.Equal(keys(it), []string{"@odata.context", "id", "name"}) {
		t.Errorf("the item has %v", keys(it))
	}
	wantCode(t, ask(tn, driveURL(d, "/root/delta?$select=id,nonsense")), 400, "BadRequest")
	if v := tn.Violations(); len(v) != 1 || v[0].Kind != "bad select" {
		t.Errorf("violations %v", v)
	}
}

func TestCallsThatTheServiceRefuses(t *testing.T) {
	tn, d := smallTenant(t, nil)
	dir := text(object(t, ask(tn, driveURL(d, "/root:/dir")), 200), "id")
	for _, c := range []struct {
		name, call string
		header     []string
		status     int
		code       string
	}{
		{"delta below the root (D3)", driveURL(d, "/items/"+dir+"/delta"), nil, 400, "notSupported"},
		{"permissions in delta (D6)", driveURL(d, "/root/delta?$expand=permissions"), nil, 400, "notSupported"},
		{"list items in delta (D6)", driveURL(d, "/root/delta?$expand=listItem"), nil, 400, "invalidRequest"},
		{"half the Prefer set (D52)", driveURL(d, "/root/delta"), []string{"Prefer", "deltashowsharingchanges"}, 400, "invalidRequest"},
		{"an unknown item", driveURL(d, "/items/01NONE"), nil, 404, "itemNotFound"},
		{"an id in the wrong case (D24)", driveURL(d, "/items/"+strings.ToLower(dir)), nil, 404, "itemNotFound"},
		{"an unknown call", "/me/messages", nil, 400, "BadRequest"},
		{"an unknown option", driveURL(d, "/root?$apply=x"), nil, 400, "invalidRequest"},
		{"no user", "/users/none@contoso.com/drive", nil, 404, "Request_ResourceNotFound"},
		{"no OneDrive (S15)", "/users/ann@contoso.com/drive", nil, 404, "ResourceNotFound"},
		{"a token in rubble", driveURL(d, "/root/delta?token=abc"), nil, 410, "resyncRequired"},
	} {
		t.Run(c.name, func(t *testing.T) { wantCode(t, ask(tn, c.call, c.header...), c.status, c.code) })
	}
}

func TestAnotherPreferHeaderKillsTheToken(t *testing.T) {
	tn, d := smallTenant(t, nil)
	link := latestLink(t, tn, d, "")
	wantCode(t, ask(tn, link, "Prefer", "hierarchicalsharing"), 410, "resyncRequired")
}

func TestTimestampsAreTokens(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, d := smallTenant(t, func(o *Options) { o.Now = func() time.Time { return now } })
	mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/one.txt"})
	now = now.Add(time.Hour)
	mustApply(t, tn, Edit{Op: OpTouch, Drive: d.Address(), Path: "/empty.txt"})
	at := url.QueryEscape("2024-05-01T14:30:00+02:00")
	if got := shownNames(t, tn, driveURL(d, "/root/delta?token="+at)); !slices.Equal(got, []string{"empty.txt", "root"}) {
		t.Errorf("since half past: %q", got)
	}
	if got := shownNames(t, tn, driveURL(d, "/root/delta?token=2001-01-01T00:00:00Z")); len(got) != 7 {
		t.Errorf("since ever: %q", got)
	}
}

func TestEveryFormOfTheDeltaAddressIsAnswered(t *testing.T) {
	tn, d := smallTenant(t, nil)
	id, site := string(d.id), string(d.site.id)
	root := text(object(t, ask(tn, driveURL(d, "/root")), 200), "id")
	for _, call := range []string{"/drives/" + id + "/root/delta", "/drives('" + id + "')/root/microsoft.graph.delta()", "/drives/" + url.PathEscape(id) + "/root/delta()",
		"/drives/" + id + "/items/" + root + "/delta?select=id", "/sites/" + site + "/drive/root/delta", "/sites/contoso.sharepoint.com:/sites/a:/drive/root/delta",
		"/sites/" + site + "/drives/" + id + "/root/delta", "/drives/" + id + "/root/delta/"} {
		if n := len(values(object(t, ask(tn, call), 200))); n != 7 {
			t.Errorf("%s shows %d items", call, n)
		}
	}
	resp := ask(tn, "https://contoso.sharepoint.com/_api/v2.0/drives/"+id+"/root/delta")
	if link := text(object(t, resp, 200), "@odata.deltaLink"); !strings.HasPrefix(link, "https://contoso.sharepoint.com/_api/v2.0/drives/") {
		t.Errorf("the link of the other version is %s", link)
	}
}

func TestHostileItemsAreServedAsTheyAre(t *testing.T) {
	tn, d := smallTenant(t, nil)
	link := latestLink(t, tn, d, "")
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/dir", To: "../../etc/passwd", Text: ptr("x"), Hostile: true})
	mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/", To: "ONE.TXT", Text: ptr("x"), Hostile: true})
	mustApply(t, tn, Edit{Op: OpRaw, Drive: d.Address(), Text: ptr(`{"id":"x","name":7}`)})
	got := values(object(t, ask(tn, link), 200))
	if got[0]["name"] != "../../etc/passwd" || got[1]["name"] != "ONE.TXT" || got[2]["name"] != float64(7) {
		t.Errorf("shown are %v", got)
	}
	if _, err := tn.Apply(Edit{Op: OpPut, Drive: d.Address(), Path: "/One.TXT:x", Text: ptr("x")}); err == nil {
		t.Error("without the word a name of N1 is refused")
	}
}

func TestChildrenArePagedWithoutLoss(t *testing.T) {
	tn, d := smallTenant(t, nil)
	for i := range 25 {
		mustApply(t, tn, Edit{Op: OpPut, Drive: d.Address(), Path: "/many/" + strings.Repeat("x", i+1), Text: ptr("")})
	}
	link, seen := driveURL(d, "/root:/many:/children?$top=4&$select=id,name"), map[string]bool{}
	for pages := 0; link != ""; pages++ {
		m := object(t, ask(tn, link), 200)
		for _, it := range values(m) {
			seen[text(it, "name")] = true
		}
		link = text(m, "@odata.nextLink")
		if pages == 2 { // an edit between pages
			mustApply(t, tn, Edit{Op: OpDelete, Drive: d.Address(), Path: "/many/x"})
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d of 25 children were seen", len(seen))
	}
}

func TestErrorsHaveTheirEnvelope(t *testing.T) {
	tn, d := smallTenant(t, nil)
	resp := ask(tn, driveURL(d, "/items/none"), "client-request-id", "abc")
	var m struct {
		Error struct {
			Code, Message string
			InnerError    map[string]string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	in := m.Error.InnerError
	if in["request-id"] == "" || in["request-id"] != resp.Header.Get("request-id") || in["client-request-id"] != "abc" || strings.HasSuffix(in["date"], "Z") {
		t.Errorf("innerError %v, headers %v", in, resp.Header)
	}
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
}
