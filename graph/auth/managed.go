package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
)

// managedIdentity signs in as the machine or service that the program runs on (A10, A11). MSAL finds
// the endpoint from the environment and repeats transient failures itself.
type managedIdentity struct {
	config Config
	client *http.Client
}

func newManagedIdentity(c Config) *managedIdentity {
	client := c.HTTPClient
	if client == nil {
		// The endpoints are link-local or loopback: a proxy must never see them.
		client = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: attemptLimit}}
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &managedIdentity{config: c, client: &direct}
}

func (m *managedIdentity) acquire(ctx context.Context, w wish) (grant, error) {
	id := managedidentity.SystemAssigned()
	if m.config.ClientID != "" {
		id = managedidentity.UserAssignedClientID(m.config.ClientID)
	}
	client, err := managedidentity.New(id, managedidentity.WithHTTPClient(m.client))
	if err != nil {
		return grant{}, toError(ManagedIdentity, err, "")
	}
	// MSAL caches these tokens for the whole process. The Source already holds the one in use, so
	// whatever is asked for here must come from the endpoint. Claims are not sent: managed
	// identities have no continuous access evaluation (A16).
	result, err := client.AcquireToken(ctx, m.config.scope(), managedidentity.WithClaims(ignoreCache))
	if err != nil {
		return grant{}, toError(ManagedIdentity, err, "")
	}
	return newGrant(result.AccessToken, w.claims, result.ExpiresOn, result.Metadata.RefreshOn, time.Now()), nil
}
