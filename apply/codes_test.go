package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/spmirror/spmirror/graph"
	"github.com/spmirror/spmirror/target"
)

func TestEveryKindOfErrorHasItsCode(t *testing.T) {
	disk := func(err error) error { return &target.Error{Op: "write", Path: "a/b", Err: err} }
	for _, test := range []struct {
		err     error
		code    string
		outcome Outcome
	}{
		{disk(syscall.EIO), CodeDisk, Failed},
		{disk(fs.ErrNotExist), CodeLocalChanged, Superseded},
		{target.ErrNoSpace, CodeNoSpace, Failed},
		{target.ErrOccupied, CodeOccupied, Failed},
		{target.ErrChanged, CodeLocalChanged, Superseded},
		{graph.ErrMalware, CodeMalware, Failed},
		{graph.ErrThrottled, CodeThrottled, Failed},
		{graph.ErrOffline, CodeNetwork, Failed},
		{graph.ErrNetwork, CodeNetwork, Failed},
		{context.DeadlineExceeded, CodeNetwork, Failed},
		{graph.ErrToken, CodeSignIn, Failed},
		{superseded("it changed"), CodeSuperseded, Superseded},
		{errors.New("something else"), CodeFailed, Failed},
	} {
		res := Result{Outcome: Failed}
		classify(&res, fmt.Errorf("item: %w", test.err))
		if res.Code != test.code || res.Outcome != test.outcome || res.Message == "" {
			t.Errorf("%v is %s %s, want %s %s", test.err, res.Code, res.Outcome, test.code, test.outcome)
		}
	}
}
