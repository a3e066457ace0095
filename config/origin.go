package config

import (
	"net/url"
	"strings"
)

// consentVariable names, outside of the configuration, the custom login that may have
// the credentials of this machine.
const consentVariable = "SPMIRROR_ALLOW_CUSTOM_LOGIN"

// proofs are the arguments that prove who we are; the others only say it.
var proofs = []string{"client_secret", "client_secret_file_path", "client_certificate_path", "client_certificate_password",
	"oidc_token", "oidc_token_file_path", "oidc_request_url", "oidc_request_token"}

// resolveOrigins decides by where a credential comes from whether it may be used. A
// configuration is reviewed, but planning a stranger's branch has to be safe before
// that: the branch must not be able to send what lies on the machine to a host that
// the branch names.
func (r *reader) resolveOrigins(values map[string]string, t *Tenant) {
	r.refuseMixedRequest(values)
	if t.Environment == "custom" && !t.local() {
		r.refuseCustomLogin(values, t.Endpoints.Login)
	}
}

// refuseMixedRequest wants the address that hands out identity tokens and the token for
// it from one place. Otherwise the pipeline's token would go to whatever address is
// written.
func (r *reader) refuseMixedRequest(values map[string]string) {
	const address, token = "oidc_request_url", "oidc_request_token"
	if values[address] == "" || values[token] == "" || r.has(address) == r.has(token) {
		return
	}
	written, found := address, token
	if r.has(token) {
		written, found = token, address
	}
	r.reject(written, CodeCredentialMixed, "Credential of two origins", "%s is written and %s comes from the environment, so one of them would be used where it was not meant for. Write both, or leave both to the environment.", written, found)
	delete(values, address)
	delete(values, token)
}

// refuseCustomLogin drops credentials that the configuration does not hold itself,
// from the environment or from files elsewhere on the machine, unless the user said
// outside of the configuration that this login may have them.
func (r *reader) refuseCustomLogin(values map[string]string, login string) {
	var host string
	if u, err := url.Parse(login); err == nil {
		host = u.Host
	}
	if host != "" && strings.EqualFold(r.session.env[consentVariable], host) {
		return
	}
	var taken []string
	for _, arg := range proofs {
		if values[arg] != "" && r.foreign(arg, values[arg]) {
			taken = append(taken, arg)
			delete(values, arg)
		}
	}
	if len(taken) == 0 {
		return
	}
	if host == "" {
		host = "its host and port"
	}
	r.session.fail(CodeCustomLogin, r.rng, "Credentials for a custom login", "With environment = \"custom\" the configuration itself names the host that receives credentials. %s would come from the environment or from a file outside the configuration directory, which is taken only with your consent: if the login %s is yours, set the environment variable %s=%s.",
		wordList(taken, "and"), visible(host), consentVariable, visible(host))
}

// foreign reports whether the value of an argument lies outside of the configuration.
func (r *reader) foreign(arg, value string) bool {
	if !r.has(arg) {
		return true
	}
	_, err := r.session.inside(value)
	return strings.HasSuffix(arg, "_path") && err != nil
}
