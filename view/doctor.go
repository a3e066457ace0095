package view

import (
	"fmt"
	"strings"
)

// DoctorVersion is the version of the document of doctor -json.
const DoctorVersion = "1.0"

// CheckStatus is the result of a check of doctor.
type CheckStatus string

// The results of a check.
const (
	CheckOK   CheckStatus = "ok"
	CheckWarn CheckStatus = "warn"
	CheckFail CheckStatus = "fail"
	CheckSkip CheckStatus = "skip" // could not be looked at, because something before it failed
)

// DoctorReport is what doctor found, in the order in which it looked.
type DoctorReport struct {
	FormatVersion string        `json:"format_version"`
	Healthy       bool          `json:"healthy"` // nothing failed
	Counts        DoctorCounts  `json:"counts"`
	Checks        []DoctorCheck `json:"checks"`
}

// DoctorCounts says how many checks had which result.
type DoctorCounts struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

// DoctorCheck is one thing that was looked at.
type DoctorCheck struct {
	// Area is config, tenant, state, source, target or names.
	Area string `json:"area"`
	// Subject is the address or file that was looked at.
	Subject string `json:"subject"`
	// Check names what was looked at; it is stable.
	Check  string      `json:"check"`
	Status CheckStatus `json:"status"`
	// Message says what was found, Advice what to do, and Code names the error that a plan would show.
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
	Code    string `json:"code,omitempty"`
}

// NewDoctorReport counts checks.
func NewDoctorReport(checks []DoctorCheck) DoctorReport {
	r := DoctorReport{FormatVersion: DoctorVersion, Checks: append([]DoctorCheck{}, checks...)}
	for _, c := range checks {
		switch c.Status {
		case CheckOK:
			r.Counts.OK++
		case CheckWarn:
			r.Counts.Warn++
		case CheckFail:
			r.Counts.Fail++
		default:
			r.Counts.Skip++
		}
	}
	r.Healthy = r.Counts.Fail == 0
	return r
}

// Doctor prints a report as text: one line for each check, with what to do below it.
func (o Output) Doctor(r DoctorReport) error {
	p := newPage(o.Out)
	subjects := 0
	for _, c := range r.Checks {
		subjects = max(subjects, cells(Name(c.Subject)))
	}
	for _, c := range r.Checks {
		p.line(o.checkStatus(c.Status), "  ", left(c.Area, 6), "  ", left(Name(c.Subject), subjects), "  ", left(c.Check, 12), "  ", Message(c.Message), codeMark(c.Code))
		for line := range strings.SplitSeq(strings.TrimSpace(c.Advice), "\n") {
			if line != "" {
				p.line("        ", Message(line))
			}
		}
	}
	p.gap()
	p.line(fmt.Sprintf("%d ok, %s, %d failed, %d not looked at.", r.Counts.OK, plainCount(int64(r.Counts.Warn), "warning"), r.Counts.Fail, r.Counts.Skip))
	return p.close()
}

// checkStatus is a result in its colour, which carries no meaning alone.
func (o Output) checkStatus(status CheckStatus) string {
	as := map[CheckStatus]style{CheckOK: green, CheckWarn: yellow | bold, CheckFail: red | bold}[status]
	return o.paint(as, fmt.Sprintf("%-4s", status))
}

func codeMark(c string) string {
	if c == "" {
		return ""
	}
	return " [" + c + "]"
}
