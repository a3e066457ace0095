package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spmirror/spmirror/config"
)

func TestTheClientIDMayLieInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client-id")
	if err := os.WriteFile(file, []byte("11111111-2222-3333-4444-555555555555\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tenant := &config.Tenant{Environment: "global", Auth: config.Auth{Method: "client_secret", ClientIDFile: file}}
	a, err := authConfig(tenant)
	if err != nil || a.ClientID != "11111111-2222-3333-4444-555555555555" {
		t.Errorf("client id %q, error %v", a.ClientID, err)
	}
	tenant.Auth.ClientIDFile += "-missing"
	if _, err := authConfig(tenant); err == nil {
		t.Error("a missing file is no error")
	}
	tenant.Auth.ClientID = "written"
	if a, err := authConfig(tenant); err != nil || a.ClientID != "written" {
		t.Errorf("client id %q, error %v", a.ClientID, err)
	}
}
