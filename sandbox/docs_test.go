package sandbox

import (
	"os"
	"strings"
	"testing"
)

// TestTheScriptsOfThePageAreScripts reads the page that explains them.
func TestTheScriptsOfThePageAreScripts(t *testing.T) {
	data, err := os.ReadFile("../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	page, steps := string(data), 0
	for i, part := range strings.Split(page, "\n```") {
		language, script, _ := strings.Cut(part, "\n")
		if i%2 == 0 || language != "" || strings.HasPrefix(script, "spmirror ") || strings.HasPrefix(script, "curl ") {
			continue // between two blocks, or a block of something else
		}
		parsed, err := ParseScript(script)
		if err != nil {
			t.Error(err)
		}
		steps += len(parsed.Steps)
	}
	if steps < 10 {
		t.Errorf("the page has %d steps", steps)
	}
	for op := range knownOps {
		if !strings.Contains(page, "`"+op+"`") {
			t.Errorf("the operation %s is not explained", op)
		}
	}
	for _, a := range []Action{
		ActionReset, ActionTruncate, ActionShort, ActionCorrupt, ActionZeros, ActionLonger, ActionIgnoreRange, ActionContentRange, ActionGzip, ActionHTML,
		ActionEmpty, ActionExpireURL, ActionRevoke, ActionClaims, ActionGone, ActionDrip, ActionHang, ActionLoop, ActionForeignLink, ActionNoLink,
		ActionBothLinks, ActionETag, ActionLose, ActionDuplicate, ActionForge,
	} {
		if !strings.Contains(page, "`"+string(a)+"`") {
			t.Errorf("the action %s is not named", a)
		}
	}
}
