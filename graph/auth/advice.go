package auth

// transientAADSTS are errors of the login itself, answered with status 400 at times.
var transientAADSTS = map[int]bool{
	50196: true, // client request loop: too many of the same requests
	90006: true, // external server error
	90024: true, // budget of the request exceeded
	90033: true, // service temporarily unavailable
}

// relogin says what a person has to do.
const relogin = "Run spmirror login and sign in again."

// adviceByNumber says what to do about the errors that users of app registrations meet.
var adviceByNumber = map[int]string{
	50020:   "The account does not exist in this tenant. Sign in with an account of the tenant, or check tenant_id.",
	50034:   "The account does not exist in this tenant. Check tenant_id and the account.",
	50105:   "The account is not assigned to the application. Assign it in Enterprise applications.",
	65001:   "Nobody has consented to the application's permissions. Let an administrator grant consent.",
	65005:   "The tenant does not let this application ask for its permissions. Let an administrator add the permissions and grant consent.",
	70011:   "The requested scope is not known. Check environment and endpoints: tokens are per cloud.",
	90002:   "The tenant does not exist in this cloud. Check tenant_id and environment.",
	90072:   "The account is a guest or belongs to another tenant. Sign in with an account of this tenant.",
	500011:  "Graph is not known to this tenant under that address. Check environment and endpoints: tokens are per cloud.",
	700016:  "The application is not in this tenant. Check client_id and tenant_id, and that the application was installed there.",
	700024:  "The assertion is outside of its validity. Check this machine's clock.",
	700027:  "The certificate is not the one of the app registration. Upload this certificate, or configure the registered one.",
	700082:  relogin + " The stored login has been unused for too long.",
	700084:  relogin,
	700211:  "No federated credential of the application matches the token's issuer. Add one with the issuer named above.",
	700212:  "No federated credential of the application matches the token's audience, normally api://AzureADTokenExchange.",
	700213:  "No federated credential of the application matches the token's subject (repository, branch, environment, service account). Add one with the subject named above.",
	70021:   "No federated credential of the application matches this token. Compare its issuer, subject and audience with the federated credentials of the app registration.",
	900023:  "tenant_id is neither an id nor a domain of this cloud.",
	1000502: "The certificate is outside of its validity. Upload a new one.",
	7000112: "The application is disabled in this tenant. Enable it in Enterprise applications.",
	7000215: "The client secret is wrong. Use the secret's value, not its id, and check that it belongs to client_id.",
	7000218: "The application does not allow public client flows. Switch them on under Authentication of the app registration, or use another method.",
	7000222: "The client secret has expired. Create a new one, or better use a certificate or a federated credential.",
}

// interactive are the errors that only a person can resolve by signing in.
var interactive = map[int]bool{
	50055: true, 50058: true, 50072: true, 50074: true, 50076: true, 50078: true, 50079: true, 50173: true,
	65004: true, 70008: true, 70043: true, 70044: true, 700003: true, 700082: true, 700084: true,
}

// conditionalAccess are refusals by a policy of the tenant.
var conditionalAccess = map[int]bool{50005: true, 50097: true, 53000: true, 53001: true, 53002: true, 53003: true, 53011: true, 530032: true, 530034: true, 530036: true}

var adviceByCode = map[string]string{
	"authorization_declined": "The sign-in was declined. Run spmirror login again.",
	"access_denied":          "The sign-in was declined. Run spmirror login again.",
	"expired_token":          "The code has expired. Run spmirror login again.",
	"bad_verification_code":  "The code was not recognised. Run spmirror login again.",
	"invalid_client":         "Check client_id and its credential.",
	"unauthorized_client":    "Check client_id and tenant_id, and that the application was installed in the tenant.",
	"invalid_tenant":         "The tenant does not exist in this cloud. Check tenant_id and environment.",
}

// advise says what to do next, from the most to the least specific knowledge.
func advise(e *Error) (advice string, loginRequired bool) {
	login := e.Method == DeviceCode && (interactive[e.AADSTS] || e.Code == "invalid_grant" || e.Code == "interaction_required")
	switch {
	case adviceByNumber[e.AADSTS] != "":
		return adviceByNumber[e.AADSTS], login
	case conditionalAccess[e.AADSTS]:
		return "A Conditional Access policy of the tenant blocks this sign-in (device codes are often blocked). Use another method, or ask the tenant's administrator.", login
	case login:
		return relogin, true
	case e.transient:
		return "The login is not available. Run again later.", false
	}
	return adviceByCode[e.Code], false
}
