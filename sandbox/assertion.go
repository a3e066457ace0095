package sandbox

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// assertionType is the only client_assertion_type (A3).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxAssertionLife is how far exp may lie ahead; the page says 5 to 10 minutes (A3), the service is
// known to take more, an hour is where the sandbox becomes suspicious.
const maxAssertionLife = 3600

// checkAssertion checks a client assertion: signature by a registered certificate, audience, issuer,
// subject, times, and that it was not used before (A3, A4).
func (c *call) checkAssertion(app *App, text string) error {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return errors.New("the assertion is not a signed JWT")
	}
	var head struct {
		Alg  string `json:"alg"`
		S256 string `json:"x5t#S256"`
		S1   string `json:"x5t"`
	}
	var claims struct {
		Aud, Iss, Sub, Jti string
		Exp, Nbf           int64
	}
	if decodePart(parts[0], &head) != nil || decodePart(parts[1], &claims) != nil {
		return errors.New("the assertion cannot be decoded")
	}
	cert := findCertificate(app, head.S256, head.S1)
	if cert == nil {
		return errors.New("the key was not found by its thumbprint")
	}
	if err := verifyAssertion(cert, head.Alg, parts); err != nil {
		return err
	}
	now := c.start.Unix()
	switch {
	case !c.isTokenEndpoint(claims.Aud):
		return fmt.Errorf("the audience %q is not the token endpoint", claims.Aud)
	case !strings.EqualFold(claims.Iss, app.ClientID) || !strings.EqualFold(claims.Sub, app.ClientID):
		return errors.New("issuer and subject are not the client id")
	case claims.Jti == "":
		return errors.New("jti is missing")
	case claims.Exp <= now || claims.Exp > now+maxAssertionLife:
		return errors.New("the assertion is not within its valid time range")
	case claims.Nbf > now+300:
		return errors.New("the assertion is not yet valid")
	}
	return c.t.login.useOnce(app.ClientID+" "+claims.Jti, now, claims.Exp)
}

// useOnce refuses the second use of an assertion.
func (l *login) useOnce(id string, now, until int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, end := range l.used {
		if end < now {
			delete(l.used, k)
		}
	}
	if _, ok := l.used[id]; ok {
		return errors.New("the assertion was used before")
	}
	l.used[id] = until
	return nil
}

// isTokenEndpoint compares an audience with the address the request came to, by either name of the host.
// Without TLS, which is on loopback only, https is taken as well: libraries write nothing else.
func (c *call) isTokenEndpoint(aud string) bool {
	path := c.r.URL.Path
	if rest, secure := strings.CutPrefix(aud, "https://"); secure && c.r.TLS == nil && fromLoopback(c.r) {
		aud = "http://" + rest
	}
	return aud == c.loginOrigin()+path || aud == c.origin()+path
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// findCertificate finds the certificate a thumbprint names. Base64url is what the page says, standard
// Base64 with padding is what a widespread library writes; both are taken (A4).
func findCertificate(app *App, s256, s1 string) *x509.Certificate {
	for _, cert := range app.Certificates {
		long, short := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw)
		if s256 != "" && sameThumbprint(s256, long[:]) || s256 == "" && s1 != "" && sameThumbprint(s1, short[:]) {
			return cert
		}
	}
	return nil
}

func sameThumbprint(text string, sum []byte) bool {
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return plain == base64.RawURLEncoding.EncodeToString(sum)
}

func verifyAssertion(cert *x509.Certificate, alg string, parts []string) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the registered key is not an RSA key")
	}
	sig, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil {
		return errors.New("the signature cannot be decoded")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch alg {
	case "PS256":
		err = rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "RS256":
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
	default:
		return fmt.Errorf("the algorithm %q is not accepted", alg)
	}
	if err != nil {
		return errors.New("the signature is not valid")
	}
	return nil
}
