package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/spmirror/spmirror/target"
)

func TestATargetThatAnotherRunHoldsIsNotWrittenTo(t *testing.T) {
	root := t.TempDir() + "/mirror"
	marker := target.NewMarker("lineage", "mirror.m", "drive", time.Now())
	if err := target.Init(root, marker); err != nil {
		t.Fatal(err)
	}
	open := func() *target.Dir {
		dir, err := target.Open(root, marker)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(dir.Close)
		return dir
	}
	held, err := lockTarget(context.Background(), open(), "mirror.m")
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockTarget(context.Background(), open(), "mirror.m")
	var p *problem
	if !errors.As(err, &p) || p.code != "SPM0804" || exitCode(err) != exitLocked {
		t.Fatalf("the second run got %v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockTarget(context.Background(), open(), "mirror.m")
	if err != nil {
		t.Fatalf("after the first run ended: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}
