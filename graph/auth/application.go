package auth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// capabilities tells the login that claims challenges are understood, without which continuous
// access evaluation never sends one (A15).
var capabilities = []string{"cp1"}

// noRegion keeps the variable MSAL_FORCE_REGION from moving sign-ins to another host than the
// configured one.
const noRegion = "DisableMsalForceRegion"

// application signs in as an app registration with client credentials (A1).
//
// It makes a new MSAL client for every sign-in, about once an hour. That way the credential is read
// anew, and MSAL's own cache cannot return a token that was refused (Q76). The price is one more
// request for the discovery document.
//
// MSAL's instance discovery is off: it would ask login.microsoftonline.com whether the configured
// host is genuine, which is wrong for emulated logins and needless for hosts from the cloud table.
// MSAL still checks that the issuer in the discovery document belongs to the login.
type application struct {
	config     Config
	login      *doer
	credential credentialFunc
}

// credentialFunc reads the credential. The options are those that it needs from the client, and
// secret is a text to be struck out of whatever the login answers.
type credentialFunc func() (cred confidential.Credential, secret string, options []confidential.Option, err error)

func newApplication(c Config, credential credentialFunc) *application {
	return &application{config: c, login: newLoginDoer(c), credential: credential}
}

func (a *application) acquire(ctx context.Context, w wish) (grant, error) {
	if err := checkClaims(w.claims); err != nil {
		return grant{}, toError(a.config.Method, err, "")
	}
	cred, secret, options, err := a.credential()
	if err != nil {
		return grant{}, toError(a.config.Method, err, secret)
	}
	options = append(options,
		confidential.WithHTTPClient(a.login),
		confidential.WithInstanceDiscovery(false),
		confidential.WithAzureRegion(noRegion),
		confidential.WithClientCapabilities(capabilities))
	client, err := confidential.New(a.config.authority(), a.config.ClientID, cred, options...)
	if err != nil {
		return grant{}, toError(a.config.Method, err, secret)
	}
	var ask []confidential.AcquireByCredentialOption
	if w.claims != "" {
		ask = append(ask, confidential.WithClaims(w.claims))
	}
	result, err := client.AcquireTokenByCredential(ctx, []string{a.config.scope()}, ask...)
	if err != nil {
		return grant{}, toError(a.config.Method, err, secret)
	}
	return newGrant(result.AccessToken, w.claims, result.ExpiresOn, result.Metadata.RefreshOn, time.Now()), nil
}

// secretCredential signs in with a client secret.
func secretCredential(read func() (string, error)) credentialFunc {
	return func() (confidential.Credential, string, []confidential.Option, error) {
		secret, err := read()
		if err != nil {
			return confidential.Credential{}, secret, nil, &Error{Message: "client secret: " + clean(err.Error())}
		}
		cred, err := confidential.NewCredFromSecret(secret)
		if err != nil {
			return cred, "", nil, &Error{Message: "the client secret is empty", Advice: "Set client_secret, client_secret_file_path or ARM_CLIENT_SECRET."}
		}
		return cred, secret, nil, nil
	}
}

// SecretFile returns a reader of a secret in a file, without the line end that editors add. The
// file is read for every sign-in.
func SecretFile(path string) func() (string, error) {
	return func() (string, error) {
		data, err := readSmallFile(path, maxTokenFile)
		return strings.TrimRight(string(data), "\r\n"), err
	}
}

// checkClaims wants the decoded JSON of a challenge; MSAL would send anything else on as it is.
func checkClaims(claims string) error {
	var object map[string]json.RawMessage
	if claims != "" && json.Unmarshal([]byte(claims), &object) != nil {
		return errors.New("the claims challenge is not a JSON object")
	}
	return nil
}
