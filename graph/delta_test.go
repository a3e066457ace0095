package graph_test

import (
	"compress/gzip"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph"
)

func TestAnEnumerationStartsWithTheQueryAndGoesOnWithTheLinksAsTheyAre(t *testing.T) {
	var server *httptest.Server
	var asked []string
	const next = "/v1.0/drives('b!X')/root/microsoft.graph.delta(token='a%2Bb c')?odd=%7e&&x=+"
	q := graph.DeltaQuery{Select: graph.DeltaSelect(), Top: 200, Prefer: []string{"hierarchicalsharing", "deltashowremovedasdeleted"}, ExcludeParent: true}
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI)
		if r.Header.Get("Prefer") != "hierarchicalsharing, deltashowremovedasdeleted" || r.Header.Get("deltaExcludeParent") != "true" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("request-id", "r-7")
		z := gzip.NewWriter(w)
		defer z.Close()
		if len(asked) == 1 {
			fmt.Fprintf(z, `{"value":[],"@odata.nextLink":"%s"}`, server.URL+strings.Replace(next, " ", "_", 1))
			return
		}
		fmt.Fprintf(z, `{"@odata.deltaLink":"%s/v1.0/me/drive/root/delta?token=1","value":[{"id":"1","name":"a"},{"id":"2","size":-1,"name":"b"}]}`, server.URL)
	}))
	first := c.DeltaStart("b!X", q)
	u, err := url.Parse(string(first))
	if err != nil || u.Path != "/v1.0/drives/b!X/root/delta" || u.Query().Get("$top") != "200" {
		t.Fatalf("%s, %v", first, err)
	}
	if sel := "," + u.Query().Get("$select") + ","; !strings.Contains(sel, ",@microsoft.graph.downloadUrl,") || !strings.Contains(sel, ",content.downloadUrl,") || !strings.Contains(sel, ",id,") {
		t.Errorf("select %s", sel)
	}
	page, err := c.DeltaPage(t.Context(), first, q)
	if err != nil || len(page.Items) != 0 || page.Delta != "" {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = c.DeltaPage(t.Context(), page.Next, q)
	if err != nil || len(page.Items) != 1 || len(page.Bad) != 1 || page.Bad[0].ID != "2" || page.Next != "" || page.Delta == "" || page.RequestID != "r-7" || page.Bytes == 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if want := strings.Replace(next, " ", "_", 1); asked[1] != want {
		t.Errorf("asked for %s, want %s", asked[1], want)
	}
	if s := c.Gate().Stats(); s.Units != 2+1 {
		t.Errorf("%d units", s.Units)
	}
}

func TestHeadersOfAQueryHaveOneForm(t *testing.T) {
	a := graph.DeltaQuery{Prefer: []string{"b", "a "}, ExcludeParent: true, Select: []string{"id"}}
	b := graph.DeltaQuery{Prefer: []string{"a", "b", "a"}, ExcludeParent: true, Top: 5}
	if a.Headers() != b.Headers() || a.Headers() == (graph.DeltaQuery{Prefer: []string{"a"}}).Headers() || (graph.DeltaQuery{}).Headers() != "" {
		t.Errorf("%q, %q", a.Headers(), b.Headers())
	}
}

func TestLinksThatCannotBeFollowedAreRefused(t *testing.T) {
	var server *httptest.Server
	body := ""
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, strings.ReplaceAll(body, "ROOT", server.URL+"/v1.0"))
	}))
	start := c.DeltaStart("b!AbC", graph.DeltaQuery{})
	for name, links := range map[string]struct {
		text string
		want error
	}{
		"none":                       {``, graph.ErrProtocol},
		"both":                       {`,"@odata.nextLink":"ROOT/x","@odata.deltaLink":"ROOT/y"`, graph.ErrProtocol},
		"another host":               {`,"@odata.nextLink":"https://evil.example/v1.0/x"`, graph.ErrProtocol},
		"a path on the same host":    {`,"@odata.nextLink":"/v1.0/x"`, nil},
		"a path, and the page":       {`,"@odata.nextLink":"` + strings.TrimPrefix(string(start), server.URL) + `"`, graph.ErrLoop},
		"relative":                   {`,"@odata.nextLink":"x?token=1"`, graph.ErrProtocol},
		"a host without its scheme":  {`,"@odata.nextLink":"//evil.example/x"`, graph.ErrProtocol},
		"another drive":              {`,"@odata.deltaLink":"ROOT/drives/b!other/root/delta?token=1"`, graph.ErrProtocol},
		"another drive in quotes":    {`,"@odata.nextLink":"ROOT/drives('b!other')/root/delta?token=1"`, graph.ErrProtocol},
		"latest":                     {`,"@odata.deltaLink":"ROOT/drives/b!AbC/root/delta?$select=id&token=latest"`, graph.ErrProtocol},
		"latest as function":         {`,"@odata.deltaLink":"ROOT/drives/b!AbC/root/delta(token='latest')"`, graph.ErrProtocol},
		"the page itself":            {`,"@odata.nextLink":"` + string(start) + `"`, graph.ErrLoop},
		"same drive, other case":     {`,"@odata.deltaLink":"ROOT/drives/B%21abc/root/delta?token=1"`, nil},
		"drive not recognisable":     {`,"@odata.deltaLink":"ROOT/me/drive/root/delta?token=1"`, nil},
		"malformed, as in the pages": {`,"@odata.deltaLink":"ROOT/me/drive/root/delta?(token='MzslMjM0OyUyMzE7')"`, nil},
		"empty user":                 {`,"@odata.nextLink":"ROOT/users//drive/root/delta?token=1"`, nil},
	} {
		body = `{"value":[{"id":"1","name":"a"}]` + links.text + `}`
		page, err := c.DeltaPage(t.Context(), start, graph.DeltaQuery{})
		if !errors.Is(err, links.want) || links.want == nil && len(page.Items) != 1 || links.want != nil && len(page.Items) != 0 {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
	for _, link := range []graph.Link{"", "https://evil.example/v1.0/x", "/v1.0/x", graph.Link(server.URL[:len(server.URL)-1])} {
		if _, err := c.DeltaPage(t.Context(), link, graph.DeltaQuery{}); err == nil {
			t.Errorf("%q was followed", link)
		}
	}
}

func TestAResyncCarriesItsNewStartOnlyIfThatIsOnTheGraphHost(t *testing.T) {
	var server *httptest.Server
	location := ""
	c, server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if location != "" {
			w.Header().Set("Location", location)
		}
		answer(w, 410, `{"error":{"code":"resyncRequired"}}`)
	}))
	good := server.URL + "/v1.0/drives('me')/items('root%252FAPITest')/view.delta?token=aTE09"
	for _, location = range []string{"", good, strings.TrimPrefix(good, server.URL), "https://evil.example/v1.0/x", "//evil.example/", "not a link"} {
		_, err := c.DeltaPage(t.Context(), graph.Link(server.URL+"/v1.0/drives/d/root/delta?token=old"), graph.DeltaQuery{})
		e, ok := graph.AsError(err)
		want := graph.Link("")
		if strings.HasSuffix(good, location) && location != "" {
			want = graph.Link(good)
		}
		if !ok || !e.IsResync() || e.ResyncKind() != graph.ResyncUnspecified || e.Location != want || !e.IsBadLink() {
			t.Errorf("%q: %+v", location, err)
		}
	}
}

func TestPagesComeOverHTTP2AndContentOverHTTP1(t *testing.T) {
	var protocols []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		if r.URL.Path == "/bytes" {
			_, _ = w.Write([]byte("x"))
			return
		}
		if r.RequestURI != "/v1.0/drives('d')/x?odd=%7e%zz" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		answer(w, 200, `{"value":[],"@odata.deltaLink":"https://`+r.Host+`/v1.0/d?token=2"}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := graph.Options{Cloud: graph.Cloud{Name: graph.CloudCustom, Graph: server.URL}, Tokens: &tokens{}, AllowLoopback: true, RootCAs: roots}
	c, err := graph.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.DeltaPage(t.Context(), graph.Link(server.URL+"/v1.0/drives('d')/x?odd=%7e%zz"), graph.DeltaQuery{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, c, server.URL+"/bytes", graph.ContentRequest{}); err != nil {
		t.Fatal(err)
	}
	if len(protocols) != 2 || protocols[0] != "HTTP/2.0" || protocols[1] != "HTTP/1.1" {
		t.Errorf("%v", protocols)
	}
	o.RootCAs = x509.NewCertPool()
	stranger, err := graph.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Drive(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	if len(protocols) != 2 {
		t.Error("a request went to a host without proof")
	}
}
