// Package esc is the form that bytes have on a screen and in an argument: text
// where it is printable and safe, escapes where it is not. Parse(Format(b)) is b
// for all bytes.
package esc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Format returns b with a backslash, a newline, a tab and a carriage return as
// \\ \n \t \r, and as \xNN, byte by byte, whatever else could drive a terminal or
// hide: control characters, C1 and DEL among them, those that turn the direction
// of text or have no width, all spaces but the common one, and what is not UTF-8.
func Format(b []byte) string {
	var s strings.Builder
	s.Grow(len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == '\\':
			s.WriteString(`\\`)
		case r == '\n':
			s.WriteString(`\n`)
		case r == '\t':
			s.WriteString(`\t`)
		case r == '\r':
			s.WriteString(`\r`)
		case safe(r, size):
			s.Write(b[:size])
		default:
			for _, c := range b[:size] {
				s.WriteString(`\x`)
				s.WriteByte(hexDigits[c>>4])
				s.WriteByte(hexDigits[c&15])
			}
		}
		b = b[size:]
	}
	return s.String()
}

// Text is Format for text that a server or a user has sent.
func Text(s string) string { return Format([]byte(s)) }

// Message is the form of text that is not to be parsed again, such as an error, which
// may quote what is escaped already and may have many lines: backslashes and newlines
// stay, and what could drive a terminal or hide is escaped as by Format.
func Message(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == '\n' || r == '\\' {
			b.WriteRune(r)
		} else {
			b.WriteString(Text(s[:size]))
		}
		s = s[size:]
	}
	return b.String()
}

// JSON returns a text of JSON in which the strings have what could drive a terminal or hide in
// the escapes of JSON. It may be the same slice.
func JSON(text []byte) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return c > '~' }) { // what is below a space is escaped, or between parts
		return text
	}
	b := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == '\n' || safe(r, size) {
			b = append(b, text[:size]...)
		} else {
			for _, unit := range utf16.Encode([]rune{r}) {
				b = fmt.Appendf(b, `\u%04x`, unit)
			}
		}
		text = text[size:]
	}
	return b
}

// safe reports whether a rune of size bytes can stand for itself. IsPrint has no
// control and no format characters (C1, bidi, zero width) and no wide spaces. A
// variation selector and a filler are printable to it and yet cannot be seen.
func safe(r rune, size int) bool {
	if r == utf8.RuneError && size == 1 {
		return false
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Parse returns the bytes that s stands for. A backslash begins \\ \n \t \r or
// \xNN; everything else stands for itself.
func Parse(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		if i == len(s) {
			return nil, fmt.Errorf(`a \ at the end stands for nothing; \\ is a backslash`)
		}
		switch s[i] {
		case '\\':
			b = append(b, '\\')
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'x':
			if i+2 >= len(s) {
				return nil, fmt.Errorf(`%q needs two hexadecimal digits, as in \x00`, s[i-1:])
			}
			c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, fmt.Errorf(`%q needs two hexadecimal digits, as in \x00`, s[i-1:i+3])
			}
			b = append(b, byte(c))
			i += 2
		default:
			return nil, fmt.Errorf(`\%c stands for nothing; a backslash is \\, others are \n \t \r \xNN`, s[i])
		}
	}
	return b, nil
}
