package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

const (
	// exchangeAudience is what Entra expects as audience of a foreign token (A6).
	exchangeAudience = "api://AzureADTokenExchange"

	// azureDevOpsVersion is the API version of the pipeline's token endpoint.
	azureDevOpsVersion = "7.1"

	maxTokenFile = 64 << 10
)

// assertionSource returns a token of the foreign identity provider. It is asked for every sign-in,
// because such tokens are short-lived and rotated (A7, A8).
type assertionSource func(ctx context.Context) (string, error)

// federatedCredential signs in with a foreign token as client assertion (A6).
func federatedCredential(assertion assertionSource) credentialFunc {
	cred := confidential.NewCredFromAssertionCallback(func(ctx context.Context, _ confidential.AssertionRequestOptions) (string, error) {
		return assertion(ctx)
	})
	return func() (confidential.Credential, string, []confidential.Option, error) { return cred, "", nil, nil }
}

func newAssertionSource(c Config) (assertionSource, error) {
	f := c.Federation
	wrong := func(message, advice string) error {
		return &Error{Method: c.Method, Message: message, Advice: advice}
	}
	given := 0
	for _, set := range []bool{f.Token != nil, f.TokenFile != "", f.RequestURL != ""} {
		if set {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, wrong("more than one source for the federated token", "Give one of oidc_token, oidc_token_file_path and oidc_request_url.")
	case given == 0 && c.Method == WorkloadIdentity:
		return nil, wrong("no federated token file", "Set oidc_token_file_path or AZURE_FEDERATED_TOKEN_FILE.")
	case given == 0:
		return nil, wrong("no source for the federated token", "In GitHub Actions give the job the permission id-token: write; elsewhere set oidc_token_file_path.")
	case f.TokenFile != "":
		return fileAssertion(f.TokenFile), nil
	case f.Token != nil:
		return givenAssertion(f.Token), nil
	case f.RequestToken == "":
		return nil, wrong("oidc_request_url without oidc_request_token", "Address and token must come from the same place: set both, or neither.")
	}
	u, err := url.Parse(f.RequestURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, wrong("oidc_request_url is not an https address", "Use the address that the pipeline provides.")
	}
	return requestAssertion(c, u), nil
}

func fileAssertion(path string) assertionSource {
	return func(context.Context) (string, error) {
		data, err := readSmallFile(path, maxTokenFile)
		if err != nil {
			return "", &Error{Message: "federated token: " + err.Error(), Advice: "The file must be mounted into this job or pod."}
		}
		return nonEmpty(string(data))
	}
}

func givenAssertion(read func() (string, error)) assertionSource {
	return func(context.Context) (string, error) {
		token, err := read()
		if err != nil {
			return "", &Error{Message: "federated token: " + clean(err.Error())}
		}
		return nonEmpty(token)
	}
}

func nonEmpty(token string) (string, error) {
	if token = strings.TrimSpace(token); token == "" {
		return "", &Error{Message: "the federated token is empty"}
	}
	return token, nil
}

// requestAssertion asks the pipeline's own token service: GitHub Actions by GET (A8), Azure DevOps
// by POST with a service connection.
func requestAssertion(c Config, u *url.URL) assertionSource {
	f, service := c.Federation, newDoer(c, u.Host)
	query, method := u.Query(), http.MethodGet
	if f.ServiceConnectionID != "" {
		method = http.MethodPost
		query.Set("api-version", azureDevOpsVersion)
		query.Set("serviceConnectionId", f.ServiceConnectionID)
	} else {
		query.Set("audience", orDefault(f.Audience, exchangeAudience))
	}
	address := *u
	address.RawQuery = query.Encode()
	return func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
		if err != nil {
			return "", &Error{Message: "the address of the federated token is not usable"}
		}
		req.Header.Set("Authorization", "Bearer "+f.RequestToken)
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Content-Type", "application/json")
		return askForAssertion(service, req)
	}
}

func askForAssertion(service *doer, req *http.Request) (string, error) {
	resp, err := service.Do(req)
	if err != nil {
		return "", fmt.Errorf("federated token: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("federated token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", &Error{Status: resp.StatusCode, Message: fmt.Sprintf("the pipeline's token service at %s answered %d", req.URL.Host, resp.StatusCode),
			Advice: "In GitHub Actions give the job the permission id-token: write; in Azure DevOps map SYSTEM_ACCESSTOKEN into the step."}
	}
	var answer struct {
		Value     string `json:"value"`     // GitHub Actions
		OIDCToken string `json:"oidcToken"` // Azure DevOps
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", &Error{Message: "the pipeline's token service did not answer with JSON"}
	}
	return nonEmpty(orDefault(answer.Value, answer.OIDCToken))
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
