package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// write makes a configuration directory of files given as name, content pairs.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// text prints diagnostics as a user without a terminal sees them.
func text(t *testing.T, cfg *Config, diags hcl.Diagnostics) string {
	t.Helper()
	var out strings.Builder
	if err := WriteDiagnostics(&out, diags, cfg.Sources, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// load loads one file of configuration and expects no error.
func load(t *testing.T, opts Options, files ...string) *Config {
	t.Helper()
	opts.Dir = write(t, files...)
	cfg, diags := Load(opts)
	if diags.HasErrors() {
		t.Fatalf("unexpected errors:\n%s", text(t, cfg, diags))
	}
	return cfg
}

// broken loads files and expects errors; it returns their text.
func broken(t *testing.T, opts Options, files ...string) string {
	t.Helper()
	opts.Dir = write(t, files...)
	cfg, diags := Load(opts)
	if !diags.HasErrors() {
		t.Fatalf("loaded without an error:\n%s", text(t, cfg, diags))
	}
	return text(t, cfg, diags)
}

// demo is what most cases need besides what they are about.
const demo = `
tenant "demo" {
  sandbox {}
}
`
