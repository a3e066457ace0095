package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spmirror/spmirror/sandbox"
)

// people is a tenant with one library to mirror and another one that shortcuts may lead to.
func people() sandbox.Options {
	o := sandbox.Demo(1)
	docs := someFiles()
	docs.Name, docs.Segment = "Documents", "Shared Documents"
	o.Sites = []sandbox.SiteSpec{
		{Path: "sites/people", Name: "People", Drives: []sandbox.DriveSpec{docs}},
		{Path: "sites/finance", Name: "Finance", Drives: []sandbox.DriveSpec{{Name: "Invoices", Segment: "Invoices", Files: []sandbox.FileSpec{
			{Path: "/2023/s1.txt", Text: "s1"}, {Path: "/2023/sub/s2.txt", Text: "s2"}, {Path: "/2024/s3.txt", Text: "s3"},
		}}, {Name: "Archive", Segment: "Archive", Files: []sandbox.FileSpec{{Path: "/2001/old.txt", Text: "old"}}}}},
	}
	return o
}

const docsMirror = `
mirror "docs" {
  site   = "https://contoso.sharepoint.com/sites/people"
  target = "docs"

  content {
    shortcuts = "follow"
  }
}
`

var listening = []string{"-listen=127.0.0.1:0", "-notification-url=http://127.0.0.1/hook"}

// TestACalmMonthCostsWhatMicrosoftSuggests counts the requests of a month in which nothing happens (T22).
func TestACalmMonthCostsWhatMicrosoftSuggests(t *testing.T) {
	lives(t, people(), docsMirror, 1, func(l *life) {
		l.watch(listening...)
		time.Sleep(time.Hour)
		l.alive()
		l.mirrors("people/Documents", "docs", nothingElse)
		l.tenant.ResetStats()
		const days = 30
		time.Sleep(days * 24 * time.Hour)
		l.alive()
		calls := l.tenant.Stats().Calls
		deltas, full, own := calls[sandbox.KindDelta], calls[sandbox.KindDeltaFull], calls[sandbox.KindSubscribe]
		if deltas+full < days || deltas+full > days+3 { // a little more often than once a day
			l.t.Errorf("%d delta requests in %d days", deltas+full, days)
		}
		if full < days/7 || full > days/6 { // at least once a week (I-66)
			l.t.Errorf("%d full enumerations in %d days", full, days)
		}
		if own > 2*days+1 { // the subscription is renewed, and those that are there are listed
			l.t.Errorf("%d requests about subscriptions in %d days", own, days)
		}
		for kind, n := range calls {
			if k := int64(days / 6); kind != sandbox.KindDelta && kind != sandbox.KindDeltaFull && kind != sandbox.KindSubscribe && n > k {
				l.t.Errorf("%d requests for %s", n, kind)
			}
		}
	})
}

// TestWhatAShortcutLeadsToIsFollowedAtOnce wants notifications of libraries that shortcuts lead to, from the look on that
// finds the shortcut.
func TestWhatAShortcutLeadsToIsFollowedAtOnce(t *testing.T) {
	for name, configuration := range map[string]string{"another library": docsMirror, "a library that is mirrored as well": docsMirror + billsMirror} {
		t.Run(name, func(t *testing.T) {
			for _, flags := range [][]string{listening, {"-interval=5m"}} {
				lives(t, people(), configuration, 1, func(l *life) {
					t := l.t
					wait := 2 * time.Minute // a notification, and a look a minute later
					if len(flags) == 1 {
						wait = 12 * time.Minute
					}
					then := func(what string) {
						t.Helper()
						time.Sleep(wait)
						l.alive()
						for _, wrong := range l.differ("people/Documents", "docs", nothingElse) {
							t.Errorf("%s, %v: %s", what, flags, wrong)
						}
					}
					l.shortcut("people/Documents", "/folder/early", "finance/Invoices", "/2024")
					l.watch(flags...)
					then("at the start")
					l.put("finance/Invoices", "/2024/s4.txt", "s4")
					then("a shortcut of before")
					l.shortcut("people/Documents", "/folder/link", "finance/Invoices", "/2023")
					l.shortcut("people/Documents", "/folder/archive", "finance/Archive", "/2001")
					then("new shortcuts")
					l.put("finance/Archive", "/2001/older.txt", "older")
					then("behind one of them")
					l.put("finance/Invoices", "/2023/s1.txt", "changed")
					then("behind it")
					l.edit(sandbox.Edit{Op: sandbox.OpRename, Drive: "people/Documents", Path: "/folder", To: "renamed"})
					l.put("finance/Invoices", "/2023/sub/s9.txt", "new")
					then("the folder of the shortcut")
					l.edit(sandbox.Edit{Op: sandbox.OpMove, Drive: "people/Documents", Path: "/renamed/link", To: "/elsewhere"})
					then("the shortcut")
					l.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: "finance/Invoices", Path: "/2023/sub"})
					then("a folder behind it")
				})
			}
		})
	}
}

// TestASubscriptionComesAndGoesWithItsShortcut wants both with the look that finds the shortcut there or gone, and what
// was mirrored of it forgotten.
func TestASubscriptionComesAndGoesWithItsShortcut(t *testing.T) {
	lives(t, people(), docsMirror, 1, func(l *life) {
		subscribed := func(n int) {
			l.t.Helper()
			time.Sleep(30 * time.Second)
			if subs := l.tenant.Subscriptions(); len(subs) != n {
				l.t.Errorf("%d subscriptions, want %d: %v", len(subs), n, subs)
			}
		}
		l.watch(listening...)
		time.Sleep(5 * time.Minute)
		subscribed(1)
		l.shortcut("people/Documents", "/link", "finance/Invoices", "/2023")
		subscribed(2)
		l.edit(sandbox.Edit{Op: sandbox.OpDelete, Drive: "people/Documents", Path: "/link"})
		subscribed(1)
		if _, err := os.Stat(l.path("docs/link/s1.txt")); err != nil {
			l.t.Error(err) // its files stay (Q22)
		}
		if said := l.said(); !strings.Contains(said, `"forgotten":3`) {
			l.t.Errorf("it says\n%s", said)
		}
	})
}

// TestAChangeThatAnotherCommandSawFirstIsApplied lets somebody plan by hand a moment before the watch looks: what the
// service tells once, the other command has then heard.
func TestAChangeThatAnotherCommandSawFirstIsApplied(t *testing.T) {
	lives(t, people(), docsMirror, 1, func(l *life) {
		l.watch(listening...)
		time.Sleep(time.Minute)
		l.put("people/Documents", "/new.txt", "new")
		time.Sleep(time.Second) // the debounce is longer
		c := planCommand(l.env)
		if err := c.Run(l.t.Context(), []string{"plan", "-config=" + l.path("main.hcl")}); err != nil {
			l.t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		l.mirrors("people/Documents", "docs", nothingElse)
	})
}

// TestMirrorsThatShareASourceWaitForItTogether lets the service pause while several mirrors look their library up again. In fake
// time a lock that somebody holds meanwhile would never be free.
func TestMirrorsThatShareASourceWaitForItTogether(t *testing.T) {
	const second = `
mirror "second" {
  site   = "https://contoso.sharepoint.com/sites/people"
  folder = "/folder"
  target = "second"
}
`
	lives(t, people(), docsMirror+second+billsMirror, 1, func(l *life) {
		l.watch("-interval=12h")
		time.Sleep(time.Hour)
		l.tenant.AddFault(sandbox.Fault{On: []sandbox.Kind{sandbox.KindSite}, Status: 429, Header: map[string]string{"Retry-After": "120"}, Pause: true, Times: 1})
		time.Sleep(8 * 24 * time.Hour) // until all is looked up again, several at a time
		l.alive()
		l.mirrors("people/Documents", "docs", nothingElse)
	})
}

// TestAReloadWhileTheStateIsGoneDoesNotEndAWatch reads the configuration again at a bad moment: only at its start a
// watch gives up for that.
func TestAReloadWhileTheStateIsGoneDoesNotEndAWatch(t *testing.T) {
	lives(t, people(), docsMirror, 1, func(l *life) {
		l.watch(listening...)
		time.Sleep(time.Minute)
		if err := os.Rename(l.path("spmirror.db"), l.path("away.db")); err != nil {
			l.t.Fatal(err)
		}
		l.hup <- syscall.SIGHUP
		time.Sleep(time.Minute)
		l.alive()
		if err := os.Rename(l.path("away.db"), l.path("spmirror.db")); err != nil {
			l.t.Fatal(err)
		}
		l.put("people/Documents", "/new.txt", "new")
		time.Sleep(5 * time.Minute)
		l.alive()
		l.mirrors("people/Documents", "docs", nothingElse)
	})
}

func TestTheClockOfALifeMayBeSetAndStillMeasures(t *testing.T) {
	var c clock
	before, real := c.now(), time.Now()
	for _, by := range []time.Duration{-time.Hour, 10 * 365 * 24 * time.Hour} {
		c.step(by)
		now := c.now()
		if d := now.Sub(before); d < 0 || d > time.Minute {
			t.Errorf("after a step of %s it measures %s", by, d)
		}
		real = real.Add(by)
		if d := now.Round(0).Sub(real.Round(0)); d < -time.Second || d > time.Minute {
			t.Errorf("a step of %s leads to %s", by, now)
		}
	}
}

// TestAWatchGoesOnWhenTheDiskHasRoomAgain fills the disk, that of the state, of the target and of what the watch says.
func TestAWatchGoesOnWhenTheDiskHasRoomAgain(t *testing.T) {
	lives(t, people(), docsMirror, 1, func(l *life) {
		if !l.small {
			l.t.Skip("a disk to fill needs root")
		}
		l.watch(listening...)
		time.Sleep(time.Minute)
		for range 5 {
			free := l.fill()
			l.put("people/Documents", "/"+l.name("f")+".txt", strings.Repeat("text ", 20_000))
			time.Sleep(time.Duration(l.rand.Int64N(int64(4 * time.Hour))))
			l.alive()
			l.put("people/Documents", "/tiny.txt", l.name("text "))
			free()
			time.Sleep(70 * time.Minute) // the longest pause between tries
			l.alive()
			l.mirrors("people/Documents", "docs", nothingElse)
			before := l.applies()
			l.put("people/Documents", "/told.txt", l.name("text "))
			time.Sleep(time.Minute)
			if l.applies() == before {
				l.t.Errorf("it does not say any more what it does:\n%s", l.said())
			}
		}
	})
}

// TestAWatchWhoseTerminalIsGoneGoesOnApplying takes away what it prints to. Without -apply there would be no sense in going on.
func TestAWatchWhoseTerminalIsGoneGoesOnApplying(t *testing.T) {
	for _, flags := range [][]string{listening, append([]string{"-json=false"}, listening...)} {
		lives(t, people(), docsMirror, 1, func(l *life) {
			l.watch(flags...)
			time.Sleep(time.Minute)
			l.hangUp()
			for range 3 {
				l.put("people/Documents", "/"+l.name("f")+".txt", "text")
				time.Sleep(time.Minute)
				l.alive()
				l.mirrors("people/Documents", "docs", nothingElse)
			}
		})
	}
}
