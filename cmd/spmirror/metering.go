package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

func metricsFlag() cli.Flag {
	return &cli.StringFlag{Name: "metrics-file", Usage: "write metrics of the run to `FILE`, in the text format of Prometheus"}
}

// meterEvery is the time between two writings of the metrics while a command works.
const meterEvery = 15 * time.Second

// meter measures a command for -metrics-file. The nil meter measures nothing.
type meter struct {
	view.Watchers // none: only items are counted here
	file, command string
	now           func() time.Time
	began         time.Time
	log           func(text string)

	mu    sync.Mutex
	items *view.Metrics // of earlier runs, and the items of this one
	looks bool          // a watch is measured: its looks are what succeeds or fails
	pool  *pool         // whose traffic is measured
	stop  chan struct{}
	done  chan struct{}
}

// newMeter begins to measure, and writes the file once before any work so that a mistyped path costs nothing.
func newMeter(env *environment, c *cli.Command, command string) (*meter, error) {
	file := c.String("metrics-file")
	if file == "" {
		return nil, nil
	}
	m := &meter{
		file: file, command: command, now: env.now, began: env.now(), stop: make(chan struct{}), done: make(chan struct{}),
		log: func(text string) { fmt.Fprintln(env.stderr, view.Message(text)) },
	}
	if abs, err := filepath.Abs(file); err == nil {
		m.file = abs
	}
	var err error
	if m.items, err = readMetrics(file); err == nil {
		m.items.Set(view.MetricLastRun, seconds(m.began), "command", command)
		err = m.write(func(now *view.Metrics) { now.Set(view.MetricRunning, 1, "command", command) })
	}
	if err != nil {
		return nil, &problem{code: "SPM0039", summary: "The metrics cannot be written", err: err, detail: "Nothing was done."}
	}
	go m.loop()
	return m, nil
}

func readMetrics(file string) (*view.Metrics, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return view.NewMetrics(), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return view.ReadMetrics(f)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// measures lets the meter see the traffic of a session.
func (m *meter) measures(p *pool) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.pool = p
	m.mu.Unlock()
}

// measured keeps the traffic of a session whose connections are about to be closed.
func (m *meter) measured() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pool != nil && !m.pool.lent {
		m.pool.eachGate(func(tenant string, s graph.GateStats) { addTraffic(m.items, tenant, s) })
		m.pool = nil
	}
}

// closing keeps the traffic of one connection of a lent pool that is about to be closed.
func (m *meter) closing(tenant string, s graph.GateStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addTraffic(m.items, tenant, s)
}

// looked notes how a look of a watch ended. The file follows with its next writing.
func (m *meter) looked(began time.Time, code int) {
	if m == nil {
		return
	}
	ended := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks = true
	m.items.Set(view.MetricLastRun, seconds(began), "command", m.command)
	m.items.Set(view.MetricLastDuration, ended.Sub(began).Seconds(), "command", m.command)
	m.items.Set(view.MetricLastExit, float64(code), "command", m.command)
	if code == exitOK {
		m.items.Set(view.MetricLastSuccess, seconds(ended), "command", m.command)
	}
}

// loop writes the file while the command works.
func (m *meter) loop() {
	defer close(m.done)
	t := time.NewTicker(meterEvery)
	defer t.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-t.C:
			_ = m.write(func(now *view.Metrics) { now.Set(view.MetricRunning, 1, "command", m.command) }) // the last one is told of
		}
	}
}

// Item counts what became of a change.
func (m *meter) Item(r apply.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items.Add(view.MetricItems, 1, "mirror", r.Mirror, "result", resultName(r))
	if r.Outcome == apply.Failed {
		m.items.Add(view.MetricFailures, 1, "mirror", r.Mirror, "code", r.Code)
	}
	if r.Outcome == apply.Done && !r.Folder && (r.Action == plan.Add || r.Action == plan.Update) {
		m.items.Add(view.MetricDownloadedFiles, 1, "mirror", r.Mirror)
		m.items.Add(view.MetricDownloadedBytes, float64(r.Bytes), "mirror", r.Mirror)
	}
}

// resultName is the word of the summary line for a result.
func resultName(r apply.Result) string {
	if r.Outcome != apply.Done {
		return string(r.Outcome)
	}
	switch r.Action {
	case plan.Add:
		return "added"
	case plan.Delete:
		return "destroyed"
	case plan.Forget:
		return "forgotten"
	case plan.Adopt:
		return "imported"
	}
	return "changed"
}

// write replaces the file by what is known now.
func (m *meter) write(finish func(*view.Metrics)) error {
	m.mu.Lock()
	now := m.items.Clone()
	p := m.pool
	m.mu.Unlock()
	if p != nil {
		p.eachGate(func(tenant string, s graph.GateStats) { addTraffic(now, tenant, s) })
	}
	finish(now)
	return writeMetrics(m.file, now)
}

// addTraffic adds what a tenant was asked.
func addTraffic(m *view.Metrics, tenant string, s graph.GateStats) {
	for class, n := range s.Answers {
		status := "none"
		if class > 0 {
			status = fmt.Sprintf("%dxx", class)
		}
		m.Add(view.MetricRequests, float64(n), "tenant", tenant, "status", status)
	}
	m.Add(view.MetricUnits, float64(s.Units), "tenant", tenant)
	m.Add(view.MetricReceivedBytes, float64(s.Bytes), "tenant", tenant)
	m.Add(view.MetricRetries, float64(s.Retries), "tenant", tenant)
	m.Add(view.MetricHeals, float64(s.Renewals), "tenant", tenant, "what", "token")
	m.Add(view.MetricHeals, float64(s.Expired), "tenant", tenant, "what", "address")
	m.Add(view.MetricPauses, float64(s.Pauses), "tenant", tenant, "kind", string(graph.PauseAsked))
	m.Add(view.MetricPauseSeconds, s.PausedFor.Seconds(), "tenant", tenant, "kind", string(graph.PauseAsked))
	m.Add(view.MetricPauses, float64(s.Outages), "tenant", tenant, "kind", string(graph.PauseNetwork))
	m.Add(view.MetricPauseSeconds, s.LostFor.Seconds(), "tenant", tenant, "kind", string(graph.PauseNetwork))
}

// writeMetrics replaces the file as a whole. Others read it, and there is no secret in it.
func writeMetrics(name string, m *view.Metrics) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".spmirror-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = m.WriteTo(tmp)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// end writes the file for the last time: how the command ended.
func (m *meter) end(code int) {
	if m == nil {
		return
	}
	close(m.stop)
	<-m.done
	ended := m.now()
	failed := m.write(func(now *view.Metrics) {
		now.Set(view.MetricRunning, 0, "command", m.command)
		now.Add(view.MetricRuns, 1, "command", m.command, "result", view.ExitName(code))
		if m.looks {
			return
		}
		now.Set(view.MetricLastExit, float64(code), "command", m.command)
		now.Set(view.MetricLastDuration, ended.Sub(m.began).Seconds(), "command", m.command)
		if code == exitOK || code == exitChanges {
			now.Set(view.MetricLastSuccess, seconds(ended), "command", m.command)
		}
	})
	if failed != nil {
		m.log("Warning: the metrics were not written: " + failed.Error())
	}
}
