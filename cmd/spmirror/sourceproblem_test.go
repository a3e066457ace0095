package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/spmirror/spmirror/crawl"
)

func TestADriveThatCannotBeReadHasItsOwnCodeAndAdvice(t *testing.T) {
	for _, code := range []string{crawl.CodeDriveGone, crawl.CodeDriveDenied, crawl.CodeDriveLocked, crawl.CodeSourceLoop,
		crawl.CodeSourceBroken, crawl.CodeSourceEmpty} {
		err := fmt.Errorf("crawl drive x: %w", &crawl.ErrSource{Code: code, Err: errors.New("403")})
		if p := explained(err); p.code != code || p.detail == "" || p.summary == "The source cannot be read" {
			t.Errorf("%s is explained as %+v", code, p)
		}
	}
}
