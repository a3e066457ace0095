package graph

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func TestAClaimsChallengeReachesTheTokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims := `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
		for _, status := range []int{401, 403} {
			source := &sequence{}
			c := over(t, func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Authorization") == "Bearer token-0" {
					return jsonAnswer(status, "", "WWW-Authenticate", `PoP realm="x"`,
						"WWW-Authenticate", `Bearer claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`", realm="", error="insufficient_claims"`), nil
				}
				return jsonAnswer(200, driveBody), nil
			}, func(o *Options) { o.Tokens = source })
			if _, err := c.Drive(t.Context(), "d"); err != nil {
				t.Errorf("%d: %v", status, err)
			}
			if len(source.asked) != 1 || source.asked[0] != (TokenRequest{Claims: claims, Rejected: "token-0"}) {
				t.Errorf("%d: asked %+v", status, source.asked)
			}
		}
	})
}

func TestClaimsAreFoundInAnyChallenge(t *testing.T) {
	want := `{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}`
	std := base64.StdEncoding.EncodeToString([]byte(want))
	for value, found := range map[string]bool{
		`Bearer error="insufficient_claims", claims="` + std + `"`:                                                  true,
		`bearer CLAIMS="` + strings.TrimRight(std, "=") + `",ERROR=insufficient_claims`:                             true,
		`Bearer realm="a, b=\"c\"", claims=` + strings.TrimRight(std, "=") + `, error="x"`:                          true,
		`Bearer error = "insufficient_claims" , claims	= "` + std + `"`:                                             true,
		`Negotiate abc==, Bearer realm="", claims="` + std + `"`:                                                    true,
		`Bearer error="insufficient_claims", claims="` + strings.ReplaceAll(want, `"`, `\"`) + `"`:                  true,
		`Bearer error="invalid_token"`:                                                                              false,
		`Bearer error="insufficient_claims"`:                                                                        false,
		`Bearer error="insufficient_claims", claims="!!!"`:                                                          false,
		`Bearer error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte("no JSON")) + `"`: false,
		`Bearer error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte("[1]")) + `"`:     false,
		``: false, `=`: false, `"`: false, `claims="`: false, strings.Repeat("=", 1000): false,
	} {
		got := claimsChallenge(http.Header{"Www-Authenticate": {value}})
		if (got != "") != found || found && got != want {
			t.Errorf("%s: %q", value, got)
		}
	}
	example := recorded(t, "claims-challenge-401.http")
	if got := claimsChallenge(example.Header); got != `{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}` {
		t.Errorf("example: %q", got)
	}
}

func FuzzChallengesNeverBreakTheReader(f *testing.F) {
	f.Add(`Bearer realm="", error="insufficient_claims", claims="e30="`)
	f.Fuzz(func(t *testing.T, value string) {
		if got := claimsChallenge(http.Header{"Www-Authenticate": {value}}); got != "" && got[0] != '{' && strings.TrimSpace(got)[0] != '{' {
			t.Fatalf("%q", got)
		}
	})
}
