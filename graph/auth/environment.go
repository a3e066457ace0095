package auth

import (
	"encoding/base64"
	"strings"
)

// WithEnvironment fills what c leaves open from environment variables, named as the azuread
// provider of Terraform and the Azure SDKs name them. What the configuration sets is never replaced.
//
// An address and the token that is sent to it are taken together or not at all: a stranger's branch
// that sets its own oidc_request_url does not get the pipeline's token.
func (c Config) WithEnvironment(getenv func(string) string) Config {
	fill := func(field *string, names ...string) {
		for _, name := range names {
			if *field == "" {
				*field = getenv(name)
			}
		}
	}
	if c.Method == WorkloadIdentity {
		fill(&c.TenantID, "AZURE_TENANT_ID")
		fill(&c.ClientID, "AZURE_CLIENT_ID")
	}
	fill(&c.TenantID, "ARM_TENANT_ID")
	if c.Method != ManagedIdentity { // there, a client id selects another identity
		fill(&c.ClientID, "ARM_CLIENT_ID")
	}
	switch c.Method {
	case ClientSecret:
		if c.ClientSecret == nil {
			c.ClientSecret = valueOrFile(getenv("ARM_CLIENT_SECRET"), getenv("ARM_CLIENT_SECRET_FILE_PATH"))
		}
	case ClientCertificate:
		c.Certificate = c.Certificate.withEnvironment(getenv)
	case OIDC, WorkloadIdentity:
		c.Federation = c.Federation.withEnvironment(c.Method, getenv)
	}
	return c
}

// SecretFile returns a reader of a secret in a file, without the line end that editors add. The
// file is read for every sign-in.
func SecretFile(path string) func() (string, error) {
	return func() (string, error) {
		data, err := readSmallFile(path, maxTokenFile)
		return strings.TrimRight(string(data), "\r\n"), err
	}
}

func valueOrFile(value, path string) func() (string, error) {
	switch {
	case value != "":
		return func() (string, error) { return value, nil }
	case path != "":
		return SecretFile(path)
	}
	return nil
}

func (c Certificate) withEnvironment(getenv func(string) string) Certificate {
	if len(c.Data) == 0 && c.Path == "" {
		c.Path = getenv("ARM_CLIENT_CERTIFICATE_PATH")
		if encoded := getenv("ARM_CLIENT_CERTIFICATE"); encoded != "" {
			// A value that is not Base64 is kept: the parser of certificates says what is wrong.
			c.Data = []byte(encoded)
			if data, err := base64.StdEncoding.DecodeString(encoded); err == nil {
				c.Data = data
			}
		}
	}
	if c.Password == nil {
		c.Password = valueOrFile(getenv("ARM_CLIENT_CERTIFICATE_PASSWORD"), "")
	}
	return c
}

func (f Federation) withEnvironment(method Method, getenv func(string) string) Federation {
	if f.Token != nil || f.TokenFile != "" || f.RequestURL != "" || f.RequestToken != "" {
		return f
	}
	if method == WorkloadIdentity {
		f.TokenFile = orDefault(getenv("AZURE_FEDERATED_TOKEN_FILE"), getenv("ARM_OIDC_TOKEN_FILE_PATH"))
		return f
	}
	if f.Token = valueOrFile(getenv("ARM_OIDC_TOKEN"), ""); f.Token != nil {
		return f
	}
	if f.TokenFile = getenv("ARM_OIDC_TOKEN_FILE_PATH"); f.TokenFile != "" {
		return f
	}
	for _, pipeline := range []struct{ url, token string }{
		{"ARM_OIDC_REQUEST_URL", "ARM_OIDC_REQUEST_TOKEN"},
		{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"},
	} {
		f.RequestURL, f.RequestToken = getenv(pipeline.url), getenv(pipeline.token)
		if f.RequestURL != "" && f.RequestToken != "" {
			break
		}
	}
	if f.ServiceConnectionID == "" {
		f.ServiceConnectionID = orDefault(getenv("ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID"), getenv("ARM_OIDC_AZURE_SERVICE_CONNECTION_ID"))
	}
	return f
}
