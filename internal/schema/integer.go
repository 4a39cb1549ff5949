package schema

import "math"

// ParseInt returns the integer that a value or operand stands for. The rules are those of C's
// strtoll with base 0 applied to the whole of b: leading white space, one optional sign, then
// 0x or 0X and hex digits, 0 and octal digits, or decimal digits. It reports false for anything
// else, trailing white space and the empty string included, and for numbers that do not fit.
//
// strconv.ParseInt with base 0 is not a replacement: it takes 0b, 0o and underscores, and
// refuses leading white space.
func ParseInt(b []byte) (int64, bool) {
	for len(b) > 0 && (b[0] == ' ' || b[0] >= '\t' && b[0] <= '\r') {
		b = b[1:]
	}
	neg := false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		neg = b[0] == '-'
		b = b[1:]
	}
	base := uint64(10)
	switch {
	case len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x':
		base, b = 16, b[2:]
	case len(b) > 1 && b[0] == '0':
		base, b = 8, b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	limit := uint64(math.MaxInt64)
	if neg {
		limit++
	}
	var n uint64
	for _, c := range b {
		d := digit(c)
		if d >= base {
			return 0, false
		}
		// n*base cannot wrap before it is refused: n is at most 2^63/base here.
		if n > (limit-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	if neg {
		return -int64(n), true // -int64(1<<63) is 1<<63 again, the smallest int64
	}
	return int64(n), true
}

// digit returns the value of a hexadecimal digit, or 16 for any other byte.
func digit(c byte) uint64 {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return 16
}
