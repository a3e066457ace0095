package graph

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func worldPolicy(t testing.TB, allowed ...string) *policy {
	t.Helper()
	cloud, ok := CloudByName("global")
	if !ok {
		t.Fatal("no global cloud")
	}
	p, err := newPolicy(cloud, allowed, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyTheConfiguredGraphHostIsAskedWithAToken(t *testing.T) {
	p := worldPolicy(t)
	for _, raw := range []string{
		"https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=1",
		"https://graph.microsoft.com:443/v1.0/x",
		"HTTPS://Graph.Microsoft.COM/v1.0/x",
		"https://graph.microsoft.com/v1.0/drives('b!x')/root/delta(token='a;b%3D')?$select=id,name",
	} {
		if _, err := p.api(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range hostileAddresses("graph.microsoft.com") {
		if _, err := p.api(raw); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if _, err := p.api("https://contoso.sharepoint.com/x"); !errors.Is(err, ErrAddress) {
		t.Errorf("a content host was accepted for the API: %v", err)
	}
}

func TestOnlyContentHostsOfTheCloudServeContent(t *testing.T) {
	p := worldPolicy(t, "*.cdn.example.org")
	for _, raw := range []string{
		"https://contoso.sharepoint.com/_layouts/15/download.aspx?UniqueId=1&tempauth=v1.a.b%2Bc",
		"https://contoso-my.sharepoint.com/x",
		"https://b0mpua-by3301.files.1drv.com/y23",
		"https://eastus1-mediap.svc.ms/x",
		"https://a.cdn.example.org/x",
		"https://cdn.example.org/x",
	} {
		if _, err := p.content(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range append(hostileAddresses("contoso.sharepoint.com"),
		"https://graph.microsoft.com/x", "https://evil-sharepoint.com/", "https://sharepoint.com.evil.example/", "https://sharepoint.us/x",
		"https://xcdn.example.org/", "/relative", "data:text/plain,x", "file:///etc/passwd", "ftp://contoso.sharepoint.com/x",
	) {
		if _, err := p.content(raw); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// hostileAddresses are addresses that look like, or pretend to be, an allowed host (H-65 to H-67).
func hostileAddresses(host string) []string {
	return []string{
		"", "https://", "https:///v1.0/x", "http://" + host + "/x", "https://" + host + ":8443/x", "https://" + host + ":80/x",
		"https://" + host + "@evil.example/x", "https://user:pass@" + host + "/x", "https://evil.example/" + host,
		"https://" + host + ".evil.example/x", "https://evil.example?" + host, "https://evil.example#" + host,
		"https://" + host + "./x", "https://" + host + "\\@evil.example/", "https://" + host + "%2eevil.example/",
		"https://" + host + "/x#frag", "https://" + host + "/a b", "https://" + host + "/x\r\nHost: evil", "https://" + host + "/\x00",
		"https://" + strings.Replace(host, "o", "о", 1) + "/x", // Cyrillic
		"https://" + strings.Replace(host, ".", "。", 1) + "/x", // full-width stop
		"https://127.0.0.1/x", "https://[::1]/x", "https://0/x", "https://2130706433/x", "https://0x7f.1/x", "https://0x7f000001/",
		"https://[::ffff:10.0.0.1]/x", "https://169.254.169.254/latest", "https://localhost/x", "https://a.localhost/x", "https://10.0.0.1/x",
		"https://" + host + "//evil.example/x", "https://" + host + "/" + strings.Repeat("a", maxAddress),
		"//" + host + "/x", "javascript://" + host + "/x", "https:" + host + "/x", "https://" + host + "/%zz",
	}
}

func TestARefusalDoesNotRepeatTheAddress(t *testing.T) {
	p := worldPolicy(t)
	_, err := p.content("https://evil.example/path-canary?tempauth=query-canary")
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Fatalf("%v", err)
	}
}

func TestAnAddressIsSentByteForByte(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	defer server.Close()
	p, err := newPolicy(Cloud{Name: CloudCustom, Graph: server.URL}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, tail := range []string{
		"/v1.0/x",
		"/",
		"/v1.0/drives('b!x')/root/delta(token='MzslMjM0OyUyMzE7')",
		"/v1.0/me/drive/root/delta?(token='MzslMjM0OyUyMzE7MzsyM2YwNDVh')",
		"/a%2Fb%2fc/%7Ed~/%41A?tempauth=v1.eyJ%2b+x%20y&&=&b=2&a=1&a=%zz",
		"/x?",
		"/x??a=b?c",
		"/a/../b/./c//d",
		"/v1.0/x?$select=id,name&$skiptoken=\"<>{}|^`",
		"/path;p=1:2@3!$&'()*+,=[]",
	} {
		u, err := p.api(server.URL + tail)
		if err != nil {
			t.Errorf("%s: %v", tail, err)
			continue
		}
		resp, err := http.DefaultTransport.RoundTrip(newRequest(u))
		if err != nil {
			t.Errorf("%s: %v", tail, err)
			continue
		}
		_ = resp.Body.Close()
		if got != tail {
			t.Errorf("sent %q, want %q", got, tail)
		}
	}
}

func TestLoopbackIsOpenOnlyToAnEmulatedTenant(t *testing.T) {
	p, err := newPolicy(Cloud{Name: CloudCustom, Graph: "http://127.0.0.1:4711/graph/"}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.root("/x"); got != "http://127.0.0.1:4711/graph/v1.0/x" {
		t.Errorf("root %s", got)
	}
	for raw, want := range map[string]bool{
		"http://127.0.0.1:4711/a": true, "http://127.0.0.1:9/a": true, "https://[::1]:99/a": true, "http://localhost:1/": true,
		"http://contoso.sharepoint.com/": false, "http://10.0.0.1/": false, "https://10.0.0.1/": false, "ftp://127.0.0.1/": false,
	} {
		if _, err := p.content(raw); (err == nil) != want {
			t.Errorf("content %s: %v", raw, err)
		}
	}
	for _, elsewhere := range []Cloud{{Name: CloudCustom, Graph: "https://graph.example.org"}, {Name: "global", Graph: "https://graph.microsoft.com"}} {
		far, err := newPolicy(elsewhere, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{"http://127.0.0.1:9/a", "https://localhost/a", "https://[::1]:99/a"} {
			if _, err := far.content(raw); !errors.Is(err, ErrAddress) {
				t.Errorf("%s leads to %s: %v", elsewhere.Graph, raw, err)
			}
		}
	}
	if _, err := p.api("http://127.0.0.1:4712/graph/v1.0/x"); err == nil {
		t.Error("another port was accepted for the API")
	}
	if _, err := newPolicy(Cloud{Name: CloudCustom, Graph: "http://127.0.0.1:4711"}, nil, false); err == nil {
		t.Error("loopback was accepted without permission")
	}
	if _, err := newPolicy(Cloud{Name: CloudCustom, Graph: "http://graph.example.org"}, nil, true); err == nil {
		t.Error("plain http was accepted off loopback")
	}
	if _, err := newPolicy(Cloud{Name: "global", Graph: "https://graph.microsoft.com"}, []string{"com"}, false); err == nil {
		t.Error("a whole top-level domain was accepted as content host")
	}
}

func TestPrivateAddressesAreRefusedWhenDialling(t *testing.T) {
	p := worldPolicy(t)
	for _, addr := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "::", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::", "::10.0.0.1", "2001:db8::1", "198.18.0.1",
	} {
		d := &dialer{policy: p, lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(addr)}, nil
		}}
		conn, err := d.dial(t.Context(), "tcp", "contoso.sharepoint.com:443")
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"20.190.128.1", "2603:1020::1", "64:ff9b::14be:8001"} {
		if !public(netip.MustParseAddr(addr)) {
			t.Errorf("%s is public", addr)
		}
	}
}

func TestANameThatResolvesToThisMachineReachesNothing(t *testing.T) {
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the trap was reached") }))
	defer trap.Close()
	u, _ := url.Parse(trap.URL)
	p, err := newPolicy(Cloud{Name: CloudCustom, Graph: "https://graph.example.org:" + u.Port()}, []string{"rebind.example"}, true)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialer{policy: p, lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	if _, err := d.dial(t.Context(), "tcp", "rebind.example:"+u.Port()); !errors.Is(err, ErrAddress) {
		t.Fatalf("%v", err)
	}
}

func FuzzAcceptedAddressesAreAllowedAndUnchanged(f *testing.F) {
	for _, raw := range hostileAddresses("contoso.sharepoint.com") {
		f.Add(raw)
	}
	f.Add("https://contoso.sharepoint.com/_layouts/15/download.aspx?a=%2f")
	p := worldPolicy(f)
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := p.content(raw)
		if err != nil {
			if !errors.Is(err, ErrAddress) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		host := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(u.Host, ":443"), ":"))
		ok := false
		for _, suffix := range p.suffixes {
			ok = ok || host == suffix || strings.HasSuffix(host, "."+suffix)
		}
		if !ok || u.Scheme != "https" {
			t.Fatalf("%q leads to %s", raw, u.Host)
		}
		tail := raw[len("https://")+len(u.Host):]
		if sent := newRequest(u).URL.RequestURI(); sent != tail && !(strings.TrimPrefix(sent, "/") == tail) {
			t.Fatalf("%q would be sent as %q", raw, sent)
		}
	})
}

func TestSegmentsAreEscapedSoThatNothingIsSyntax(t *testing.T) {
	for name, want := range map[string]string{
		"100% #1's.txt": "100%25%20%231%27s.txt", "b!aB-_9": "b!aB-_9", "a/b?c": "a%2Fb%3Fc", "x:y;z": "x%3Ay%3Bz", "é": "%C3%A9", "%2e": "%252e",
		"host,guid,guid": "host,guid,guid",
	} {
		if got := escape(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if back, err := url.PathUnescape(escape(name)); err != nil || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	}
}

func TestATenantInsideTheProcessIsReachedThroughItsOwnDialOnly(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	var dialled string
	here := errors.New("dialled")
	c := Options{
		Cloud: Cloud{Name: "global", Graph: "https://graph.microsoft.com"}, Tokens: &sequence{},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) { dialled = address; return nil, here },
	}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	u, _ := client.policy.api("https://graph.microsoft.com/v1.0/x")
	if _, err := client.plain[0].RoundTrip(newRequest(u)); !errors.Is(err, here) || dialled != "graph.microsoft.com:443" {
		t.Errorf("%v, dialled %q", err, dialled)
	}
	if _, err := client.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://evil.example/x")}); !errors.Is(err, ErrAddress) {
		t.Errorf("the policy does not hold: %v", err)
	}
}
