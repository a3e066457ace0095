package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// TestATenantOnLoopbackMaySpeakPlainHTTP signs in to and mirrors from a tenant without TLS, with a
// secret that comes from the environment: on loopback that needs no consent.
func TestATenantOnLoopbackMaySpeakPlainHTTP(t *testing.T) {
	w := newWorld(t, sandbox.DriveSpec{Files: []sandbox.FileSpec{{Path: "a.txt", Text: "plain"}, {Path: "sub/b.bin", Size: 100_000}}})
	plain, err := w.tenant.Start(context.Background(), sandbox.ServeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	text, err := os.ReadFile(w.path("main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("main.hcl", strings.NewReplacer(
		w.server.GraphURL, plain.GraphURL, w.server.LoginURL, plain.LoginURL,
		`ca_file = "ca.pem"`, "", "client_secret = var.secret", "",
	).Replace(string(text)))
	w.env = append(os.Environ(), "SPMIRROR_VAR_secret=unused", "ARM_CLIENT_SECRET="+sandbox.DemoSecret)
	if !strings.HasPrefix(plain.LoginURL, "http://127.0.0.1:") {
		t.Fatalf("the login is at %s", plain.LoginURL)
	}
	w.run(exitOK, "apply", "-auto-approve")
	if data, err := os.ReadFile(w.path("mirror/a.txt")); err != nil || string(data) != "plain" {
		t.Errorf("the file holds %q, error %v", data, err)
	}
	w.matchesTenant()
}
