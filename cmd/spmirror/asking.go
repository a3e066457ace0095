package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// confirm asks a question. It returns nil for the answer yes and for nothing else. Instead says what to use where nobody answers.
func (s *session) confirm(ctx context.Context, question, cancelled, instead string) error {
	fmt.Fprint(s.env.stdout, "\n"+question+"\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ")
	line, err := bufio.NewReader(interruptible{ctx, s.env.stdin}).ReadString('\n')
	fmt.Fprintln(s.env.stdout)
	if ctx.Err() != nil {
		fmt.Fprintln(s.env.stdout, cancelled)
		return ctx.Err()
	}
	if strings.TrimSpace(line) == "yes" {
		return nil
	}
	if err != nil && line == "" {
		return &problem{code: "SPM0008", summary: "Approval needed", detail: "Nobody answered. Use " + instead + ". Nothing was done.", exit: exitDeclined}
	}
	fmt.Fprintln(s.env.stdout, cancelled)
	return exitStatus(exitDeclined)
}

// interruptible reads until the context ends: a terminal that waits for a line does not end by itself. A read that is
// given up stays behind, and what it gets is lost.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	buf, done := make([]byte, len(p)), make(chan result, 1)
	go func() {
		n, err := i.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
