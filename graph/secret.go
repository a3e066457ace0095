package graph

import (
	"fmt"
	"log/slog"
)

const hidden = "***"

// SecretURL is a pre-authenticated address: whoever has it can read the file without a login (C8). It prints as "***" in
// every way in which a value can print itself; only Reveal gives the address. It is kept behind a pointer, because fmt
// prints the unexported members of a struct without asking them. Two values are therefore not comparable by ==.
type SecretURL struct{ raw *string }

// NewSecretURL wraps an address; "" gives the zero value.
func NewSecretURL(raw string) SecretURL {
	if raw == "" {
		return SecretURL{}
	}
	return SecretURL{&raw}
}

// Reveal returns the address, "" if there is none. Do not store or print it.
func (u SecretURL) Reveal() string {
	if u.raw == nil {
		return ""
	}
	return *u.raw
}

// IsZero tells whether there is no address.
func (u SecretURL) IsZero() bool { return u.raw == nil }

// String hides the address.
func (u SecretURL) String() string { return u.shown() }

// GoString hides the address.
func (u SecretURL) GoString() string { return u.shown() }

// Format hides the address for every verb.
func (u SecretURL) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(u.shown())) }

// MarshalText hides the address.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.shown()), nil }

// MarshalJSON hides the address.
func (u SecretURL) MarshalJSON() ([]byte, error) { return []byte(`"` + u.shown() + `"`), nil }

// LogValue hides the address.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.shown()) }

func (u SecretURL) shown() string {
	if u.raw == nil {
		return ""
	}
	return hidden
}
