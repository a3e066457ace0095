package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// TestRcloneAndSpmirrorMirrorTheSameTenant serves one directory by `spmirror
// sandbox serve` and mirrors it with rclone and with spmirror: the two mirrors
// equal the directory, so sandbox and client agree with a client that knows only
// the real service. Long tier; rclone is the Debian package.
func TestRcloneAndSpmirrorMirrorTheSameTenant(t *testing.T) {
	if !long() {
		t.Skip("runs with SPMIRROR_LONG=1")
	}
	rclone := needsRclone(t)
	dir, place, bin := t.TempDir(), t.TempDir(), buildBinary(t)
	plant(t, dir)
	as := func(name string) string { return filepath.Join(place, name) }

	// The packaged rclone sends its token along to content hosts, which some of them accept (C2).
	if err := os.WriteFile(as("script.txt"), []byte("behave acceptContentAuthorization=true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, bin, "-directory="+dir, "-script="+as("script.txt"), "-proxy", "-ca-out="+as("real.pem"),
		"-public-graph=https://graph.microsoft.com", "-public-content=*")
	conf := fmt.Sprintf("[sp]\ntype = onedrive\nregion = global\ndrive_id = %s\ndrive_type = documentLibrary\ntoken = %s\n",
		s.drive, `{"access_token":"`+sandbox.DemoToken+`","token_type":"Bearer","refresh_token":"r","expiry":"2099-01-01T00:00:00Z"}`)
	if err := os.WriteFile(as("rclone.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	cmd := exec.Command(rclone, "--config", as("rclone.conf"), "--ca-cert", as("real.pem"), "sync", "sp:", as("rclone"), "--create-empty-src-dirs")
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+s.proxy, "HTTP_PROXY=", "NO_PROXY=", "https_proxy=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rclone sync: %v\n%s", err, out)
	}
	t.Logf("rclone took %s", time.Since(start).Round(time.Millisecond))
	silentDiff(t, dir, as("rclone"))

	// The same directory for spmirror, which signs in at the login host of the sandbox.
	s = serve(t, bin, "-directory="+dir, "-ca-out="+as("ca.pem"))
	config := emulated(s.tenant, s.graph, s.login, strconv.Quote(sandbox.DemoSecret)) + `
mirror "docs" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "spmirror"
}
`
	if err := os.WriteFile(as("main.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if out, err := exec.Command(bin, "-chdir="+place, "apply", "-auto-approve").CombinedOutput(); err != nil {
		t.Fatalf("spmirror apply: %v\n%s", err, out)
	}
	t.Logf("spmirror took %s", time.Since(start).Round(time.Millisecond))
	silentDiff(t, dir, as("spmirror"))
	silentDiff(t, as("rclone"), as("spmirror"))
}

// needsRclone finds rclone, installing the Debian package where that is allowed.
func needsRclone(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("rclone"); err == nil {
		return path
	}
	if os.Geteuid() != 0 {
		t.Skip("rclone is not installed; as root it would be: apt-get install rclone")
	}
	if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "rclone").CombinedOutput(); err != nil {
		t.Skipf("rclone is not installed and cannot be (apt-get install rclone): %v\n%s", err, out)
	}
	path, err := exec.LookPath("rclone")
	if err != nil {
		t.Skip(err)
	}
	return path
}

// served is what a running sandbox says of itself.
type served struct{ graph, login, tenant, proxy, drive string }

// serve runs `spmirror sandbox serve` until the test ends.
func serve(t testing.TB, bin string, args ...string) served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, append([]string{"sandbox", "serve", "-listen=127.0.0.1:0"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // ended by the signal
	})
	var s served
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "Graph":
			s.graph = strings.TrimSuffix(words[1], "/v1.0")
		case "Login":
			i := strings.LastIndex(words[1], "/")
			s.login, s.tenant = words[1][:i], words[1][i+1:]
		case "Proxy":
			s.proxy = words[1]
		case "Drive":
			if strings.Contains(words[2], "/sites/people/") {
				s.drive = words[1]
				return s
			}
		}
	}
	t.Fatalf("the sandbox did not say where it serves: %+v, %v", s, lines.Err())
	return s
}

// silentDiff compares two trees with diff -r, which must have nothing to say.
func silentDiff(t *testing.T, a, b string) {
	t.Helper()
	if out, err := exec.Command("diff", "-r", "--exclude=.spmirror", a, b).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("diff -r %s %s: %v\n%s", a, b, err, out)
	}
}
