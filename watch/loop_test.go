package watch

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDaysOfWatching(t *testing.T) {
	days, seeds := 7, uint64(2)
	if os.Getenv("SPMIRROR_LONG") != "" { // C7
		days, seeds = 365, 50
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { liveThrough(t, days, seed) })
	}
}

// liveThrough watches a hundred drives for some days: notifications come, are lost and come in storms, looks fail and
// take their time. Every change must be seen within a day of the end of a look, and the looks must stay few.
func liveThrough(t *testing.T, days int, seed uint64) {
	outside, random := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	drives := make([]Drive, 100)
	for n := range drives {
		drives[n] = Drive{"tenant.t", docs.ID + "-" + media.ID[:2]}
		drives[n].ID += drives[n].ID[:1]
		drives[n].Tenant = "tenant." + string(rune('a'+n%26)) + string(rune('a'+n/26))
	}
	var mu sync.Mutex
	changed := make(map[Drive]time.Time) // and not yet seen
	var requests, looks int
	var loop *Loop
	s := &Schedule{Interval: 15 * time.Minute, Debounce: 5 * time.Second, Safety: MaxSafety, Jitter: random.Float64}
	loop = NewLoop(s, time.Now, func(_ context.Context, task Task) Outcome {
		looks++
		at := task.Drives
		if task.All {
			at = drives
			loop.Want(drives)
		}
		requests += len(at)
		time.Sleep(time.Duration(random.Int64N(int64(30 * time.Second))))
		if random.IntN(200) == 0 {
			return Outcome{Failed: true}
		}
		o := Outcome{}
		mu.Lock()
		defer mu.Unlock()
		for _, d := range at {
			if since, is := changed[d]; !is {
				o.Unchanged = append(o.Unchanged, d)
			} else if late := time.Since(since); late > MaxSafety+2*time.Hour {
				t.Errorf("a change was seen after %s", late)
			}
			delete(changed, d)
		}
		return o
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { loop.Run(ctx, nil); close(ended) }()
	synctest.Wait()
	time.Sleep(time.Minute)
	for _, d := range drives[:90] {
		loop.Cover(d, true)
	}
	notifications := 0
	end := time.Now().Add(time.Duration(days) * 24 * time.Hour)
	for time.Now().Before(end) {
		time.Sleep(time.Duration(outside.Int64N(int64(time.Hour))))
		d := drives[outside.IntN(len(drives))]
		mu.Lock()
		if _, is := changed[d]; !is {
			changed[d] = time.Now()
		}
		mu.Unlock()
		switch outside.IntN(10) {
		case 0: // lost
		case 1: // a storm
			for range 100 {
				notifications++
				loop.Notify(d)
				time.Sleep(10 * time.Millisecond)
			}
		default:
			notifications++
			loop.Notify(d)
		}
	}
	cancel()
	<-ended
	most := days * (24*4*10*2 + 100*2 + 24*4) // ten drives polled, everything daily, some notifications
	if requests > most || looks < days || notifications < 1000 {
		t.Errorf("%d requests in %d looks for %d notifications, want at most %d", requests, looks, notifications, most)
	}
}

// H-83
func TestAStormOfNotificationsIsFewLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		s := &Schedule{Interval: time.Hour, Debounce: time.Second, Safety: MaxSafety}
		var loop *Loop
		loop = NewLoop(s, time.Now, func(context.Context, Task) Outcome { looks++; loop.Want([]Drive{docs}); return Outcome{} })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { loop.Run(ctx, nil); close(ended) }()
		synctest.Wait()
		i := newInbox()
		i.hear = func(d Drive, _ Event) { loop.Notify(d) }
		ten := body(slices.Repeat([]string{one(goodID, goodSecret)}, 10)...)
		for range 10_000 { // a hundred thousand in ten seconds
			i.post(ten)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if looks < 2 || looks > 12 { // the first one, and one a second at most
			t.Errorf("%d looks", looks)
		}
	})
}

func TestALoopStopsBetweenLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, began, finish := make(chan struct{}), make(chan struct{}), make(chan struct{})
		loop := NewLoop(plainly(), time.Now, func(context.Context, Task) Outcome { close(began); <-finish; return Outcome{} })
		ended := make(chan struct{})
		go func() { loop.Run(t.Context(), stop); close(ended) }()
		<-began
		close(stop)
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the loop ended before its look")
		default:
		}
		close(finish)
		<-ended
	})
}

func TestADriveThatGetsItsSubscriptionIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tasks []Task
		var loop *Loop
		loop = NewLoop(plainly(), time.Now, func(_ context.Context, task Task) Outcome {
			tasks = append(tasks, task)
			loop.Want([]Drive{docs, media})
			return Outcome{}
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { loop.Run(ctx, nil); close(ended) }()
		synctest.Wait()
		loop.Cover(docs, true)
		loop.Cover(media, false)
		time.Sleep(time.Minute)
		cancel()
		<-ended
		if len(tasks) != 2 || !slices.Equal(tasks[1].Drives, []Drive{docs}) { // W19
			t.Errorf("tasks %+v", tasks)
		}
	})
}
