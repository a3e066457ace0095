package auth

import (
	"context"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
)

// ignoreCache is an empty claims request. MSAL merges it with the capabilities, so that the request
// is the same as without, but does not answer it from its cache: there is no other way to make it
// pass over a token that was refused (Q76).
const ignoreCache = "{}"

// device signs in as a person. Token never starts a login by itself, because a pipeline would hang
// until the code expires; it uses the refresh token of the last Login and says when there is none.
type device struct {
	config Config
	cache  *cacheFile
	client public.Client
}

func newDevice(c Config) (*device, error) {
	path, err := cachePath(c)
	if err != nil {
		return nil, err
	}
	cache := &cacheFile{path: path}
	client, err := public.New(c.ClientID,
		public.WithAuthority(c.authority()),
		public.WithCache(cache),
		public.WithHTTPClient(newLoginDoer(c)),
		public.WithInstanceDiscovery(false),
		public.WithClientCapabilities(capabilities))
	if err != nil {
		return nil, toError(c.Method, err, "")
	}
	return &device{config: c, cache: cache, client: client}, nil
}

func (d *device) acquire(ctx context.Context, w wish) (grant, error) {
	if err := checkClaims(w.claims); err != nil {
		return grant{}, toError(DeviceCode, err, "")
	}
	accounts, err := d.client.Accounts(ctx)
	if err != nil {
		return grant{}, toError(DeviceCode, err, "")
	}
	if len(accounts) == 0 {
		return grant{}, &Error{Method: DeviceCode, Message: "nobody is logged in", Advice: "Run spmirror login.", LoginRequired: true}
	}
	options := []public.AcquireSilentOption{public.WithSilentAccount(accounts[0])}
	switch {
	case w.claims != "":
		options = append(options, public.WithClaims(w.claims))
	case w.fresh:
		options = append(options, public.WithClaims(ignoreCache))
	}
	result, err := d.client.AcquireTokenSilent(ctx, []string{d.config.scope()}, options...)
	if err != nil {
		return grant{}, toError(DeviceCode, err, "")
	}
	return newGrant(result.AccessToken, w.claims, result.ExpiresOn, result.Metadata.RefreshOn, time.Now()), nil
}

// login runs the device code flow (A12) and leaves exactly one account in the cache.
func (d *device) login(ctx context.Context) (grant, error) {
	if d.config.Prompt == nil {
		return grant{}, &Error{Method: DeviceCode, Message: "nobody is there to enter a code"}
	}
	before, err := d.client.Accounts(ctx)
	if err != nil {
		return grant{}, toError(DeviceCode, err, "")
	}
	code, err := d.client.AcquireTokenByDeviceCode(ctx, []string{d.config.scope()})
	if err != nil {
		return grant{}, toError(DeviceCode, err, "")
	}
	d.config.Prompt(UserCode{
		Code:    clean(code.Result.UserCode),
		URL:     clean(code.Result.VerificationURL),
		Message: clean(code.Result.Message),
		Expires: code.Result.ExpiresOn,
	})
	result, err := code.AuthenticationResult(ctx)
	if err != nil {
		if ctx.Err() == nil && !time.Now().Before(code.Result.ExpiresOn) {
			err = &Error{Message: "the code expired before anyone entered it", Advice: adviceByCode["expired_token"]}
		}
		return grant{}, toError(DeviceCode, err, "")
	}
	for _, account := range before {
		if account.HomeAccountID == result.Account.HomeAccountID {
			continue
		}
		if err := d.client.RemoveAccount(ctx, account); err != nil {
			return grant{}, toError(DeviceCode, err, "")
		}
	}
	return newGrant(result.AccessToken, "", result.ExpiresOn, result.Metadata.RefreshOn, time.Now()), nil
}
