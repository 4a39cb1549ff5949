package conformance

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// transcriptFiles returns the recordings to replay.
func transcriptFiles(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("PEGASUS_TRANSCRIPTS")
	if dir == "" {
		dir = "testdata/transcripts"
	}
	plain, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	files := append(plain, packed...)
	if len(files) == 0 {
		t.Fatalf("no recordings in %s", dir)
	}
	return files
}

func readTranscript(t *testing.T, file string) *Transcript {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rd io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if rd, err = gzip.NewReader(f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	tr, err := ReadTranscript(rd)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return tr
}

// playback answers a replay with the recorded answers, as another server would give them: with another table id, another
// name, other scan contexts and other decrees.
type playback struct {
	tr    *Transcript
	next  int
	alter func(line int, answer Struct)
}

const (
	playbackAppID   = 7
	contextDistance = 1 << 40 // between recorded and played context ids
)

func (p *playback) answer(t *testing.T, q *Request) *Response {
	if p.next == len(p.tr.Lines) {
		t.Errorf("%s after the last line", q.Code)
		return nil
	}
	rec := p.tr.Lines[p.next]
	if rec.Answer == nil && rec.Error == "ERR_OK" && q.Code == "RPC_RRDB_RRDB_SORTKEY_COUNT" { // asks whether a one-way request is done
		p.next++
		return &Response{Error: "ERR_OK", Result: zeroValue(iface.types["count_response"])}
	}
	if def := rpcNamed(rec.RPC); def.code != q.Code || q.PartitionIndex != rec.Partition || q.AppID != playbackAppID {
		t.Errorf("line %d: got %s for %d.%d, recorded %s", p.next+2, q.Code, q.AppID, q.PartitionIndex, rec.RPC)
	} else if want := playedArg(rec); !equal(q.Arg, want) {
		t.Errorf("line %d, %s: got %v, recorded %v", p.next+2, rec.RPC, q.Arg, want)
	} else if def.result == nil {
		return nil // the question whether it is done follows
	}
	p.next++
	if rec.Error != "ERR_OK" {
		return &Response{Error: rec.Error}
	}
	result := maps.Clone(rec.Answer)
	result["app_id"], result["server"] = int64(playbackAppID), "other:1"
	if d, ok := result["decree"].(int64); ok {
		result["decree"] = d + 1000
	}
	if id, ok := result["context_id"].(int64); ok && isLive(id) {
		result["context_id"] = id - contextDistance
	}
	if left, ok := result["ttl_seconds"].(int64); ok && left != -1 && result["error"] == int64(0) {
		result["ttl_seconds"] = int64(int32(uint32(left + rec.Now - (time.Now().Unix() - epoch))))
	}
	if p.alter != nil {
		p.alter(p.next+1, result)
	}
	return &Response{Error: "ERR_OK", Result: result}
}

// playedArg is the recorded argument with played context ids. No recorded id that was never handed out is that large but
// 1<<62, which the transcripts use as such.
func playedArg(rec Recorded) any {
	played := func(id int64) int64 {
		if id>>32 == 0 || id == -1 || id == -2 || id == 1<<62 {
			return id
		}
		return id - contextDistance
	}
	switch rec.RPC {
	case "scan":
		return Struct{"context_id": played(rec.Arg.(Struct)["context_id"].(int64))}
	case "clear_scanner":
		return played(rec.Arg.(int64))
	}
	return rec.Arg
}

// replayPlayback replays a transcript against its own answers.
func replayPlayback(t *testing.T, tr *Transcript, framing Framing, alter func(line int, answer Struct)) []Difference {
	t.Helper()
	p := &playback{tr: tr, alter: alter}
	var primary Address
	var partitions int64
	var name string
	addr := serveScript(t, func(q *Request) *Response {
		if strings.HasPrefix(q.Code, "RPC_CM_") {
			return &Response{Error: "ERR_OK", Result: metaOfOneTable(q, primary, playbackAppID, &partitions, &name)}
		}
		return p.answer(t, q)
	})
	primary = wireAddress(t, addr)
	diffs, err := Replay(context.Background(), Target{Meta: []string{addr}, Embedded: true, Framing: framing}, tr)
	if err != nil {
		t.Fatal(err)
	}
	if p.next != len(tr.Lines) || name != "" {
		t.Errorf("%d of %d lines replayed, table %q left", p.next, len(tr.Lines), name)
	}
	return diffs
}

func TestReplayOfItsOwnAnswersIsEqual(t *testing.T) {
	for _, file := range transcriptFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, d := range replayPlayback(t, readTranscript(t, file), THFTv0, nil) {
				t.Error(d)
			}
		})
	}
	for _, framing := range []Framing{THFTv1, RDSN} {
		t.Run(framing.String(), func(t *testing.T) {
			for _, d := range replayPlayback(t, readTranscript(t, "testdata/transcripts/01.jsonl.gz"), framing, nil) {
				t.Error(d)
			}
		})
	}
}

// TestReplayNoticesEveryField alters one field of one answer at a time, each field of each RPC once.
func TestReplayNoticesEveryField(t *testing.T) {
	tr := readTranscript(t, "testdata/transcripts/03.jsonl.gz")
	type place struct{ rpc, field string }
	first := map[place]int{}
	for i, rec := range tr.Lines {
		for field := range rec.Answer {
			if _, seen := first[place{rec.RPC, field}]; !seen {
				first[place{rec.RPC, field}] = i + 2
			}
		}
	}
	if len(first) < 70 {
		t.Fatalf("only %d fields to alter", len(first))
	}
	short := *tr
	for p, line := range first {
		t.Run(p.rpc+"."+p.field, func(t *testing.T) {
			short.Lines = tr.Lines[:line-1] // nothing after the altered answer matters
			diffs := replayPlayback(t, &short, THFTv0, func(l int, answer Struct) {
				if l == line {
					answer[p.field] = altered(p.field, answer[p.field])
				}
			})
			if len(diffs) != 1 || diffs[0].Line != line || !strings.HasPrefix(diffs[0].Text, p.field+":") {
				t.Errorf("differences %v, want one in %s at line %d", diffs, p.field, line)
			}
		})
	}
}

// altered returns a value that a replay must not accept in place of v.
func altered(field string, v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case string:
		return ""
	case []byte:
		return append([]byte("x"), v...)
	case []any:
		if len(v) > 0 {
			return v[1:]
		}
		return []any{Struct{}}
	case int64:
		switch {
		case field == "decree":
			return int64(0)
		case field == "context_id" && isLive(v):
			return int64(-1)
		}
		return v + 10
	}
	panic(fmt.Sprintf("field %s has type %T", field, v))
}
