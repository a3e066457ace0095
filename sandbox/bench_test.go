package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkDeltaPages measures a full enumeration in items per second, compressed as over the wire.
func BenchmarkDeltaPages(b *testing.B) {
	const files = 200_000
	tn, err := New(Options{Seed: 1, StaticTokens: []string{DemoToken}, Users: []User{{UPN: "a@contoso.com", DisplayName: "A"}},
		Sites: []SiteSpec{{Path: "sites/big", Drives: []DriveSpec{{Name: "Documents", Generate: &Generate{Files: files, PerFolder: 100, MaxSize: 4096}}}}}})
	if err != nil {
		b.Fatal(err)
	}
	h, d := tn.Handler(), tn.Drive("big/Documents")
	for _, mode := range []struct{ name, encoding, query string }{{"plain", "", "?$top=1000"}, {"gzip", "gzip", "?$top=1000"},
		{"gzip select", "gzip", "?$top=1000&$select=id,name,size,eTag,cTag,file,folder,root,parentReference,fileSystemInfo,deleted"}} {
		b.Run(mode.name, func(b *testing.B) {
			items := 0
			for b.Loop() {
				for link := "https://graph.microsoft.com/v1.0" + driveURL(d, "/root/delta") + mode.query; link != ""; {
					r := httptest.NewRequest(http.MethodGet, link, nil)
					r.Header.Set("Authorization", "Bearer "+DemoToken)
					r.Header.Set("User-Agent", agent)
					r.Header.Set("Accept-Encoding", mode.encoding)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					link = nextOf(b, w)
					items += 1000
				}
			}
			b.ReportMetric(float64(items)/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// nextOf takes the nextLink from the head of a page without decoding the page.
func nextOf(b *testing.B, w *httptest.ResponseRecorder) string {
	b.Helper()
	var in io.Reader = w.Body
	if w.Header().Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			b.Fatal(err)
		}
		in = z
	}
	head := make([]byte, 2048)
	n, _ := io.ReadFull(in, head)
	_, rest, ok := bytes.Cut(head[:n], []byte(`"@odata.nextLink":`))
	if !ok {
		return ""
	}
	var link string
	if err := json.NewDecoder(bytes.NewReader(rest)).Decode(&link); err != nil {
		b.Fatal(err)
	}
	return link
}
