package config

import (
	"os"
	"strings"
	"testing"
)

// TestTheQuickStartIsValid is replaced by the test of all examples.
func TestTheQuickStartIsValid(t *testing.T) {
	cfg, diags := Load(Options{Dir: "../examples", File: "quickstart.hcl", ToolVersion: "0.1.0"})
	var b strings.Builder
	_ = WriteDiagnostics(&b, diags, cfg.Sources, TextOptions{})
	if diags.HasErrors() || len(cfg.Mirrors) != 1 {
		t.Fatalf("mirrors %d\n%s", len(cfg.Mirrors), b.String())
	}
	_ = os.Stdout
}
