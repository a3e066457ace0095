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

// challengeParams reads name=value pairs, quoted or not. What is no pair, such as the name of the scheme, is passed over.
// The first value of a name counts.
func challengeParams(value string) map[string]string {
	params := map[string]string{}
	for len(value) > 0 {
		at := strings.IndexAny(value, "=, ")
		if at < 0 {
			break
		}
		name := strings.ToLower(strings.TrimSpace(value[:at]))
		sep := value[at]
		value = value[at+1:]
		if sep != '=' || name == "" {
			continue
		}
		var text string
		if strings.HasPrefix(value, `"`) {
			text, value = quoted(value[1:])
		} else if at := strings.IndexAny(value, ", "); at >= 0 {
			text, value = value[:at], value[at+1:]
		} else {
			text, value = value, ""
		}
		if _, have := params[name]; !have {
			params[name] = text
		}
	}
	return params
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

// decodeClaims undoes Base64 in any of its spellings and insists on a JSON object.
func decodeClaims(text string) string {
	if text == "" || len(text) > maxClaims {
		return ""
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || !json.Valid(raw) || !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return ""
	}
	return string(raw)
}
