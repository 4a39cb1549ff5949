// Package decode explains bytes of Pegasus: a frame as it travels between client and
// server, or a key as servers store it.
package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/conformance"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// Line is one thing that bytes say. Value and Meaning are fit for a screen.
type Line struct{ Field, Value, Meaning string }

// Bytes explains a frame or a key, whichever b is.
func Bytes(b []byte) ([]Line, error) {
	switch {
	case bytes.HasPrefix(b, []byte("THFT")):
		return request(b)
	case bytes.HasPrefix(b, []byte("RDSN")):
		if lines, err := response(b); err == nil {
			return lines, nil
		}
		return request(b)
	case beginsReply(b):
		return response(b)
	}
	return Key(b)
}

// beginsReply reports whether b begins as replies do: with its size, which may be wrong
// since b was cut, and the name of an error.
func beginsReply(b []byte) bool {
	return len(b) >= 12 && bytes.HasPrefix(b[8:], []byte("ERR_"))
}

// Key explains a key as servers store it, and as some requests carry it.
func Key(b []byte) ([]Line, error) {
	hash, sort, ok := schema.SplitKey(b)
	if !ok {
		return nil, fmt.Errorf("%d bytes are neither a frame, which begins with THFT, RDSN or the size of an answer, nor a key: %s", len(b), keyError(b))
	}
	h := schema.PartitionHash(hash, sort)
	of := "of the hash key"
	if len(hash) == 0 {
		of = "of the sort key, since there is no hash key"
	}
	return []Line{
		{"kind", "key", fmt.Sprintf("%d bytes", len(b))},
		{"hash_key", quoted(hash), fmt.Sprintf("%d bytes", len(hash))},
		{"sort_key", quoted(sort), fmt.Sprintf("%d bytes", len(sort))},
		{"hash", strconv.FormatUint(h, 10), of + "; the partition is this modulo their number"},
	}, nil
}

func keyError(b []byte) string {
	if len(b) < 2 {
		return "a key has two bytes for the length of its hash key"
	}
	return fmt.Sprintf("its hash key would have %d bytes, and there are %d", binary.BigEndian.Uint16(b), len(b)-2)
}

func request(b []byte) ([]Line, error) {
	q, err := conformance.DecodeRequest(b)
	if err != nil {
		return nil, fmt.Errorf("it begins as a request does, but: %w", err)
	}
	fields := q.Fields()
	lines := []Line{
		{"kind", "request", fmt.Sprintf("%s, %d bytes", q.Framing, len(b))},
		{"task", quoted([]byte(q.Code)), oneWay(q.Oneway)},
		{"id", strconv.FormatUint(q.ID, 10), "the answer has the same"},
		{"table_id", strconv.Itoa(int(q.AppID)), ""},
		{"partition", strconv.Itoa(int(q.PartitionIndex)), ""},
		{"timeout_ms", strconv.Itoa(int(q.Timeout)), ""},
		{"partition_hash", strconv.FormatUint(q.PartitionHash, 10), hashMeaning(q, fields)},
	}
	if q.Backup {
		lines = append(lines, Line{"backup", "true", "a secondary may answer"})
	}
	return appendFields(lines, q.Code, fields, q.Body), nil
}

func oneWay(yes bool) string {
	if yes {
		return "no answer is expected"
	}
	return ""
}

// hashMeaning compares the hash of a request with the key in it.
func hashMeaning(q *conformance.Request, fields []conformance.Field) string {
	for _, f := range fields {
		b, _ := f.Value.([]byte)
		var want uint64
		switch hash, sort, ok := schema.SplitKey(b); {
		case f.Path == "key" && ok:
			want = schema.PartitionHash(hash, sort)
		case f.Path == "hash_key":
			want = schema.Hash(b)
		default:
			continue
		}
		if want == q.PartitionHash {
			return "that of the key"
		}
		return fmt.Sprintf("NOT that of the key, which is %d", want)
	}
	return ""
}

func response(b []byte) ([]Line, error) {
	p, err := conformance.DecodeResponse(b)
	if err != nil {
		return nil, fmt.Errorf("it begins as an answer does, but: %w", err)
	}
	framing := "THFT"
	if p.Framing == conformance.RDSN {
		framing = "RDSN"
	}
	lines := []Line{
		{"kind", "answer", fmt.Sprintf("%s, %d bytes", framing, len(b))},
		{"error", quoted([]byte(p.Error)), ""},
		{"task", quoted([]byte(p.Code)), ""},
		{"id", strconv.FormatUint(p.ID, 10), "that of the request"},
	}
	return appendFields(lines, p.Code, p.Fields(), p.Body), nil
}

func appendFields(lines []Line, task string, fields []conformance.Field, body []byte) []Line {
	for _, f := range fields {
		value, meaning := show(task, f)
		lines = append(lines, Line{"  " + f.Path, value, meaning})
	}
	if len(body) > 0 {
		lines = append(lines, Line{"body", quoted(body), "of a task that is not known here"})
	}
	return lines
}

// show returns a field as it is printed, and what it means.
func show(task string, f conformance.Field) (value, meaning string) {
	name := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
	switch v := f.Value.(type) {
	case []byte:
		if hash, sort, ok := schema.SplitKey(v); ok && isFullKey(task, f.Path) {
			meaning = fmt.Sprintf("hash key %s, sort key %s", quoted(hash), quoted(sort))
		}
		return quoted(v), meaning
	case string:
		return quoted([]byte(v)), ""
	case int64:
		switch {
		case f.Name != "":
			meaning = f.Name
		case name == "error" && v != 0:
			meaning = pegasus.StorageError(v).Error()
		case strings.HasSuffix(name, "expire_ts_seconds") && v > 0:
			meaning = "expires " + time.Unix(schema.Epoch+v, 0).UTC().Format(time.RFC3339)
		case strings.HasSuffix(name, "expire_ts_seconds"):
			meaning = "does not expire"
		}
		return strconv.FormatInt(v, 10), meaning
	}
	return esc.Text(fmt.Sprint(f.Value)), ""
}

// isFullKey reports whether a field has a hash key and a sort key in one.
func isFullKey(task, path string) bool {
	switch path {
	case "key", "start_key", "stop_key":
		return true
	}
	return strings.HasSuffix(path, "].key") && (strings.HasSuffix(task, "_SCAN") || strings.HasSuffix(task, "_GET_SCANNER"))
}

func quoted(b []byte) string { return `"` + strings.ReplaceAll(esc.Format(b), `"`, `\x22`) + `"` }
