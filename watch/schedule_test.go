package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// plainly is a schedule without jitter.
func plainly() *Schedule {
	return &Schedule{Interval: 5 * time.Minute, Debounce: 10 * time.Second, Safety: MaxSafety, Jitter: func() float64 { return 0.5 }}
}

// begun is a schedule whose first look is over at noon; docs is polled, media is covered.
func begun(t *testing.T) *Schedule {
	t.Helper()
	s := plainly()
	task, due, _ := s.Next(noon)
	if !due || !task.All || !slices.Equal(task.Reasons, []Reason{Start}) {
		t.Fatalf("the first task is %+v", task)
	}
	s.Begin(task)
	s.Want([]Drive{docs, media})
	s.Cover(media, true)
	s.Done(task, Outcome{}, noon)
	return s
}

// comes wants the next task at a time, and nothing before it.
func comes(t *testing.T, s *Schedule, after time.Duration, want Task) Task {
	t.Helper()
	at := noon.Add(after)
	if task, due, _ := s.Next(at.Add(-time.Millisecond)); due {
		t.Fatalf("before %s: %+v", after, task)
	}
	if _, _, next := s.Next(noon); !next.Equal(at) && next.After(noon) {
		t.Errorf("the next moment is %s, want %s", next.Sub(noon), after)
	}
	task, due, _ := s.Next(at)
	if !due || fmt.Sprint(task) != fmt.Sprint(want) {
		t.Fatalf("at %s: %v %+v, want %+v", after, due, task, want)
	}
	s.Begin(task)
	return task
}

func TestOnlyDrivesWithoutASubscriptionAreAskedAtTheInterval(t *testing.T) {
	s := begun(t)
	task := comes(t, s, 5*time.Minute, Task{Drives: []Drive{docs}, Reasons: []Reason{Polled}})
	s.Done(task, Outcome{Unchanged: task.Drives}, noon.Add(6*time.Minute))
	s.Cover(media, false)
	comes(t, s, 11*time.Minute, Task{Drives: []Drive{docs, media}, Reasons: []Reason{Polled}})
}

func TestANotificationIsLookedIntoAfterSomeQuiet(t *testing.T) {
	s := begun(t)
	s.Notify(media, noon.Add(time.Second))
	s.Notify(media, noon.Add(5*time.Second))
	s.Notify(Drive{"tenant.t", "unknown"}, noon)
	task := comes(t, s, 15*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Notified}})
	s.Notify(media, noon.Add(16*time.Second)) // while the look is taken: for the next one
	s.Done(task, Outcome{}, noon.Add(20*time.Second))
	comes(t, s, 26*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Notified}})
}

func TestNotificationsWithoutEndDoNotPutALookOffForEver(t *testing.T) {
	s := begun(t)
	for at := time.Second; at <= 100*time.Second; at += time.Second {
		s.Notify(media, noon.Add(at))
	}
	comes(t, s, 101*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Notified}})
}

func TestAChangeThatIsAnnouncedAndNotSeenIsLookedForOnceMore(t *testing.T) {
	s := begun(t)
	s.Notify(media, noon)
	task := comes(t, s, 10*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Notified}})
	s.Done(task, Outcome{Unchanged: []Drive{media}}, noon.Add(11*time.Second))
	task = comes(t, s, 71*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Late}})
	s.Done(task, Outcome{Unchanged: []Drive{media}}, noon.Add(72*time.Second))
	comes(t, s, 5*time.Minute, Task{Drives: []Drive{docs}, Reasons: []Reason{Polled}})
}

func TestEverythingIsLookedAtOnceADay(t *testing.T) {
	s := begun(t)
	s.Cover(docs, true)
	comes(t, s, 95*24*time.Hour/100, Task{All: true, Reasons: []Reason{Safety}}) // with the jitter of this test
}

func TestWhatFailedIsTriedAgainAndLessAndLessOften(t *testing.T) {
	s := begun(t)
	s.Cover(docs, true)
	s.Notify(media, noon)
	task := comes(t, s, 10*time.Second, Task{Drives: []Drive{media}, Reasons: []Reason{Notified}})
	s.Done(task, Outcome{Unsettled: []Drive{media}}, noon.Add(10*time.Second))
	at := 10 * time.Second
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		at += wait * time.Minute
		task = comes(t, s, at, Task{Drives: []Drive{media}, Retry: []Drive{media}, Reasons: []Reason{Retried}})
		s.Done(task, Outcome{Unsettled: []Drive{media}}, noon.Add(at))
	}
	at += time.Hour
	task = comes(t, s, at, Task{Drives: []Drive{media}, Retry: []Drive{media}, Reasons: []Reason{Retried}})
	s.Done(task, Outcome{}, noon.Add(at))
	if !s.retry.IsZero() || s.failures != 0 {
		t.Errorf("a try is left: %s, %d", s.retry, s.failures)
	}
}

func TestALookThatTriesNothingLeavesWhatIsLeftOver(t *testing.T) {
	s := begun(t)
	task := comes(t, s, 5*time.Minute, Task{Drives: []Drive{docs}, Reasons: []Reason{Polled}})
	s.Done(task, Outcome{Unsettled: []Drive{docs}}, noon.Add(5*time.Minute))
	s.Notify(docs, noon.Add(5*time.Minute))
	task = comes(t, s, 5*time.Minute+10*time.Second, Task{Drives: []Drive{docs}, Reasons: []Reason{Notified}})
	s.Done(task, Outcome{Unchanged: []Drive{docs}}, noon.Add(5*time.Minute+10*time.Second))
	comes(t, s, 6*time.Minute, Task{Drives: []Drive{docs}, Retry: []Drive{docs}, Reasons: []Reason{Retried}})
}

func TestALookAtEverythingThatFailedIsTakenAgain(t *testing.T) {
	s := plainly()
	task, _, _ := s.Next(noon)
	s.Done(task, Outcome{Failed: true}, noon)
	task = comes(t, s, time.Minute, Task{All: true, Reasons: []Reason{Retried}})
	s.Want([]Drive{docs, media})
	s.Done(task, Outcome{Unsettled: []Drive{media}}, noon.Add(time.Minute))
	task = comes(t, s, 3*time.Minute, Task{Drives: []Drive{media}, Retry: []Drive{media}, Reasons: []Reason{Retried}})
	s.Done(task, Outcome{}, noon.Add(3*time.Minute))
	comes(t, s, 6*time.Minute, Task{Drives: []Drive{docs, media}, Reasons: []Reason{Polled}})
}

func TestADriveThatIsNotWantedAnyMoreIsForgotten(t *testing.T) {
	s := begun(t)
	s.Notify(docs, noon)
	s.Want([]Drive{media})
	if _, due, next := s.Next(noon.Add(time.Hour)); due || next.Sub(noon) < 20*time.Hour {
		t.Errorf("%v, next %s", due, next)
	}
}

// TestWhateverHappensLooksAreNeitherMissedNorTooMany lives through days of notifications, failures and slow looks.
func TestWhateverHappensLooksAreNeitherMissedNorTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Schedule{
			Interval: time.Duration(rapid.Int64Range(int64(10*time.Second), int64(24*time.Hour)).Draw(t, "interval")),
			Debounce: time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(5*time.Minute)).Draw(t, "debounce")),
			Safety:   MaxSafety, Jitter: func() float64 { return rapid.Float64Range(0, 1).Draw(t, "jitter") },
		}
		drives := []Drive{docs, media}
		now, everything := noon, noon
		told := make(map[Drive]time.Time) // the first notification that no look has followed yet
		for range rapid.IntRange(10, 120).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"tell", "tell", "cover", "wait", "wait"}).Draw(t, "step") {
			case "tell":
				d := rapid.SampledFrom(drives).Draw(t, "drive")
				s.Notify(d, now)
				if _, known := told[d]; !known && s.drives[d] != nil {
					told[d] = now
				}
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(s.Debounce)).Draw(t, "pause")))
			case "cover":
				s.Cover(rapid.SampledFrom(drives).Draw(t, "drive"), rapid.Bool().Draw(t, "covered"))
			case "wait":
				_, due, next := s.Next(now)
				if !due {
					if !next.After(now) {
						t.Fatalf("nothing is due, and the next moment is %s ago: a loop would spin", now.Sub(next))
					}
					now = next
				}
			}
			task, due, _ := s.Next(now)
			if !due {
				continue
			}
			for d, at := range told {
				if wait := now.Sub(at); (task.All || slices.Contains(task.Drives, d)) && slices.Contains(task.Reasons, Notified) && wait > (patience+1)*s.Debounce+time.Hour {
					t.Fatalf("a notification waited for %s", wait)
				}
				if task.All || slices.Contains(task.Drives, d) {
					delete(told, d)
				}
			}
			if task.All {
				everything = now
			}
			s.Begin(task)
			s.Want(drives)
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "look")))
			o := Outcome{Failed: rapid.IntRange(0, 9).Draw(t, "fails") == 0}
			for _, d := range task.Drives {
				switch rapid.IntRange(0, 3).Draw(t, "outcome") {
				case 0:
					o.Unsettled = append(o.Unsettled, d)
				case 1, 2:
					o.Unchanged = append(o.Unchanged, d)
				}
			}
			s.Done(task, o, now)
			if task.All {
				everything = now
			}
			if since := now.Sub(everything); since > MaxSafety+time.Hour {
				t.Fatalf("everything was looked at %s ago", since)
			}
		}
	})
}
