package graph

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

const maxClaims = 16 << 10

// claimsChallenge finds the claims that a refused token lacked, decoded, "" if the answer asks for none (A15). There may
// be several headers and several challenges in one, with their parameters in any order.
func claimsChallenge(h http.Header) string {
	for _, value := range h.Values("WWW-Authenticate") {
		params := challengeParams(value)
		if !strings.EqualFold(params["error"], "insufficient_claims") && params["claims"] == "" {
			continue
		}
		if claims := decodeClaims(params["claims"]); claims != "" {
			return claims
		}
	}
	return ""
}

// challengeParams reads name=value pairs, quoted or not, blanks around the sign allowed. What is no pair, such as the name
// of the scheme, is passed over. The first value of a name counts.
func challengeParams(value string) map[string]string {
	params := map[string]string{}
	for {
		value = strings.TrimLeft(value, " \t,")
		at := strings.IndexAny(value, "= \t,")
		if at < 0 {
			return params
		}
		name := strings.ToLower(value[:at])
		value = strings.TrimLeft(value[at:], " \t")
		rest, pair := strings.CutPrefix(value, "=")
		if !pair {
			continue
		}
		var text string
		text, value = challengeValue(strings.TrimLeft(rest, " \t"))
		if _, have := params[name]; !have {
			params[name] = text
		}
	}
}

// challengeValue reads the value of a pair and returns the rest.
func challengeValue(value string) (text, rest string) {
	if inside, ok := strings.CutPrefix(value, `"`); ok {
		return quoted(inside)
	}
	if at := strings.IndexAny(value, " \t,"); at >= 0 {
		return value[:at], value[at:]
	}
	return value, ""
}

// quoted reads up to the closing quote and returns the rest.
func quoted(value string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			return b.String(), value[i+1:]
		case c == '\\' && i+1 < len(value):
			i++
			b.WriteByte(value[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// decodeClaims undoes Base64 in any of its spellings, or takes claims that are not encoded, and insists on a JSON object.
func decodeClaims(text string) string {
	if text == "" || len(text) > maxClaims {
		return ""
	}
	if isObject(text) {
		return text
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || !isObject(string(raw)) {
		return ""
	}
	return string(raw)
}

func isObject(text string) bool {
	return json.Valid([]byte(text)) && strings.HasPrefix(strings.TrimSpace(text), "{")
}
