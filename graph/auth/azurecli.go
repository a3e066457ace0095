package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"time"
)

// azureCLI borrows the login of the az program. The program and its arguments are fixed; nothing of
// the configuration but the validated tenant and the resource reaches them, so that planning a
// stranger's branch cannot run anything else.
type azureCLI struct {
	config Config
	run    func(ctx context.Context, args ...string) ([]byte, error)
}

func newAzureCLI(c Config) *azureCLI { return &azureCLI{config: c, run: runAz} }

func (a *azureCLI) acquire(ctx context.Context, w wish) (grant, error) {
	if w.claims != "" {
		return grant{}, &Error{Method: AzureCLI, Message: "Graph demands a new sign-in (claims challenge), which az cannot do silently", Advice: "Run az logout and az login."}
	}
	out, err := a.run(ctx, "account", "get-access-token", "--output", "json",
		"--resource", strings.TrimSuffix(a.config.Graph, "/"), "--tenant", a.config.TenantID)
	if err != nil {
		return grant{}, toError(AzureCLI, err, "")
	}
	var answer struct {
		AccessToken string `json:"accessToken"`
		ExpiresOn   int64  `json:"expires_on"` // Unix time; az 2.54 and later
		LocalExpiry string `json:"expiresOn"`  // local time, older versions
	}
	if json.Unmarshal(out, &answer) != nil || answer.AccessToken == "" {
		return grant{}, &Error{Method: AzureCLI, Message: "az did not answer with a token"}
	}
	expires := time.Unix(answer.ExpiresOn, 0)
	if answer.ExpiresOn == 0 {
		if expires, err = time.ParseInLocation("2006-01-02 15:04:05.999999", answer.LocalExpiry, time.Local); err != nil {
			return grant{}, &Error{Method: AzureCLI, Message: "az did not say when its token expires"}
		}
	}
	return newGrant(answer.AccessToken, "", expires, time.Time{}, time.Now()), nil
}

func runAz(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "az", args...)
	cmd.WaitDelay = 5 * time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, &Error{Message: "the az program was not found", Advice: "Install the Azure CLI, or use another method."}
	}
	message := clean(complaint.String())
	if message == "" {
		message = "az: " + err.Error()
	}
	return nil, &Error{Message: message, Advice: "Run az login for this tenant."}
}
