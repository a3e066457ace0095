package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/spmirror/spmirror/plan"
	"github.com/spmirror/spmirror/view"
)

func withinFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "within", Usage: "plan anew and go ahead, without asking, if the reviewed plan in `FILE` covers it"},
		&cli.StringFlag{Name: "within-tolerance", Value: "25%", Usage: "with -within: how much more the source may bring, in `PERCENT` of the reviewed plan, or any"},
	}
}

// tolerance reads -within-tolerance: 25, 25% or any.
func tolerance(text string) (plan.Tolerance, error) {
	if text == "any" {
		return plan.AnyTolerance, nil
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(percent >= 0 && percent <= 1e6) {
		return 0, &problem{code: "SPM0002", summary: "Invalid -within-tolerance=" + text, detail: "It is a percentage, such as 25%, or the word any."}
	}
	return plan.Tolerance(percent / 100), nil
}

// openReviewed opens the plan of -within; nil without that flag. Flags that say which plan
// was reviewed are refused where there is none: to ignore them would skip the check.
func openReviewed(c *cli.Command) (*plan.File, plan.Tolerance, error) {
	switch {
	case c.IsSet("expect-digest") && !reviewedBefore(c):
		return nil, 0, &problem{code: "SPM0002", summary: "-expect-digest goes with a saved plan or -within", detail: "Nothing was done."}
	case c.IsSet("within-tolerance") && c.String("within") == "":
		return nil, 0, &problem{code: "SPM0002", summary: "-within-tolerance goes with -within", detail: "Nothing was done."}
	}
	share, err := tolerance(c.String("within-tolerance"))
	name := c.String("within")
	if err != nil || name == "" {
		return nil, 0, err
	}
	if c.Args().Len() > 0 {
		return nil, 0, &problem{code: "SPM0402", summary: "-within cannot be used with a saved plan",
			detail: "A saved plan is carried out as it is; -within plans anew and compares. Nothing was done."}
	}
	file, err := openExpected(c, name)
	return file, share, err
}

// within refuses a fresh plan that the reviewed one does not cover (UX 4.6). What is
// not covered is said before all else.
func (s *session) within(_ context.Context, reviewed *plan.File, share plan.Tolerance, fresh *plan.Plan) error {
	got, err := plan.Within(plan.Reviewed{Header: reviewed.Header, Changes: reviewed.Changes()},
		plan.Reviewed{Header: fresh.Header, Changes: fresh.Changes()}, share)
	if err != nil {
		return otherGround(err)
	}
	if got.Covered() {
		s.recorded.Reviewed = reviewed.Digest
		return nil
	}
	s.notice.close()
	out := s.out
	if s.events != nil {
		out.Out = s.env.stderr
	}
	if err := out.Uncovered(reviewed.Header, got); err != nil {
		return err
	}
	return &problem{code: "SPM0410", summary: "The plan is not covered by the reviewed one", exit: exitRefused,
		detail: view.UncoveredSummary(reviewed.Header, got) + "\nNothing was changed. Make a new plan, have it reviewed, and apply that."}
}

func otherGround(err error) error {
	p := &problem{code: "SPM0411", summary: "The reviewed plan cannot be compared", err: err, exit: exitRefused, detail: "Nothing was done."}
	switch {
	case errors.Is(err, plan.ErrOtherState):
		p.code = "SPM0406"
	case errors.Is(err, plan.ErrOtherConfiguration):
		p.code = "SPM0407"
	case !errors.Is(err, plan.ErrOtherScope):
		return err
	}
	return p
}
