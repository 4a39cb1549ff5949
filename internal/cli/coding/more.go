package coding

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/zstd"
)

// parseJSON returns a document without the spaces around its parts.
func parseJSON(s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("is not UTF-8, and so no JSON")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	return b.Bytes(), nil
}

// formatJSON returns the same document in one line, with what could drive a terminal or
// hide, which is in strings only, in the escapes of JSON.
func formatJSON(b []byte) (string, error) {
	compact, err := parseJSON(string(b))
	if err != nil {
		return "", fmt.Errorf("%s %w", esc.Format(b), err)
	}
	return string(esc.JSON(compact)), nil
}

// parseJavaBytes takes what Java prints of a byte array, too: "[1, -2]".
func parseJavaBytes(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, fmt.Errorf("%q has no ] at its end", esc.Text(inner))
		}
	}
	if strings.TrimSpace(s) == "" {
		return []byte{}, nil
	}
	var b []byte
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 8)
		if err != nil {
			return nil, fmt.Errorf("%q is no number from -128 to 127", esc.Text(part))
		}
		b = append(b, byte(n))
	}
	return b, nil
}

func formatJavaBytes(b []byte) (string, error) {
	var s []byte
	for i, c := range b {
		if i > 0 {
			s = append(s, ',')
		}
		s = strconv.AppendInt(s, int64(int8(c)), 10)
	}
	return string(s), nil
}

func parseZstd(s string) ([]byte, error) {
	b, err := esc.Parse(s)
	if err != nil {
		return nil, err
	}
	return zstd.Values().Encode(b)
}

func formatZstd(b []byte) (string, error) {
	plain, err := zstd.Values().Decode(b)
	if err != nil {
		return "", err
	}
	return esc.Format(plain), nil
}
