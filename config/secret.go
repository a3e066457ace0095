package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printed form of a secret shows.
const redacted = "***"

// Secret is a credential read from a variable, a file or the environment. Every
// way to print it shows three asterisks, so a secret cannot reach a log, an error
// or a JSON document by accident; [Secret.Reveal] is the only door.
type Secret struct{ value string }

// NewSecret wraps a credential.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the credential. Call it at the last moment only.
func (s Secret) Reveal() string { return s.value }

// IsSet reports whether there is a credential at all.
func (s Secret) IsSet() bool { return s.value != "" }

// String hides the credential.
func (s Secret) String() string { return redacted }

// GoString hides the credential from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the credential from every verb, numbers and pointers included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the credential from encoders that ask for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the credential from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue hides the credential from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
