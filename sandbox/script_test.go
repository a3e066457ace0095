package sandbox

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestScriptsActAtTheirMoments(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tn, d := smallTenant(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Script = `
# what is there from the start
put sites/a/Documents "/with blank.txt" text="a \"quoted\" text"
behave pageSize=3 order=parent-first
on 2 item: put sites/a/Documents /second.txt size=2KiB
after 30s: delete sites/a/Documents /one.txt
{"when":{"on":"item","n":3},"edit":{"op":"rename","drive":"sites/a/Documents","path":"/dir","to":"renamed"}}
`
	})
	has := func(path string) bool { tn.mu.RLock(); defer tn.mu.RUnlock(); return d.walk(path) != nil }
	if !has("/with blank.txt") || has("/second.txt") {
		t.Fatal("the start is wrong")
	}
	if b := tn.behaviour(); b.PageSize != 3 || b.Order != OrderParentFirst {
		t.Errorf("the switches are %+v", b)
	}
	ask(tn, driveURL(d, "/root"))
	if has("/second.txt") {
		t.Error("the second call is not yet")
	}
	ask(tn, driveURL(d, "/root"))
	if !has("/second.txt") || d.walk("/second.txt").size != 2048 {
		t.Error("the second call did nothing")
	}
	now = now.Add(31 * time.Second)
	ask(tn, driveURL(d, "/root"))
	if has("/one.txt") || !has("/renamed/two.bin") {
		t.Error("the third call, after 30 s, did nothing")
	}
}

func TestMistakesInScriptsAreNamedByLine(t *testing.T) {
	_, err := ParseScript("put a /x text=1\nfrobnicate a /x\nfault colour=red\nafter soon: delete a /x\nbehave pageSize=many\n{\"edit\":{}}\nput a /x text=\"open\n")
	if err == nil {
		t.Fatal("the script was taken")
	}
	for _, want := range []string{"line 2", "line 3", "line 4", "line 5", "line 6", "line 7"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 1:") {
		t.Errorf("line 1 is right: %v", err)
	}
}

func TestAScriptGivesTheSameTenantInEveryProcess(t *testing.T) {
	script := func(o *Options) {
		o.Script = "put sites/a/Documents /s.txt text=x\nrename sites/a/Documents /dir to=other"
		o.Now = nil
	}
	one, d1 := smallTenant(t, script)
	_, d2 := smallTenant(t, script)
	if !slices.Equal(modelTree(d1), modelTree(d2)) || d1.chain != d2.chain {
		t.Error("two tenants of one script differ")
	}
	_ = one
}

func FuzzParseScript(f *testing.F) {
	for _, s := range []string{"put a /x text=1", "fault on=delta status=500 header.Retry-After=1", `{"edit":{"op":"put"}}`, "on 2 delta: forget a", "behave order=shuffled lag=3s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(text)
		if err == nil {
			for _, step := range s.Steps {
				if step.check() != nil {
					t.Errorf("a step that cannot be taken was accepted: %q", step.line)
				}
			}
		}
	})
}

func FuzzDeltaToken(f *testing.F) {
	tn, err := New(Options{Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tn.encodeToken(deltaToken{upto: 3, sel: "id"}))
	f.Add("latest")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := tn.decodeToken(text)
		if err == nil && tn.encodeToken(k) != text {
			t.Errorf("%q decodes to another token", text)
		}
	})
}

func FuzzItemID(f *testing.F) {
	p := makeIDPrefix(makeGUID(1, "list"))
	g := makeGUID(2, "item")
	f.Add(string(p.append(nil, &g)))
	f.Fuzz(func(t *testing.T, text string) {
		if g, ok := p.parse(ItemID(text)); ok && string(p.append(nil, &g)) != text {
			t.Errorf("%q parses to another id", text)
		}
	})
}

func TestAnEditThatFailsHalfwayIsReplayedToo(t *testing.T) {
	state := t.TempDir() + "/state"
	keep := func(o *Options) { o.StateFile = state }
	tn, d := smallTenant(t, keep)
	if _, err := d.Put("/made on the way/CON", "x"); err == nil {
		t.Fatal("CON was taken")
	}
	if _, err := d.Put("/later.txt", "x"); err != nil {
		t.Fatal(err)
	}
	tn.SetBehaviour(Behaviour{FolderDelete: DeleteEverything, CTagOnRename: true})
	for _, edit := range []func() (ItemID, error){func() (ItemID, error) { return d.Rename("/one.txt", "uno.txt") }, func() (ItemID, error) { return d.Delete("/dir") },
		func() (ItemID, error) { return d.Swap("/uno.txt", "/later.txt") }, func() (ItemID, error) { return d.Restore("/dir") }, func() (ItemID, error) { return d.Move("/dir/two.bin", "/made on the way/") }} {
		if _, err := edit(); err != nil {
			t.Fatal(err)
		}
	}
	tn.Close()
	_, again := smallTenant(t, keep)
	if !slices.Equal(modelTree(d), modelTree(again)) || d.chain != again.chain || d.seq != again.seq {
		t.Errorf("the replayed tenant differs:\n%v\n%v", modelTree(d), modelTree(again))
	}
}
