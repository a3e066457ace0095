package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spmirror/spmirror/sandbox"
)

// BenchmarkWide measures whole commands against a tenant of SPMIRROR_BENCH_SITES sites (several numbers separated by commas), each
// with one library of three small files, and one mirror for each by way of a data block. Beside what BenchmarkScale reports it counts
// the requests. BENCHMARKS.md quotes it.
func BenchmarkWide(b *testing.B) {
	list := os.Getenv("SPMIRROR_BENCH_SITES")
	if list == "" {
		b.Skip("runs with SPMIRROR_BENCH_SITES=500,2000")
	}
	bin := buildBinary(b)
	for _, sites := range strings.Split(list, ",") {
		dir := b.TempDir()
		s := servedScale(b, bin, dir, exec.Command("wide-tenant", sites, filepath.Join(dir, "ca.pem")), wideMirrors)
		for _, c := range []struct{ name, command string }{
			{"first-plan", "plan -compact"}, {"first-apply", "apply -auto-approve -compact"}, {"no-change-plan", "plan"},
			{"no-change-plan-recorded", "plan -refresh=false"}, {"no-change-apply", "apply -auto-approve"}, {"status", "status"},
			{"show", "show"}, {"show-json", "show -json"}, {"state-list-json", "state list -json"},
		} {
			b.Run(c.name+"/"+sites, func(b *testing.B) {
				for b.Loop() {
					s.admin(b, http.MethodPost, "reset", nil)
					s.run(b, strings.Fields(c.command)...)
					var stats sandbox.Stats
					if err := json.Unmarshal(s.admin(b, http.MethodGet, "stats", nil), &stats); err != nil {
						b.Fatal(err)
					}
					var requests int64
					for _, n := range stats.Calls {
						requests += n
					}
					b.ReportMetric(float64(requests), "requests")
				}
			})
		}
	}
}

const wideMirrors = `
data "sites" "all" {
  url_prefix  = "https://contoso.sharepoint.com/sites/"
  max_results = 100000
}

mirror "site" {
  for_each = data.sites.all.sites
  site_id  = each.value.id
  target   = "./mirror/${each.value.name}"
}
`

// wideTenant is a program that serves such a tenant: wide-tenant SITES CA-FILE.
func wideTenant() {
	sites, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = serveWide(sites, os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveWide(sites int, ca string) error {
	o := sandbox.Demo(1)
	o.Sites = o.Sites[:1]
	for i := range sites {
		o.Sites = append(o.Sites, sandbox.SiteSpec{Path: fmt.Sprintf("sites/s%05d", i), Name: fmt.Sprintf("Site %05d", i), Drives: []sandbox.DriveSpec{
			{Name: "Documents", Segment: "Shared Documents", Generate: &sandbox.Generate{Files: 3, MinSize: 64, MaxSize: 64}},
		}})
	}
	tenant, err := sandbox.New(o)
	if err != nil {
		return err
	}
	defer tenant.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server, err := tenant.Start(ctx, sandbox.ServeOptions{TLS: true})
	if err != nil {
		return err
	}
	defer server.Close()
	if err := os.WriteFile(ca, server.CAPEM(), 0o600); err != nil {
		return err
	}
	fmt.Printf("Graph %s/v1.0\nLogin %s/%s\n", server.GraphURL, server.LoginURL, tenant.TenantID())
	<-ctx.Done()
	return nil
}
