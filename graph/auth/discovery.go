package auth

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// discoveryPath ends the address of the document that names the endpoints of a tenant.
const discoveryPath = "/.well-known/openid-configuration"

// lacksDiscovery tells whether a login says that it has no discovery document. An emulated one may
// have the token endpoint alone.
func lacksDiscovery(req *http.Request, resp *http.Response) bool {
	return strings.HasSuffix(req.URL.Path, discoveryPath) && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed)
}

// wellKnown is the document that a login without one would have: the endpoints of Entra's second
// version, at their usual places on the host that was asked (A1, A12).
func wellKnown(req *http.Request) (*http.Response, error) {
	tenant := "https://" + req.URL.Host + strings.TrimSuffix(strings.TrimSuffix(req.URL.Path, discoveryPath), "/v2.0")
	body, err := json.Marshal(map[string]string{
		"issuer":                        tenant + "/v2.0",
		"authorization_endpoint":        tenant + "/oauth2/v2.0/authorize",
		"token_endpoint":                tenant + "/oauth2/v2.0/token",
		"device_authorization_endpoint": tenant + "/oauth2/v2.0/devicecode",
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}
