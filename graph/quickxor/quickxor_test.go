package quickxor_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/spmirror/spmirror/graph/quickxor"
	"pgregory.net/rapid"
)

// oracle is the definition, byte by byte and bit by bit.
func oracle(data []byte) string {
	var ring [160]bool
	for i, b := range data {
		for bit := range 8 {
			if b>>bit&1 == 1 {
				at := (i*11 + bit) % 160
				ring[at] = !ring[at]
			}
		}
	}
	var sum [20]byte
	for at, set := range ring {
		if set {
			sum[at/8] |= 1 << (at % 8)
		}
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(data)))
	for i, b := range length {
		sum[12+i] ^= b
	}
	return base64.StdEncoding.EncodeToString(sum[:])
}

func pattern(t *testing.T, name string, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	x := uint32(1)
	for i := range data {
		switch name {
		case "zero", "one_then_zero", "zero_then_one":
		case "ff":
			data[i] = 0xff
		case "seq":
			data[i] = byte(i)
		case "mul31":
			data[i] = byte(i*31 + 7)
		case "lcg":
			x = (1103515245*x + 12345) & 0x7fffffff
			data[i] = byte(x >> 16)
		default:
			t.Fatalf("unknown pattern %q", name)
		}
	}
	if n > 0 && name == "one_then_zero" {
		data[0] = 1
	}
	if n > 0 && name == "zero_then_one" {
		data[n-1] = 1
	}
	return data
}

func TestVectorsAreReproduced(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Pattern, QuickXorHash string
			Length                int
		}
		Text []struct{ UTF8, QuickXorHash string } `json:"text_vectors"`
		Pub  struct {
			Vectors []struct {
				Input []byte `json:"input_base64"`
				Hash  string `json:"quickXorHash"`
			}
		} `json:"published"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 500 || len(file.Text) < 5 || len(file.Pub.Vectors) < 70 {
		t.Fatalf("vectors missing: %d, %d, %d", len(file.Vectors), len(file.Text), len(file.Pub.Vectors))
	}
	check := func(name string, data []byte, want string) {
		if got := quickxor.Encode(quickxor.Sum(data)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, v := range file.Vectors {
		check(fmt.Sprintf("%s of %d", v.Pattern, v.Length), pattern(t, v.Pattern, v.Length), v.QuickXorHash)
	}
	for _, v := range file.Text {
		check(v.UTF8, []byte(v.UTF8), v.QuickXorHash)
	}
	for _, v := range file.Pub.Vectors {
		check(fmt.Sprintf("published %d", len(v.Input)), v.Input, v.Hash)
	}
}

func TestAnySplitOfTheBytesGivesTheHashOfTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 700), rapid.SampledFrom([]int{1759, 1760, 20480, 20481, 41000})).Draw(t, "size")
		seed := rapid.Uint64().Draw(t, "seed")
		data := make([]byte, size)
		rng := rand.New(rand.NewPCG(seed, 1))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		h := quickxor.New()
		for rest := data; len(rest) > 0; {
			n := rapid.IntRange(0, len(rest)).Draw(t, "cut")
			if _, err := h.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if rapid.Bool().Draw(t, "save") {
				h = reopened(t, h)
			}
			if n == 0 {
				_, _ = h.Write(rest)
				break
			}
		}
		if got, want := h.String(), oracle(data); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if h.Length() != int64(size) {
			t.Fatalf("length %d, want %d", h.Length(), size)
		}
	})
}

func reopened(t *rapid.T, h *quickxor.Hash) *quickxor.Hash {
	t.Helper()
	state, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	fresh := quickxor.New()
	if err := fresh.UnmarshalBinary(state); err != nil {
		t.Fatal(err)
	}
	return fresh
}

func TestSumDoesNotEndTheHash(t *testing.T) {
	h := quickxor.New()
	_, _ = h.Write([]byte("abc"))
	first := h.Sum([]byte{9})
	_, _ = h.Write([]byte("def"))
	want := quickxor.Sum([]byte("abcdef"))
	if !bytes.Equal(h.Sum(nil), want[:]) || first[0] != 9 || len(first) != 21 {
		t.Fatalf("sum %x then %x, want %x", first, h.Sum(nil), want)
	}
	h.Reset()
	if h.String() != quickxor.Empty {
		t.Fatalf("after reset: %s", h.String())
	}
}

func TestForeignStatesAreRefusedAndLeaveTheHashAlone(t *testing.T) {
	h := quickxor.New()
	_, _ = h.Write([]byte("keep"))
	before := h.String()
	good, _ := h.MarshalBinary()
	other := bytes.Clone(good)
	other[3] = 2
	for _, state := range [][]byte{nil, good[:len(good)-1], append(bytes.Clone(good), 0), other} {
		if err := h.UnmarshalBinary(state); err == nil {
			t.Errorf("state of %d bytes accepted", len(state))
		}
	}
	if h.String() != before {
		t.Fatal("a refused state changed the hash")
	}
}

func TestParseReadsBothSpellingsAndNothingElse(t *testing.T) {
	sum := quickxor.Sum([]byte("The quick brown fox"))
	want := quickxor.Encode(sum)
	plain := hex.EncodeToString(sum[:])
	for _, text := range []string{want, plain, strings.ToUpper(plain)} {
		got, err := quickxor.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "=", want[:27], want + "=", plain[:39], plain[:39] + "g", strings.Repeat("A", 28), "\n" + want[1:], strings.Repeat("x", 1<<16)} {
		if got, err := quickxor.Parse(text); err == nil {
			t.Errorf("Parse(%.40q) = %q", text, got)
		}
	}
}

func FuzzHashEqualsItsDefinitionAcrossASplit(f *testing.F) {
	f.Add([]byte("hello"), uint(2))
	f.Add(bytes.Repeat([]byte{0xff}, 333), uint(161))
	f.Fuzz(func(t *testing.T, data []byte, at uint) {
		cut := int(at % uint(len(data)+1))
		h := quickxor.New()
		_, _ = h.Write(data[:cut])
		_, _ = h.Write(data[cut:])
		if got, want := h.String(), oracle(data); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func FuzzParseReturnsAFixedPoint(f *testing.F) {
	f.Add(quickxor.Empty)
	f.Add(strings.Repeat("0a", 20))
	f.Fuzz(func(t *testing.T, text string) {
		first, err := quickxor.Parse(text)
		if err != nil {
			return
		}
		if again, err := quickxor.Parse(first); err != nil || again != first {
			t.Fatalf("%q became %q, then %q (%v)", text, first, again, err)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := bytes.Repeat([]byte("spmirror"), size/8)
			b.SetBytes(int64(size))
			for b.Loop() {
				h := quickxor.New()
				_, _ = h.Write(data)
				_ = h.Sum(nil)
			}
		})
	}
}
