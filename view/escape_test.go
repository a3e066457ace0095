package view

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLegitimateNamesStayReadable(t *testing.T) {
	for _, name := range []string{
		"family👨\u200d👩\u200d👧.png", "thumb👍🏽.jpg", "flag🏳️\u200d🌈", "keycap1️⃣", "שלום עולם.docx", "تقرير ٢٠٢٥.pdf", "हिन्दी", "क्\u200dष", "naïve café.txt",
		"e\u0301te\u0301.docx", "日本語　資料.xlsx", "a b.txt", "$(id) `x` %PATH% !x", "می\u200cخواهم", "~$doc.docx", "葛\U000e0100.txt",
	} {
		if got := Name(name); got != name {
			t.Errorf("Name(%q) = %q, want it unchanged", name, got)
		}
	}
}

func TestDangerousNamesBecomeVisible(t *testing.T) {
	for name, want := range map[string]string{
		"a\nb":               `a\x0ab`,
		"\x1b[2J":            `\x1b[2J`,
		"\u009b31m":          `\u009b31m`,
		"\u202efdp.exe":      `\u202efdp.exe`,
		"a\u200bb":           `a\u200bb`,
		"a\u200db":           `a\u200db`,
		"x\U000e0041":        `x\U000e0041`,
		"\x7f":               `\x7f`,
		"\xff":               `\xff`,
		`a\x1b`:              `a\\x1b`,
		"end ":               `end\x20`,
		"a  b":               `a \x20b`,
		"\u2800":             `\u2800`,
		"a\ufe0fb":           `a\ufe0fb`,
		"a\u2028b":           `a\u2028b`,
		"soft\u00adhyphen":   `soft\u00adhyphen`,
		"\u0301leading":      `\u0301leading`,
		"private\ue000":      `private\ue000`,
		"noncharacter\uffff": `noncharacter\uffff`,
	} {
		if got := Name(name); got != want {
			t.Errorf("Name(%+q) = %q, want %q", name, got, want)
		}
	}
}

// allowed reports whether a text may be written to a terminal.
func allowed(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == zwj || r == zwnj || unicode.IsGraphic(r) && !unicode.Is(invisible, r) || unicode.Is(arabicSigns, r) {
			continue
		}
		return false
	}
	return true
}

func FuzzEscapedTextIsInTheAllowedSet(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := Name(s); !allowed(got) {
			t.Errorf("Name(%+q) = %+q", s, got)
		}
		if got := Message(s); !allowed(got) {
			t.Errorf("Message(%+q) = %+q", s, got)
		}
		for n := range 40 {
			if got := fit(Name(s), n); !allowed(got) {
				t.Errorf("fit(Name(%+q), %d) = %+q", s, n, got)
			}
		}
		if word := shellWord(s); !allowed(word) {
			t.Errorf("shellWord(%+q) = %+q", s, word)
		}
	})
}

// nameGen draws names from the characters that matter.
var nameGen = rapid.StringOf(rapid.RuneFrom([]rune("ab .\\x1u0`|;=+-@<>&[](){}#!*_~'\"/\x1b\n\t\r\u009b\u202e\u200b\u200d👨👩\ufe0f\u0301\U000e0041שع日　ÿ")))

func TestTwoNamesAreNeverShownAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := nameGen.Draw(t, "a"), nameGen.Draw(t, "b")
		if a != b && Name(a) == Name(b) {
			t.Fatalf("%+q and %+q are both shown as %q", a, b, Name(a))
		}
	})
	if Name("\x80") == Name("\u0080") {
		t.Error("a stray byte and a control character are shown alike")
	}
}

func TestShorteningKeepsTheEndAndTheWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := Name(nameGen.Draw(t, "name"))
		n := rapid.IntRange(12, 60).Draw(t, "n")
		short := fit(name+".exe", n)
		if cells(short) > n {
			t.Fatalf("fit(%q, %d) takes %d columns", name, n, cells(short))
		}
		if !strings.HasSuffix(short, ".exe") {
			t.Fatalf("fit(%q, %d) = %q loses the extension", name+".exe", n, short)
		}
	})
}

func FuzzSafeJSONMeansTheSame(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := json.Marshal(map[string]string{"name": s})
		if err != nil {
			t.Skip()
		}
		safe := jsonSafe(plain)
		if !allowed(string(safe)) {
			t.Errorf("jsonSafe(%+q) = %+q", plain, safe)
		}
		var a, b map[string]string
		if json.Unmarshal(plain, &a) != nil || json.Unmarshal(safe, &b) != nil || a["name"] != b["name"] {
			t.Errorf("jsonSafe(%+q) = %+q means %+q", plain, safe, b["name"])
		}
	})
}

var formula = regexp.MustCompile(`^[\s"]*[=+\-@＝＋－＠\t\r]`)

func FuzzNoCSVCellIsAFormula(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		w := newCSV(&b)
		w.row("first", csvCell(s), "last")
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		if !allowed(strings.TrimSuffix(b.String(), "\r\n")) {
			t.Errorf("row of %+q is %+q", s, b.String())
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 3 {
			t.Fatalf("row of %+q is read as %q, %v", s, rows, err)
		}
		for _, part := range strings.FieldsFunc(rows[0][1], func(r rune) bool { return r == ';' || r == '|' }) {
			if formula.MatchString(part) {
				t.Errorf("csvCell(%+q) holds the formula %q", s, part)
			}
		}
	})
}

// outsideCode removes the code spans of a line the way CommonMark finds them: a
// run of backticks closes at the next run of the same length.
func outsideCode(line string) string {
	var out strings.Builder
	for i := 0; i < len(line); {
		if line[i] != '`' {
			out.WriteByte(line[i])
			i++
			continue
		}
		run := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
		end := -1
		for j := i + run; j < len(line); {
			if line[j] != '`' {
				j++
				continue
			}
			n := len(line[j:]) - len(strings.TrimLeft(line[j:], "`"))
			if n == run {
				end = j + n
				break
			}
			j += n
		}
		if end < 0 {
			out.WriteString(line[i : i+run])
			i += run
			continue
		}
		out.WriteString("CODE")
		i = end
	}
	return out.String()
}

func FuzzMarkdownShowsForeignTextAsCodeOnly(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, span := range []string{code(s), sentence(s)} {
			if span == "" {
				continue
			}
			if !allowed(span) || strings.Contains(span, "|") {
				t.Errorf("code of %+q is %+q", s, span)
			}
			if got := outsideCode("| " + span + " |"); got != "| CODE |" {
				t.Errorf("code of %+q is %q, which leaves %q outside", s, span, got)
			}
		}
		if got := codeHTML(s); strings.ContainsAny(strings.TrimSuffix(strings.TrimPrefix(got, "<code>"), "</code>"), "<>\"'") {
			t.Errorf("codeHTML(%+q) = %q", s, got)
		}
		if got := comment(s); strings.Contains(got, "--") || strings.ContainsAny(got, "<>") {
			t.Errorf("comment(%+q) = %q", s, got)
		}
	})
}
