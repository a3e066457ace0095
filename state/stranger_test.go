package state

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Another program that holds the file for a while is waited for; one that does not let
// go is an error that says so, and the transaction has not happened (S03).
func TestAnotherProgramInTheFileIsWaitedForAndNeverOverwritten(t *testing.T) {
	s := newState(t)
	stranger, err := connect(s.Path(), writing)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.close()
	hold := func() {
		t.Helper()
		if err := stranger.run("BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
	}
	put := func(id DriveID) error {
		return s.Tx(t.Context(), func(tx *Tx) error { _, err := tx.PutDrive(Drive{Tenant: "t", ID: id}); return err })
	}
	hold()
	go func() {
		time.Sleep(50 * time.Millisecond)
		_ = stranger.run("ROLLBACK")
	}()
	if err := put("waited"); err != nil {
		t.Errorf("a lock that went away: %v", err)
	}
	if os.Getenv("SPMIRROR_LONG") == "" {
		return // the other half waits for five seconds
	}
	hold()
	if err := put("refused"); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("a lock that stays: %v", err)
	}
	if err := stranger.run("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.DriveByID(t.Context(), "t", "refused"); ok || err != nil {
		t.Errorf("the drive is there: %t, %v", ok, err)
	}
	if err := put("refused"); err != nil {
		t.Errorf("after that: %v", err)
	}
}
