package config

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// suggestion returns the candidate that was most likely meant, or "".
func suggestion(given string, candidates []string) string {
	best, distance := "", 3 // two slips are a typing error, three another word
	for _, candidate := range candidates {
		if strings.EqualFold(given, candidate) {
			return candidate
		}
		if len(given) > 64 || len(given) <= 2 {
			continue
		}
		if d := levenshtein.Distance(given, candidate, nil); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// didYouMean returns " Did you mean "x"?" or "".
func didYouMean(given string, candidates []string) string {
	if s := suggestion(given, candidates); s != "" {
		return ` Did you mean "` + s + `"?`
	}
	return ""
}

// wordList prints "a", "b" and "c".
func wordList(words []string, last string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = `"` + w + `"`
	}
	return joinWords(quoted, last)
}

func joinWords(words []string, last string) string {
	switch len(words) {
	case 0:
		return "none"
	case 1:
		return words[0]
	}
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " " + last + " " + words[end]
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
