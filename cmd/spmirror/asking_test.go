package main

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
)

func TestAnInterruptEndsAQuestionThatNobodyAnswers(t *testing.T) {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	synctest.Test(t, func(t *testing.T) {
		silent, terminal := io.Pipe()
		defer terminal.Close()
		s := &session{env: &environment{stdin: silent, stdout: nowhere}}
		ctx, interrupt := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { answer <- s.confirm(ctx, "Really?", "Cancelled.", "-auto-approve") }()
		synctest.Wait()
		interrupt()
		synctest.Wait()
		select {
		case err := <-answer:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the question ended with %v", err)
			}
		default:
			t.Error("the question still waits for a line")
		}
	})
}

func TestOnlyYesIsYes(t *testing.T) {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	for line, want := range map[string]int{"yes\n": exitOK, " yes \n": exitOK, "yes": exitOK, "y\n": exitDeclined, "YES\n": exitDeclined, "\n": exitDeclined, "": exitDeclined} {
		read, write := io.Pipe()
		go func() { io.WriteString(write, line); write.Close() }()
		s := &session{env: &environment{stdin: read, stdout: nowhere}}
		if err := s.confirm(t.Context(), "Really?", "Cancelled.", "-auto-approve"); exitCode(err) != want {
			t.Errorf("%q leads to %v", line, err)
		}
	}
}
