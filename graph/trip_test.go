package graph

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// zipped is a text as gzip packs it.
func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func TestARedirectToAPageForBrowsersIsTheRefusalItStandsFor(t *testing.T) {
	for location, want := range map[string]error{
		"https://contoso.sharepoint.com/sites/a/_layouts/15/Authenticate.aspx?Source=%2Fx": ErrURLExpired,
		"/_layouts/15/authenticate.aspx":                                                                 ErrURLExpired,
		"/_forms/default.aspx?ReturnUrl=/_layouts/15/error.aspx":                                         ErrURLExpired,
		"https://contoso.sharepoint.com/_layouts/15/AccessDenied.aspx":                                   ErrURLExpired,
		"https://login.microsoftonline.com/common/oauth2/authorize?client_id=x":                          ErrURLExpired,
		"https://LOGIN.microsoftonline.us/x":                                                             ErrURLExpired,
		"https://contoso.sharepoint.com/Throttle.htm":                                                    ErrThrottled,
		"/_layouts/15/throttle.htm?x":                                                                    ErrThrottled,
		"https://evil.example/login":                                                                     ErrAddress,
		"https://blogin.example/":                                                                        ErrAddress,
		"https://contoso.sharepoint.com/_layouts/15/download.aspx?UniqueId=authenticate.aspx&tempauth=x": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			c := over(t, func(req *http.Request) (*http.Response, error) {
				if asked++; strings.Contains(req.URL.Opaque, "download.aspx") {
					return response(200, "bytes"), nil
				}
				return response(302, "", "Location", location, "Retry-After", "3600"), nil
			})
			content, err := c.Open(t.Context(), ContentRequest{URL: NewSecretURL("https://contoso.sharepoint.com/first?tempauth=1")})
			if !errors.Is(err, want) || want != nil && asked != 1 {
				t.Errorf("%s: %v after %d requests", location, err, asked)
			}
			if err == nil {
				_ = content.Body.Close()
			}
		})
	}
}

func TestAThrottledDownloadAddressIsAThrottleAndNoAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := over(t, func(*http.Request) (*http.Response, error) {
			if asked++; asked == 1 {
				return response(302, "", "Location", "https://contoso.sharepoint.com/_layouts/15/Throttle.htm", "Retry-After", "40"), nil
			}
			return response(302, "", "Location", "https://contoso.sharepoint.com/x?tempauth=1"), nil
		})
		began := time.Now()
		address, err := c.DownloadURL(t.Context(), "d", "i")
		if err != nil || address.Reveal() != "https://contoso.sharepoint.com/x?tempauth=1" || time.Since(began) < 40*time.Second {
			t.Errorf("%q, %v after %s", address.Reveal(), err, time.Since(began))
		}
	})
}
