package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
	"github.com/spmirror/spmirror/state"
)

const billsMirror = `
mirror "bills" {
  site   = "https://contoso.sharepoint.com/sites/finance"
  drive  = "Invoices"
  target = "bills"
}
`

// TestAYearOfWatching lives through a year in which people work and everything that can go wrong does (C7, I-66). In the
// regular tests it is a week long.
func TestAYearOfWatching(t *testing.T) {
	weeks := 1
	if long() {
		weeks = 52
	}
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			scratch := t.TempDir()
			t.Setenv("TMPDIR", scratch)
			configuration := docsMirror
			if seed%2 == 1 {
				configuration += billsMirror
			}
			lives(t, people(), configuration, seed, func(l *life) {
				y := &year{life: l, bills: seed%2 == 1}
				y.live(weeks)
			})
			if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
				t.Errorf("of plans %v is left, %v", left, err)
			}
		})
	}
}

// year is a life with people and trouble in it.
type year struct {
	*life
	bills bool // the library that shortcuts lead to is mirrored as well
	edits int
	polls time.Duration // for which there were no subscriptions, at most
	used  footprint
	bad   []func() // troubles to come
}

func (y *year) live(weeks int) {
	y.t.Helper()
	y.watch(listening...)
	time.Sleep(time.Hour)
	for week := range weeks {
		y.t.Logf("week %d at %s", week, time.Now().Format(time.DateTime))
		for end := time.Now().Add(5 * 24 * time.Hour); time.Now().Before(end); {
			y.hour()
		}
		y.rest()
		if week == min(3, weeks/2) {
			y.used = y.footprint()
		}
	}
	y.frugal(weeks)
	now := y.footprint()
	y.t.Logf("%+v, then %+v", y.used, now)
	if now.goroutines > y.used.goroutines+5 || now.files > y.used.files+5 {
		y.t.Errorf("it began with %+v and ended with %+v", y.used, now)
	}
	if grown := now.heap - y.used.heap; grown > 8<<20+int64(y.edits)*8<<10 { // the tenant forgets nothing
		y.t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// footprint is what a program uses of a machine.
type footprint struct {
	goroutines, files int
	heap              int64
}

func (y *year) footprint() footprint {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, _ := os.ReadDir("/proc/self/fd")
	return footprint{runtime.NumGoroutine(), len(open), int64(m.HeapAlloc)}
}

// hour is some time in which somebody works, and sometimes something goes wrong.
func (y *year) hour() {
	y.t.Helper()
	time.Sleep(time.Duration(y.rand.Int64N(int64(5 * time.Hour))))
	y.work(1 + y.rand.IntN(4))
	if y.rand.IntN(3) == 0 {
		y.trouble()
	}
	y.alive()
}

// rest is a time without trouble, after which all is well.
func (y *year) rest() {
	y.t.Helper()
	y.tenant.ClearFaults()
	y.graph.down.Store(false)
	y.hook.down.Store(false)
	y.post.late.Store(0)
	time.Sleep(26 * time.Hour)
	y.alive()
	y.equal()
	drives := 1
	if y.bills || len(y.leads) > 0 && y.follows() {
		drives = 2
	}
	if subs := y.tenant.Subscriptions(); len(subs) != drives {
		y.t.Errorf("there are %d subscriptions for %d drives: %v", len(subs), drives, subs)
	}
	for _, v := range y.tenant.Violations() {
		y.t.Errorf("violation: %s: %s (%s) at %s", v.Kind, v.Detail, v.Request, v.At)
	}
	if y.t.Failed() {
		y.t.Fatalf("at %s; the watch says\n%s", time.Now(), y.said())
	}
	for range 10 { // and what comes now is heard of at once
		y.work(1)
		time.Sleep(2 * time.Minute)
		y.equal()
	}
}

// equal wants the mirrors to be as the tenant is. Where a shortcut was, its files stay; they are called s and a number.
func (y *year) equal() {
	y.t.Helper()
	left := func(name string) bool { return strings.HasPrefix(path.Base(name), "s") }
	y.mirrors("people/Documents", "docs", left)
	if y.bills {
		y.mirrors("finance/Invoices", "bills", nothingElse)
	}
}

func (y *year) follows() bool {
	for _, it := range y.tenant.Drive("people/Documents").Tree() {
		if it.Remote {
			return true
		}
	}
	return false
}

// frugal wants the requests to be few: some for what people did, one a day for each drive, and polls where there was no
// subscription.
func (y *year) frugal(weeks int) {
	y.t.Helper()
	stats := y.tenant.Stats()
	deltas := stats.Calls[sandbox.KindDelta] + stats.Calls[sandbox.KindDeltaFull]
	y.t.Logf("%d edits, %s without notifications, %v", y.edits, y.polls, stats.Calls)
	most := int64(12*y.edits + weeks*7*2*6 + int(y.polls/(5*time.Minute))*2)
	if deltas > most {
		y.t.Errorf("%d delta requests, want at most %d", deltas, most)
	}
	if calls, most := stats.Calls[sandbox.KindSubscribe], int64(weeks*7*30); calls > most {
		y.t.Errorf("%d requests about subscriptions, want at most %d", calls, most)
	}
}

// work lets people edit.
func (y *year) work(edits int) {
	y.t.Helper()
	for range edits {
		y.edits++
		if y.rand.IntN(3) == 0 {
			y.change("finance/Invoices", "s")
			continue
		}
		y.change("people/Documents", "f")
	}
}

// change edits a drive somehow.
func (y *year) change(drive, kind string) {
	y.t.Helper()
	var files, folders, shortcuts []string
	for _, it := range y.tenant.Drive(drive).Tree() {
		switch {
		case it.Path == "/":
		case it.Remote:
			shortcuts = append(shortcuts, it.Path)
		case it.Folder:
			folders = append(folders, it.Path)
		default:
			files = append(files, it.Path)
		}
	}
	one := func(of []string) string { return of[y.rand.IntN(len(of))] }
	at := "/"
	if len(folders) > 0 && y.rand.IntN(4) > 0 {
		at = one(folders) + "/"
	}
	act := y.rand.IntN(12)
	switch {
	case len(files) > 40:
		y.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: drive, Path: one(files)})
	case len(folders) < 3:
		y.put(drive, at+y.name("d")+"/"+y.name(kind)+".txt", y.name("text "))
	case act < 3 || len(files) < 4:
		y.put(drive, at+y.name(kind)+".txt", strings.Repeat(y.name("text "), 1+y.rand.IntN(2000)))
	case act == 3:
		y.put(drive, one(files), y.name("text "))
	case act == 4:
		y.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: drive, Path: one(files)})
	case act == 5:
		y.edit(sandbox.Edit{Op: sandbox.OpRename, Drive: drive, Path: one(files), To: y.name(kind) + ".txt"})
	case act == 6:
		y.edit(sandbox.Edit{Op: sandbox.OpMove, Drive: drive, Path: one(files), To: at + y.name(kind) + ".txt"})
	case act == 7:
		y.edit(sandbox.Edit{Op: sandbox.OpRename, Drive: drive, Path: one(folders), To: y.name("d")})
	case act == 8:
		y.put(drive, at+y.name("d")+"/"+y.name(kind)+".txt", y.name("text "))
	case act == 9 && len(folders) > 3:
		y.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: drive, Path: one(folders)})
	case drive != "people/Documents":
		y.edit(sandbox.Edit{Op: sandbox.OpTouch, Drive: drive, Path: one(files)})
	case len(shortcuts) == 0:
		y.lead(at)
	case act == 10 && len(shortcuts) < 4:
		y.lead(at)
	case y.rand.IntN(2) == 0:
		y.edit(sandbox.Edit{Op: sandbox.OpRename, Drive: drive, Path: one(shortcuts), To: y.name("link")})
	default:
		y.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: drive, Path: one(shortcuts)})
	}
}

// lead makes a shortcut to some folder.
func (y *year) lead(at string) {
	y.t.Helper()
	var folders []string
	for _, it := range y.tenant.Drive("finance/Invoices").Tree() {
		if it.Folder && it.Path != "/" {
			folders = append(folders, it.Path)
		}
	}
	if len(folders) > 0 {
		y.shortcut("people/Documents", at+y.name("link"), "finance/Invoices", folders[y.rand.IntN(len(folders))])
	}
}

// trouble lets something go wrong for a while, in which people go on.
func (y *year) trouble() {
	y.t.Helper()
	if len(y.bad) == 0 {
		y.bad = y.troubles()
		y.rand.Shuffle(len(y.bad), func(i, k int) { y.bad[i], y.bad[k] = y.bad[k], y.bad[i] })
	}
	begin := y.bad[0]
	y.bad = y.bad[1:]
	begin()
	y.tenant.ClearFaults()
}

func (y *year) fault(f sandbox.Fault, most time.Duration) func() {
	return func() { y.tenant.AddFault(f); y.during(most) }
}

// during is some time in which people work.
func (y *year) during(most time.Duration) {
	y.t.Helper()
	end := time.Now().Add(time.Duration(y.rand.Int64N(int64(most))))
	for time.Now().Before(end) {
		time.Sleep(time.Duration(y.rand.Int64N(int64(most)/4 + 1)))
		y.work(1)
	}
}

func (y *year) troubles() []func() {
	on := func(k ...sandbox.Kind) []sandbox.Kind { return k }
	const day = 24 * time.Hour
	again := func() { y.watch(y.flags...) }
	return []func(){
		y.fault(sandbox.Fault{On: on(sandbox.KindNotification), Action: sandbox.ActionLose, Percent: 70}, day),
		y.fault(sandbox.Fault{On: on(sandbox.KindNotification), Action: sandbox.ActionDuplicate}, day),
		y.fault(sandbox.Fault{On: on(sandbox.KindNotification), Action: sandbox.ActionForge, Body: "guess", Percent: 50}, day),
		y.fault(sandbox.Fault{On: on("graph"), Status: 429, Header: map[string]string{"Retry-After": "120"}, Pause: true, Times: 3}, time.Hour),
		y.fault(sandbox.Fault{On: on("graph"), Status: 503, Header: map[string]string{"Retry-After": "3600"}, Pause: true, Times: 1}, time.Hour),
		y.fault(sandbox.Fault{On: on("graph"), Status: 500, Percent: 40}, time.Hour),
		y.fault(sandbox.Fault{On: on("graph"), Action: sandbox.ActionRevoke, Percent: 20}, time.Hour),
		y.fault(sandbox.Fault{On: on(sandbox.KindDownload), Action: sandbox.ActionTruncate, After: 10, Percent: 60}, time.Hour),
		y.fault(sandbox.Fault{On: on(sandbox.KindDelta), Action: sandbox.ActionGone, Times: 1}, time.Hour),
		func() { y.polls += day; y.fault(sandbox.Fault{On: on(sandbox.KindSubscribe), Status: 403}, day)() },
		func() {
			y.polls += day
			y.fault(sandbox.Fault{On: on(sandbox.KindValidation), Message: "not reachable"}, day)()
		},
		func() { y.post.late.Store(int64(10 * time.Minute)); y.during(day); y.post.late.Store(0) },
		func() { y.post.storm(1000, 10); y.during(time.Minute) },
		func() { y.lifecycle(sandbox.LifecycleReauthorize) },
		func() { y.lifecycle(sandbox.LifecycleRemoved) },
		func() { y.lifecycle(sandbox.LifecycleMissed) },
		func() { y.lifecycle(sandbox.LifecycleVanish); y.during(time.Hour) },
		func() { y.hook.down.Store(true); y.polls += day; y.during(day); y.hook.down.Store(false) },
		func() { y.outage(2 * day) },
		func() { y.outage(time.Hour) },
		func() { y.leave(); y.during(time.Hour); again() },
		func() { y.killed(); y.during(time.Hour); again() },
		func() { y.locked(time.Hour) },
		func() { y.reconfigured() },
		func() { y.full(day) },
		func() { y.clock.step(10 * 365 * day); y.during(day); y.clock.step(-10 * 365 * day) },
		func() { y.clock.step(-time.Hour); y.during(day) },
		func() { y.clock.step(time.Hour); y.during(day) },
	}
}

func (y *year) lifecycle(event string) {
	y.t.Helper()
	drive := []string{"people/Documents", "finance/Invoices"}[y.rand.IntN(2)]
	if err := y.tenant.Lifecycle(drive, event); err != nil {
		y.t.Fatal(err)
	}
}

// outage cuts the way to Graph.
func (y *year) outage(most time.Duration) {
	y.t.Helper()
	y.polls += 8 * time.Hour // until subscriptions are tried again
	y.graph.down.Store(true)
	y.graph.cut()
	y.during(most)
	y.graph.down.Store(false)
}

// killed ends the watch without a chance to end its subscriptions.
func (y *year) killed() {
	y.t.Helper()
	y.graph.down.Store(true)
	y.graph.cut()
	y.leave()
	y.graph.down.Store(false)
}

// locked lets another command hold the state.
func (y *year) locked(most time.Duration) {
	y.t.Helper()
	lock, err := state.Acquire(y.t.Context(), y.path("spmirror.db"), state.Owner{Operation: "apply"}, time.Hour, nil)
	if err != nil {
		y.t.Fatal(err)
	}
	y.during(most)
	if err := lock.Release(); err != nil {
		y.t.Fatal(err)
	}
}

// full lets others fill the disk, if it is one that may be filled.
func (y *year) full(most time.Duration) {
	y.t.Helper()
	if !y.small {
		return
	}
	free := y.fill()
	y.during(most)
	free()
}

// reconfigured lets somebody edit the configuration: first with a mistake, then without.
func (y *year) reconfigured() {
	y.t.Helper()
	text, err := os.ReadFile(y.path("main.hcl"))
	if err != nil {
		y.t.Fatal(err)
	}
	y.write("main.hcl", string(text)+"\nmirror {")
	y.hup <- syscall.SIGHUP
	y.during(time.Hour)
	y.write("main.hcl", string(text)+"\n# Edited once more.\n")
	y.hup <- syscall.SIGHUP
	time.Sleep(time.Minute)
	if have, err := filepath.Glob(y.path("*.db")); err != nil || len(have) != 1 {
		y.t.Fatal(have, err)
	}
}
