package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/watch"
)

// Bounds of the times of a watch.
const (
	minInterval     = 5 * time.Second
	defaultInterval = 5 * time.Minute
	minDebounce     = 100 * time.Millisecond
	maxDebounce     = 5 * time.Minute
	defaultDebounce = 5 * time.Second
	watchLock       = 5 * time.Minute // other commands may run in between
)

func watchFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "apply", Usage: "apply what was planned, as far as guards and approval allow"},
		&cli.StringFlag{Name: "auto-approve", Value: bareApproval, HideDefault: true, Usage: "with -apply and `=GRADE`, no-delete or add-only: leave a plan that does more to a person"},
		&cli.DurationFlag{Name: "interval", Value: defaultInterval, Usage: "ask every `DURATION` what changed, where no notifications come"},
		&cli.DurationFlag{Name: "debounce", Value: defaultDebounce, Usage: "after a notification, wait for `DURATION` of quiet"},
		&cli.StringFlag{Name: "listen", Usage: "receive notifications on `ADDRESS`, as 127.0.0.1:8080"},
		&cli.StringFlag{Name: "notification-url", Usage: "`URL` by which the service reaches that address"},
		&cli.StringFlag{Name: "tls-cert", Usage: "certificate chain for -listen, a PEM `FILE`"},
		&cli.StringFlag{Name: "tls-key", Usage: "its key, a PEM `FILE`"},
		&cli.StringFlag{Name: "out", Usage: "save each plan that is left to a person in `DIR`"},
		&cli.StringSliceFlag{Name: "target", Usage: "watch only the mirrors of `ADDR`; * stands for anything; may be repeated"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "leave out the mirrors of `ADDR`; may be repeated"},
		&cli.StringFlag{Name: "verify", Value: plan.VerifyStat, Usage: "check the disk in this `WAY`: stat, hash or none"},
		&cli.DurationFlag{Name: "lock-timeout", Value: watchLock, Usage: "wait up to `DURATION` for the state lock, each time"},
		&cli.IntFlag{Name: "parallelism", Value: apply.DefaultWorkers, Usage: "download `N` files at a time"},
		&cli.BoolFlag{Name: "json", Usage: "print events as JSON lines"},
		&cli.BoolFlag{Name: "compact", Usage: "one line for each mirror"},
		&cli.BoolFlag{Name: "verbose", Usage: "list every change"},
		&cli.IntFlag{Name: "list-limit", HideDefault: true, Usage: "list up to `N` items of each kind"},
		metricsFlag(),
	}, configFlags(), outputFlags())
}

func watchCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:  "watch",
		Usage: "plan, and with -apply apply, whenever something changed",
		Description: "Looks at the sources again and again: every -interval, or as soon as the service says that\n" +
			"something changed (-listen and -notification-url), and once a day in any case. What changed is\n" +
			"planned and shown as by plan; with -apply it is applied as by apply -auto-approve. A plan that\n" +
			"a guard or the approval setting holds back is shown and left to a person. The state is locked\n" +
			"during a look only. SIGHUP reads the configuration again and looks at everything; SIGINT and\n" +
			"SIGTERM end the watch.\n\n" +
			"Exit codes: 0 ended by a signal, 1 error at the start.",
		Flags:  watchFlags(),
		Action: func(ctx context.Context, c *cli.Command) error { return runWatch(ctx, env, c) },
	}
}

func runWatch(ctx context.Context, env *environment, c *cli.Command) (err error) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := checkWatch(c); err != nil {
		return err
	}
	cfg, err := load(ctx, env, c)
	if err != nil {
		return err
	}
	w, err := newWatcher(env, c, cfg)
	if err != nil {
		return err
	}
	defer w.close()
	if w.meter, err = newMeter(env, c, c.Name); err != nil {
		return err
	}
	defer func() { w.meter.end(exitCode(err)) }()
	return w.run(ctx, hup)
}

// checkWatch refuses flags that do not fit before anything is opened.
func checkWatch(c *cli.Command) error {
	bad := func(format string, args ...any) error {
		return &problem{code: "SPM0002", summary: fmt.Sprintf(format, args...)}
	}
	interval, debounce, grade, n := c.Duration("interval"), c.Duration("debounce"), c.String("auto-approve"), c.Int("parallelism")
	switch {
	case interval < minInterval || interval > watch.MaxSafety:
		return bad("Invalid -interval=%s: allowed are %s to %s", interval, minInterval, watch.MaxSafety)
	case debounce < minDebounce || debounce > maxDebounce:
		return bad("Invalid -debounce=%s: allowed are %s to %s", debounce, minDebounce, maxDebounce)
	case c.IsSet("auto-approve") && !c.Bool("apply"):
		return bad("-auto-approve goes with -apply")
	case !slices.Contains([]string{bareApproval, "no-delete", "add-only"}, grade):
		return bad("Invalid -auto-approve=%s: allowed are no value, no-delete and add-only", grade)
	case !slices.Contains([]string{plan.VerifyStat, plan.VerifyHash, plan.VerifyNone}, c.String("verify")):
		return bad("Invalid -verify=%s: allowed are stat, hash and none", c.String("verify"))
	case n < 1 || n > maxParallelism:
		return bad("Invalid -parallelism=%d: allowed are 1 to %d", n, maxParallelism)
	case (c.String("listen") == "") != (c.String("notification-url") == ""):
		return bad("-listen and -notification-url go together")
	case (c.String("tls-cert") == "") != (c.String("tls-key") == ""):
		return bad("-tls-cert and -tls-key go together")
	case c.String("tls-cert") != "" && c.String("listen") == "":
		return bad("-tls-cert goes with -listen")
	}
	if dir := c.String("out"); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return &problem{code: "SPM0002", summary: fmt.Sprintf("-out=%s is not a directory", dir), err: err}
		}
	}
	if address := c.String("notification-url"); address != "" {
		return checkNotificationURL(address)
	}
	return nil
}

// checkNotificationURL wants an address that the service may be given (W8). Plain http is for a tenant that is emulated
// on this machine.
func checkNotificationURL(address string) error {
	bad := &problem{code: "SPM0002", summary: "Invalid -notification-url", detail: "It is an https address without user, query and fragment, such as https://mirror.example.com/notifications."}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return bad
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())) {
		return bad
	}
	return nil
}
