package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// bare downloads files without doing anything else: no plan, no hash, no temporary
// names, no records. It is the limit that BenchmarkThroughput compares with.
type bare struct {
	client  *http.Client
	workers int
	graph   string
	drive   string
}

// bareFile is a file to be downloaded.
type bareFile struct{ address, path string }

func newBare(b *testing.B, s served, ca string, workers int) *bare {
	b.Helper()
	pool, err := readCA(ca)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: workers,
		ReadBufferSize: 64 << 10, DisableCompression: true,
	}
	return &bare{client: &http.Client{Transport: transport}, workers: workers, graph: s.graph, drive: s.drive}
}

// run downloads everything into a directory. What it takes to learn the addresses
// and to make the folders does not count.
func (l *bare) run(b *testing.B, dir string) cost {
	b.Helper()
	files, err := l.list(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	before, start := ownCPU(b), time.Now()
	errs := make(chan error, l.workers)
	work := make(chan bareFile)
	var g sync.WaitGroup
	for range l.workers {
		g.Go(func() {
			buf := make([]byte, 1<<20)
			for f := range work {
				if err := l.get(f, buf); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for _, f := range files {
		work <- f
	}
	close(work)
	g.Wait()
	c := cost{wall: time.Since(start).Seconds(), cpu: ownCPU(b) - before}
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
	return c
}

func (l *bare) get(f bareFile, buf []byte) error {
	resp, err := l.client.Get(f.address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("download: %s", resp.Status)
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{file}, resp.Body, buf); err != nil {
		return err
	}
	return file.Sync()
}

// list reads the delta of the drive.
func (l *bare) list(dir string) ([]bareFile, error) {
	var files []bareFile
	next := l.graph + "/v1.0/drives/" + l.drive + "/root/delta"
	for next != "" {
		req, err := http.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+sandbox.DemoToken)
		req.Header.Set("Accept", "application/json")
		var page struct {
			Next  string `json:"@odata.nextLink"`
			Value []struct {
				Name   string
				File   *struct{}
				Parent struct{ Path string } `json:"parentReference"`
				URL    string                `json:"@microsoft.graph.downloadUrl"`
			}
		}
		if err := l.page(req, &page); err != nil {
			return nil, err
		}
		for _, it := range page.Value {
			if it.File != nil {
				_, folder, _ := strings.Cut(it.Parent.Path, "root:")
				files = append(files, bareFile{it.URL, filepath.Join(dir, folder, it.Name)})
			}
		}
		next = page.Next
	}
	return files, nil
}

func (l *bare) page(req *http.Request, into any) error {
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("list: %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// ownCPU is the CPU time of this process.
func ownCPU(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
