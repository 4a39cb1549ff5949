package schema

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseInt(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
	}{
		{"0", 0},
		{"7", 7},
		{"+5", 5},
		{"-5", -5},
		{" 7", 7},
		{" \t\n\v\f\r-7", -7},
		{"010", 8},
		{"000", 0},
		{"-0", 0},
		{"-010", -8},
		{"00", 0},
		{"0x10", 16},
		{"0X1f", 31},
		{"-0xff", -255},
		{"0xAbC", 0xabc},
		{"0x00", 0},
		{"9223372036854775807", math.MaxInt64},
		{"-9223372036854775808", math.MinInt64},
		{"0x7fffffffffffffff", math.MaxInt64},
		{"-0x8000000000000000", math.MinInt64},
		{"0777777777777777777777", math.MaxInt64},
		{"-01000000000000000000000", math.MinInt64},
		{"000000000000000000000000000000017", 15},
	} {
		if got, ok := ParseInt([]byte(tc.text)); !ok || got != tc.want {
			t.Errorf("ParseInt(%q) = %d, %v; want %d", tc.text, got, ok, tc.want)
		}
	}
	for _, text := range []string{
		"", " ", "+", "-", "+-5", "--5", "- 5", "a", "7a", "7 ", "7\n", "7\x00", "\x007", "08", "09", "0a",
		"0x", "0X", "0xg", "x10", "0x-1", "0x 1", "0b101", "0B1", "0o17", "1_0", "1e3", "1.0", ".5", "١",
		"\xa07", "９", "9223372036854775808", "-9223372036854775809", "0x8000000000000000",
		"-0x8000000000000001", "01000000000000000000000", "99999999999999999999999999", "0xffffffffffffffffffff",
	} {
		if got, ok := ParseInt([]byte(text)); ok || got != 0 {
			t.Errorf("ParseInt(%q) = %d, %v; want invalid", text, got, ok)
		}
	}
}

var intSyntax = regexp.MustCompile(`^[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))$`)

// parseIntSlowly states the rules a second time, as a regular expression and big numbers.
func parseIntSlowly(text string) (int64, bool) {
	m := intSyntax.FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "\n") {
		return 0, false
	}
	n := new(big.Int)
	for i, base := range []int{16, 8, 10} {
		if m[i+2] != "" {
			n.SetString(m[i+2], base)
		}
	}
	if m[1] == "-" {
		n.Neg(n)
	}
	if !n.IsInt64() {
		return 0, false
	}
	return n.Int64(), true
}

func TestParseIntAgainstSyntax(t *testing.T) {
	text := rapid.StringMatching(`[ \t]{0,2}[+-]{0,1}(0|0x|0X)?[0-9a-fA-F]{0,24}[ x_]?`)
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "text")
		got, ok := ParseInt([]byte(s))
		if want, wantOK := parseIntSlowly(s); got != want || ok != wantOK {
			t.Fatalf("ParseInt(%q) = %d, %v; want %d, %v", s, got, ok, want, wantOK)
		}
	})
}

func TestParseIntDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		if got, ok := ParseInt(strconv.AppendInt(nil, n, 10)); !ok || got != n {
			t.Fatalf("ParseInt(%d) = %d, %v", n, got, ok)
		}
	})
}

func FuzzParseInt(f *testing.F) {
	for _, s := range []string{"", "0x1F", "-9223372036854775808", "010", " +7", "08", "7\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseInt([]byte(s))
		if want, wantOK := parseIntSlowly(s); got != want || ok != wantOK {
			t.Fatalf("ParseInt(%q) = %d, %v; want %d, %v", s, got, ok, want, wantOK)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	hashKey, sortKey, number := []byte("hash key"), []byte("sort key"), []byte(" -0x7fff")
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		key := AppendKey(buf[:0], hashKey, sortKey)
		SplitKey(key)
		KeyHash(key)
		AppendNext(buf[32:32], key)
		ParseInt(number)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
