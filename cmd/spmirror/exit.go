package main

import (
	"errors"
	"fmt"
)

// Exit codes (DESIGN section 4).
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2
	exitBlocked     = 3
	exitIncomplete  = 4
	exitRefused     = 5
	exitLocked      = 6
	exitDeclined    = 7
	exitInterrupted = 130
	exitTerminated  = 143
)

// exitStatus ends a command with a code after it has said all there is to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// problem is an error as the user sees it: what happened, a stable code, and what
// stayed unchanged and what to do next.
type problem struct {
	code    string
	summary string
	detail  string
	exit    int
	err     error
}

func (p *problem) Error() string {
	if p.err != nil {
		return p.summary + ": " + p.err.Error()
	}
	return p.summary
}

func (p *problem) Unwrap() error { return p.err }

// exitCode of an error.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if p := explained(err); p.exit != 0 {
		return p.exit
	}
	return exitError
}

// worse returns the code that wins when several hold.
func worse(a, b int) int {
	for _, code := range []int{exitError, exitLocked, exitRefused, exitBlocked, exitIncomplete, exitChanges} {
		if a == code || b == code {
			return code
		}
	}
	return max(a, b)
}
