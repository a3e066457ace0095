package auth

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Method names a way to sign in, spelled as the label of an auth block.
type Method string

// The sign-in methods.
const (
	ClientSecret      Method = "client_secret"
	ClientCertificate Method = "client_certificate"
	OIDC              Method = "oidc"
	WorkloadIdentity  Method = "workload_identity"
	ManagedIdentity   Method = "managed_identity"
	AzureCLI          Method = "azure_cli"
	DeviceCode        Method = "device_code"
)

// Methods returns all sign-in methods in the order in which documentation lists them.
func Methods() []Method {
	return []Method{ClientSecret, ClientCertificate, OIDC, WorkloadIdentity, ManagedIdentity, AzureCLI, DeviceCode}
}

// Config says how to sign in. Method, TenantID, Login and Graph are always needed (managed_identity
// needs neither tenant nor login); the rest is per method.
//
// Secrets are functions, called anew for every token request, so that a rotated file or vault entry
// is picked up during a long run and no secret rests in a structure that someone may print.
type Config struct {
	Method   Method
	TenantID string // tenant id or verified domain; never "common" (A1)
	ClientID string
	Login    string // root of the login service, https://login.microsoftonline.com
	Graph    string // root of Graph; the scope is this plus "/.default" (A14)

	ClientSecret func() (string, error)
	Certificate  Certificate
	Federation   Federation

	TokenCachePath string         // device_code: file that keeps the login between runs; "": one in the user's configuration directory
	Prompt         func(UserCode) // device_code: shows the code during Login
	RootCAs        *x509.CertPool // authorities of the login; nil: those of the system
	HTTPClient     *http.Client   // in place of everything below MSAL; nil: RootCAs, TLS 1.2, proxy from the environment
}

// Certificate is the credential of client_certificate: a certificate with its RSA key, as
// unencrypted PEM or as PFX, from memory or from a file that is read anew for every token request.
type Certificate struct {
	Data      []byte // PEM or PFX; wins over Path
	Path      string
	Password  func() (string, error) // of a PFX; nil: none
	SendChain bool                   // send x5c for subject-name/issuer trust (A5)
}

// Federation tells where the token of a foreign identity provider comes from. Exactly one of Token,
// TokenFile and RequestURL is set.
type Federation struct {
	Token     func() (string, error)
	TokenFile string // read for every request: Kubernetes and others rotate it (A7)

	// RequestURL and RequestToken are those of GitHub Actions (A8) or, with ServiceConnectionID,
	// of Azure DevOps. Both must come from the same place: a configuration that sets the address
	// while the environment sets the token would send the pipeline's token anywhere.
	RequestURL          string
	RequestToken        string
	ServiceConnectionID string
	Audience            string // "": api://AzureADTokenExchange (A6)
}

// UserCode is what a person needs to finish a device login.
type UserCode struct {
	Code    string
	URL     string
	Message string // the service's own sentence, cleaned of control characters
	Expires time.Time
}

// String names the sign-in without any of its secrets.
func (c Config) String() string {
	return fmt.Sprintf("%s tenant %s client %s at %s", c.Method, c.TenantID, c.ClientID, c.Login)
}

// GoString is String, so that no formatting verb prints a secret.
func (c Config) GoString() string { return c.String() }

// tenantPattern accepts tenant ids and verified domains. It also keeps path segments, options of
// the az program and other foreign syntax out of the places where the tenant is pasted.
var tenantPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)

// notATenant lists first path segments that the login, or MSAL, understands as something else than
// one organisation.
var notATenant = map[string]bool{"common": true, "organizations": true, "consumers": true, "adfs": true, "dstsv2": true}

func (c Config) validate() error {
	wrong := func(message, advice string) error {
		return &Error{Method: c.Method, Message: message, Advice: advice}
	}
	if c.Method == "" {
		return wrong("no sign-in method", "Add one auth block to the tenant.")
	}
	if !c.Method.known() {
		return wrong(fmt.Sprintf("unknown sign-in method %q", string(c.Method)), "Use one of "+methodList()+".")
	}
	// To the login, Graph's root is only a name, so an emulated Graph on plain http is fine here.
	if u, err := url.Parse(c.Graph); err != nil || u.Host == "" || u.User != nil {
		return wrong("the Graph endpoint is not a URL", "Give the root of Graph, for example https://graph.microsoft.com.")
	}
	if c.Method == ManagedIdentity {
		return nil
	}
	if !tenantPattern.MatchString(c.TenantID) || notATenant[strings.ToLower(c.TenantID)] {
		return wrong(fmt.Sprintf("tenant_id %q does not name one tenant", c.TenantID),
			"Use the tenant's id or a verified domain such as contoso.onmicrosoft.com.")
	}
	if c.Method == AzureCLI {
		return nil
	}
	if c.ClientID == "" {
		return wrong("client_id is missing", "Set client_id to the application (client) id of the app registration.")
	}
	if err := checkLogin(c.Login); err != nil {
		return wrong("the login endpoint "+err.Error(), "Give the root of the login service, for example https://login.microsoftonline.com; plain http is used for a login on this machine (127.0.0.1, ::1, localhost) only.")
	}
	return c.validateMethod(wrong)
}

func (c Config) validateMethod(wrong func(message, advice string) error) error {
	switch c.Method {
	case ClientSecret:
		if c.ClientSecret == nil {
			return wrong("client_secret is missing", "Set client_secret, client_secret_file_path or ARM_CLIENT_SECRET.")
		}
	case ClientCertificate:
		if len(c.Certificate.Data) == 0 && c.Certificate.Path == "" {
			return wrong("no certificate", "Set client_certificate_path or ARM_CLIENT_CERTIFICATE_PATH.")
		}
	}
	return nil
}

func (m Method) known() bool {
	for _, known := range Methods() {
		if m == known {
			return true
		}
	}
	return false
}

func methodList() string {
	var names []string
	for _, m := range Methods() {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}

// checkLogin wants the root URL of the login: https (or http on loopback), a host, nothing after it.
// MSAL takes the first path segment of an authority as the tenant, so a root with a path would sign in
// to the wrong one.
func checkLogin(root string) error {
	u, err := url.Parse(root)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopbackName(u.Hostname())):
		return fmt.Errorf("%q is not https", clean(u.Redacted()))
	case u.Host == "" || u.User != nil:
		return fmt.Errorf("%q has no plain host", clean(u.Redacted()))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has more than a host", clean(root))
	}
	return nil
}
