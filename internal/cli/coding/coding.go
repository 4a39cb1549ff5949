// Package coding turns what is typed into the bytes of keys and values, and back.
package coding

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
)

// Coding is one way to write bytes as text.
type Coding struct {
	Name    string
	Meaning string
	Parse   func(text string) ([]byte, error)
	Format  func(b []byte) (string, error)
}

// All are the codings that there are, the default first.
var All = []Coding{
	{"esc", `text, with \\ \n \t \r and \xNN for what it cannot show`, esc.Parse, func(b []byte) (string, error) { return esc.Format(b), nil }},
	{"utf8", "text as it is; other bytes, and what a screen cannot show, are an error", func(s string) ([]byte, error) { return []byte(s), validUTF8([]byte(s)) }, formatUTF8},
	{"hex", "two hexadecimal digits a byte", hex.DecodeString, func(b []byte) (string, error) { return hex.EncodeToString(b), nil }},
	{"base64", "standard base64, padded", base64.StdEncoding.DecodeString, func(b []byte) (string, error) { return base64.StdEncoding.EncodeToString(b), nil }},
	{"int32", "a decimal number, stored in 4 bytes, big-endian, as Java clients do", parseInt32, formatInt32},
	{"int64", "the same in 8 bytes", parseInt64, formatInt64},
	{"json", "a JSON document, stored and shown without spaces between its parts", parseJSON, formatJSON},
	{"javabytes", "signed decimal numbers, as Java has bytes: 112,-1,0", parseJavaBytes, formatJavaBytes},
	{"zstd", "as esc, stored compressed, as Java clients do; what is not compressed is shown as it is", parseZstd, formatZstd},
}

// Row is how the three parts of a row are written. The zero value is esc for all.
type Row struct{ Hash, Sort, Value Coding }

// NewRow returns the codings of --encoding without a value.
func NewRow() Row { return Row{All[0], All[0], All[0]} }

// Set takes "hash=int64,sort=utf8,value=hex", any of them, each once.
func (r *Row) Set(s string) error {
	next, seen := NewRow(), make(map[string]bool)
	for part := range strings.SplitSeq(s, ",") {
		which, name, _ := strings.Cut(part, "=")
		target := map[string]*Coding{"hash": &next.Hash, "sort": &next.Sort, "value": &next.Value}[which]
		if target == nil || seen[which] {
			return fmt.Errorf("%q is not hash=NAME, sort=NAME or value=NAME, each once at most", part)
		}
		seen[which] = true
		c, err := named(name)
		if err != nil {
			return err
		}
		*target = c
	}
	*r = next
	return nil
}

// Type names the kind of value in the help.
func (r *Row) Type() string { return "codings" }

// String returns what Set takes.
func (r *Row) String() string {
	return fmt.Sprintf("hash=%s,sort=%s,value=%s", r.Hash.Name, r.Sort.Name, r.Value.Name)
}

func named(name string) (Coding, error) {
	var names []string
	for _, c := range All {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Coding{}, fmt.Errorf("there is no coding %q; there are %s", name, strings.Join(names, " "))
}

func validUTF8(b []byte) error {
	if !utf8.Valid(b) {
		return fmt.Errorf("%s is not UTF-8", esc.Format(b))
	}
	return nil
}

// formatUTF8 changes nothing, so that the text can be typed again.
func formatUTF8(b []byte) (string, error) {
	if err := validUTF8(b); err != nil {
		return "", err
	}
	if shown := esc.Format(b); strings.ReplaceAll(shown, `\\`, `\`) != string(b) {
		return "", fmt.Errorf("%s has characters that a screen cannot show as they are: use esc", shown)
	}
	return string(b), nil
}

// Integers are big-endian, as Java clients write them.

func parseInt32(s string) ([]byte, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return binary.BigEndian.AppendUint32(nil, uint32(n)), err
}

func formatInt32(b []byte) (string, error) {
	if len(b) != 4 {
		return "", fmt.Errorf("%s has %d bytes, an int32 has 4", esc.Format(b), len(b))
	}
	return strconv.FormatInt(int64(int32(binary.BigEndian.Uint32(b))), 10), nil
}

func parseInt64(s string) ([]byte, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return binary.BigEndian.AppendUint64(nil, uint64(n)), err
}

func formatInt64(b []byte) (string, error) {
	if len(b) != 8 {
		return "", fmt.Errorf("%s has %d bytes, an int64 has 8", esc.Format(b), len(b))
	}
	return strconv.FormatInt(int64(binary.BigEndian.Uint64(b)), 10), nil
}
