package graph

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// example reads a file of examples.
func example(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// response makes an answer.
func response(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// recorded reads an answer that was written down with its head.
func recorded(t testing.TB, name string) *http.Response {
	t.Helper()
	raw := string(example(t, name))
	head, body, _ := strings.Cut(raw, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	var h http.Header
	status := 0
	for i, line := range lines {
		if i == 0 {
			fields := strings.Fields(line)
			for _, c := range fields[1] {
				status = status*10 + int(c-'0')
			}
			h = http.Header{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimSpace(value))
	}
	resp := response(status, body)
	resp.Header = h
	return resp
}

func TestErrorsAreReadFromTheEnvelope(t *testing.T) {
	for _, c := range []struct {
		file              string
		status            int
		code, inner, id   string
		resync, throttled bool
	}{
		{"error-410-resync-observed.json", 410, "resyncRequired", "", "4066dbff-4e0c-48a0-bf94-31934a1aaea4", true, false},
		{"error-410-resync-client-request-id-observed.json", 410, "resyncRequired", "", "xxxx", true, false},
		{"error-envelope-nested.json", 416, "invalidRange", "fragmentOverlap", "", false, false},
		{"error-envelope.json", 416, "invalidRange", "", "request-id", false, false},
		{"error-accessdenied-observed.json", 403, "accessDenied", "", "44e8cca0-ce71-4353-a165-0daefed7aad0", false, false},
		{"error-itemnotfound-observed.json", 404, "itemNotFound", "", "", false, false},
		{"error-delta-not-root-observed.json", 400, "notSupported", "", "63850350-8e61-4df0-9383-6495fda61bb4", false, false},
		{"error-subscription-limit-403-observed.json", 403, "ExtensionError", "", "a58611e7-85f9-4380-87a6-7fdf4bda93a0", false, false},
	} {
		e := newError("test", response(c.status, string(example(t, c.file))), time.Now())
		if e.Code != c.code || e.InnerCode != c.inner || e.RequestID != c.id || e.IsResync() != c.resync || e.IsThrottle() != c.throttled {
			t.Errorf("%s: %+v", c.file, e)
		}
	}
	for file, want := range map[string]time.Duration{
		"error-429-throttled-no-retry-after-observed.http": 0,
		"error-429-throttled-retry-after-observed.http":    2 * time.Minute,
	} {
		e := newError("test", recorded(t, file), time.Now())
		if !e.IsThrottle() || !errors.Is(e, ErrThrottled) || e.RetryAfter != want || e.Code != "activityLimitReached" || e.RequestID == "" {
			t.Errorf("%s: %+v", file, e)
		}
	}
}

func TestAnErrorWhoseMessageIsNoUnicodeKeepsItsCode(t *testing.T) {
	body := "{\"error\":{\"code\":\"itemNotFound\",\"message\":\"no item caf\xe9 here\"}}"
	if e := newError("test", response(404, body), time.Now()); e.Code != "itemNotFound" || e.Message != "no item caf here" {
		t.Errorf("%+v", e)
	}
}

func TestEveryWayToSayResyncIsRecognised(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   ResyncKind
	}{
		{410, ``, ResyncUnspecified},
		{410, `{"error":{"code":"resyncRequired"}}`, ResyncUnspecified},
		{410, `{"error":{"code":"resyncRequired","innererror":{"code":"resyncApplyDifferences"}}}`, ResyncApply},
		{410, `{"error":{"code":"resyncChangesUploadDifferences"}}`, ResyncUpload},
		{400, `{"error":{"code":"ResyncUploadDifferences"}}`, ResyncUpload},
		{400, `{"error":{"code":"SyncStateNotFound"}}`, ResyncUnspecified},
		{404, `{"error":{"code":"x","innerError":{"code":"y","innerError":{"code":"syncStateInvalid"}}}}`, ResyncUnspecified},
		{410, `{"error":{"code":"resyncRequired","innerError":{"code":"cannotSnapshotTree"}}}`, NoResync},
		{400, `{"error":{"code":"invalidRequest"}}`, NoResync},
		{200, `{"error":"resync"}`, NoResync},
	} {
		e := newError("test", response(c.status, c.body), time.Now())
		if got := e.ResyncKind(); got != c.want || e.IsResync() != (c.want != NoResync) {
			t.Errorf("%d %s: %d", c.status, c.body, got)
		}
	}
}

func TestKindsOfFailureAreToldApart(t *testing.T) {
	type kinds struct{ notFound, auth, access, locked, malware, transient, expired bool }
	for _, c := range []struct {
		name string
		e    *Error
		want kinds
	}{
		{"404 of Graph", &Error{Status: 404}, kinds{notFound: true}},
		{"404 of a content host", &Error{Status: 404, Host: "h"}, kinds{expired: true}},
		{"401 of Graph", &Error{Status: 401}, kinds{auth: true}},
		{"401 of Graph without fault of the token", &Error{Status: 401, Message: "Unable to initialize RPS"}, kinds{transient: true}},
		{"401 of a content host", &Error{Status: 401, Host: "h"}, kinds{expired: true}},
		{"403 of Graph", &Error{Status: 403}, kinds{access: true}},
		{"403 of a content host", &Error{Status: 403, Host: "h"}, kinds{expired: true}},
		{"403 with malware code", &Error{Status: 403, codes: []string{"accessDenied", "malwareDetected"}}, kinds{malware: true}},
		{"403 with malware header", &Error{Status: 403, Host: "h", infected: true}, kinds{malware: true}},
		{"410 of a content host", &Error{Status: 410, Host: "h"}, kinds{expired: true}},
		{"423", &Error{Status: 423}, kinds{locked: true}},
		{"locked by code", &Error{Status: 409, codes: []string{"notAllowed", "ResourceLocked"}}, kinds{locked: true}},
		{"500", &Error{Status: 500}, kinds{transient: true}},
		{"504", &Error{Status: 504}, kinds{transient: true}},
		{"503", &Error{Status: 503}, kinds{transient: true}},
		{"509", &Error{Status: 509}, kinds{transient: true}},
		{"507", &Error{Status: 507}, kinds{}},
		{"501", &Error{Status: 501}, kinds{}},
	} {
		e := c.e
		got := kinds{e.IsNotFound(), e.IsAuth(), e.IsAccess(), e.IsLocked(), e.IsMalware(), e.IsTransient(), e.IsExpiredURL()}
		if got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
		if errors.Is(e, ErrURLExpired) != c.want.expired || errors.Is(e, ErrMalware) != c.want.malware {
			t.Errorf("%s: sentinels disagree", c.name)
		}
	}
}

func TestAUserWithoutDriveIsAState(t *testing.T) {
	for body, want := range map[string]bool{
		`{"error":{"code":"ResourceNotFound","message":"User's mysite not found."}}`:            true,
		`{"error":{"code":"BadRequest","message":"Unable to retrieve user's mysite URL."}}`:     true,
		`{"error":{"code":"BadRequest","message":"Tenant does not have a SPO license."}}`:       true,
		`{"error":{"code":"Request_ResourceNotFound","message":"Resource 'x' does not exist"}}`: false,
		`{"error":{"code":"accessDenied","message":"no"}}`:                                      false,
	} {
		status := 404
		if strings.Contains(body, "BadRequest") {
			status = 400
		}
		if strings.Contains(body, "accessDenied") {
			status = 403
		}
		e := newError(opUserDrive, response(status, body), time.Now())
		if errors.Is(e, ErrNoDrive) != want {
			t.Errorf("%s: %t", body, !want)
		}
		if other := newError("get drive", response(status, body), time.Now()); errors.Is(other, ErrNoDrive) {
			t.Errorf("%s: no drive for a call that is not about a user", body)
		}
	}
}

func TestNoErrorShowsAQueryOrAControlCharacter(t *testing.T) {
	body := `{"error":{"code":"bad\u001b[2J","message":"see https://contoso.sharepoint.com/x?tempauth=canary&b=canary \u202e and\nmore"}}`
	e := newError("open", response(400, body, "request-id", "id\x1b"), time.Now())
	text := e.Error()
	if strings.Contains(text, "canary") || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q", text)
	}
	if !strings.Contains(text, "see https://contoso.sharepoint.com/x?… and more") {
		t.Errorf("%q", text)
	}
}

func TestWishesForAPauseAreReadInEveryForm(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name    string
		headers []string
		want    time.Duration
		told    bool
	}{
		{"none", nil, 0, false},
		{"seconds", []string{"Retry-After", "120"}, 2 * time.Minute, true},
		{"lower case name", []string{"retry-after", "7"}, 7 * time.Second, true},
		{"decimal", []string{"Retry-After", "2.5"}, 2500 * time.Millisecond, true},
		{"below a second", []string{"Retry-After", "0.249"}, time.Second, true},
		{"zero", []string{"Retry-After", "0"}, time.Second, true},
		{"negative", []string{"Retry-After", "-5"}, time.Second, true},
		{"not a number", []string{"Retry-After", "NaN"}, 0, false},
		{"words", []string{"Retry-After", "soon"}, 0, false},
		{"empty", []string{"Retry-After", ""}, 0, false},
		{"huge", []string{"Retry-After", "1000000000000"}, endless, true},
		{"exponent", []string{"Retry-After", "1e9"}, 1e9 * time.Second, true},
		{"overflow", []string{"Retry-After", "1e999"}, endless, true},
		{"a mebibyte of digits", []string{"Retry-After", strings.Repeat("9", 1<<20)}, endless, true},
		{"a mebibyte of noise", []string{"Retry-After", strings.Repeat("x", 1<<20)}, 0, false},
		{"date", []string{"Retry-After", date(90 * time.Second)}, 90 * time.Second, true},
		{"date in 1970", []string{"Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"}, time.Second, true},
		{"date against the server's own clock", []string{"Date", date(-time.Hour), "Retry-After", date(-time.Hour + 30*time.Second)}, 30 * time.Second, true},
		{"two headers", []string{"Retry-After", "9", "Retry-After", "31"}, 31 * time.Second, true},
		{"one of two is noise", []string{"Retry-After", "x", "Retry-After", "31"}, 31 * time.Second, true},
		{"reset is longer", []string{"Retry-After", "9", "RateLimit-Reset", "31"}, 31 * time.Second, true},
		{"reset is shorter", []string{"Retry-After", "31", "RateLimit-Reset", "9"}, 31 * time.Second, true},
		{"reset alone", []string{"RateLimit-Reset", "12"}, 12 * time.Second, true},
	} {
		got, told := RetryAfter(response(429, "", c.headers...).Header, now)
		if got != c.want || told != c.told {
			t.Errorf("%s: %s, %t", c.name, got, told)
		}
	}
	if far, told := RetryAfter(response(429, "", "Retry-After", "Tue, 01 Jan 2999 00:00:00 GMT").Header, now); !told || far < 100*365*24*time.Hour {
		t.Errorf("date in 2999: %s", far)
	}
}

func TestRateLimitWarningsNeedAllTheirParts(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    rateLimit
		ok      bool
	}{
		{[]string{"RateLimit-Limit", "1200", "RateLimit-Remaining", "120", "RateLimit-Reset", "5"}, rateLimit{1200, 120, 5 * time.Second}, true},
		{[]string{"RateLimit-Remaining", "120", "RateLimit-Reset", "5"}, rateLimit{}, false},
		{[]string{"RateLimit-Limit", "0", "RateLimit-Remaining", "0", "RateLimit-Reset", "5"}, rateLimit{}, false},
		{[]string{"RateLimit-Limit", "1200", "RateLimit-Remaining", "-1", "RateLimit-Reset", "5"}, rateLimit{}, false},
		{[]string{"RateLimit-Limit", "1200", "RateLimit-Remaining", "1", "RateLimit-Reset", "99999999"}, rateLimit{}, false},
	} {
		if got, ok := rateLimitOf(response(200, "", c.headers...).Header); got != c.want || ok != c.ok {
			t.Errorf("%v: %+v, %t", c.headers, got, ok)
		}
	}
}

func FuzzErrorBodiesNeverBreakTheReader(f *testing.F) {
	matches, _ := filepath.Glob("testdata/examples/error-*.json")
	for _, m := range matches {
		raw, _ := os.ReadFile(m)
		f.Add(410, raw)
	}
	f.Add(403, []byte("<html>blocked</html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := newError("fuzz", &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, time.Now())
		text := e.Error()
		if !utf8.ValidString(text) || len(text) > 4*(maxErrorMessage+2*maxErrorCode)+300 {
			t.Fatalf("%q", text)
		}
		_, _, _ = e.IsResync(), e.IsTransient(), e.IsMalware()
	})
}

func FuzzRetryAfterIsNeverBelowASecond(f *testing.F) {
	for _, v := range []string{"0", "-5", "1e9", "NaN", "Thu, 01 Jan 1970 00:00:00 GMT", "+Inf", "0x10", "1_000", ".5", "9.999999999999999999"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, told := RetryAfter(http.Header{"Retry-After": {value}}, time.Now())
		if told && (got < time.Second || got > endless) || !told && got != 0 {
			t.Fatalf("%q: %s, %t", value, got, told)
		}
	})
}
