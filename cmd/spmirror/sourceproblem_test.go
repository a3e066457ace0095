package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/apply"
	"github.com/spmirror/spmirror/crawl"
	"github.com/spmirror/spmirror/graph"
)

func TestAnExchangeThatComesToNothingHasItsOwnCodeAndAdvice(t *testing.T) {
	for code, kind := range map[string]error{
		apply.CodeNetwork: graph.ErrNetwork, crawl.CodeSourceLoop: graph.ErrLoop, "SPM0608": graph.ErrProtocol, apply.CodeSignIn: graph.ErrToken,
	} {
		if p := explained(fmt.Errorf("crawl drive x: read delta page: %w", kind)); p.code != code || p.detail == "" || p.err == nil {
			t.Errorf("%v is explained as %+v", kind, p)
		}
	}
	refused := fmt.Errorf("crawl drive x: %w: %w", graph.ErrToken, &graph.Error{Op: "read delta page", Status: 401})
	if p := explained(refused); p.code != apply.CodeSignIn || !strings.Contains(p.detail, "refuses the access token") {
		t.Errorf("a refused token is explained as %+v", p)
	}
	for _, kind := range []error{graph.ErrTooLarge, graph.ErrAddress} { // an answer of endless length, one whose next page is elsewhere
		if p := explained(fmt.Errorf("list users: %w", kind)); p.code != "SPM0608" {
			t.Errorf("explained as %+v", p)
		}
	}
}

func TestADriveThatCannotBeReadHasItsOwnCodeAndAdvice(t *testing.T) {
	for _, code := range []string{crawl.CodeDriveGone, crawl.CodeDriveDenied, crawl.CodeDriveLocked, crawl.CodeSourceLoop,
		crawl.CodeSourceBroken, crawl.CodeSourceEmpty} {
		err := fmt.Errorf("crawl drive x: %w", &crawl.ErrSource{Code: code, Err: errors.New("403")})
		if p := explained(err); p.code != code || p.detail == "" || p.summary == "The source cannot be read" {
			t.Errorf("%s is explained as %+v", code, p)
		}
	}
}

func TestALockedSiteIsCalledSoAlsoWhereItIsLookedUp(t *testing.T) {
	for _, e := range []*graph.Error{{Op: "find site", Status: 423}, {Op: "get default drive", Status: 423, Code: "notAllowed"}} {
		if p := explained(fmt.Errorf("mirror.m: %w", e)); p.code != "SPM0613" || p.detail == "" {
			t.Errorf("%v is explained as %+v", e, p)
		}
	}
}
