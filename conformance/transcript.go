package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Transcript is a recorded session: RPCs sent one after another to a fresh table of a real server, with its answers.
type Transcript struct {
	Server         string // version of the recorded server
	PartitionCount int
	Lines          []Recorded
}

// Recorded is one RPC of a transcript.
type Recorded struct {
	RPC       string
	Arg       any    // dynamic form of the RPC's argument, as it was on the wire
	Partition int32  // of the request header; it need not exist
	Error     string // RPC-level error
	Now       int64  // ttl only: when the answer came, Pegasus epoch seconds
	Answer    Struct // nil if the RPC is never answered or failed at RPC level
}

const transcriptFormat = "pegasus-transcript/1"

// ReadTranscript reads a transcript: a header line, then one JSON object a line.
func ReadTranscript(rd io.Reader) (*Transcript, error) {
	lines := bufio.NewScanner(rd)
	lines.Buffer(nil, 64<<20)
	var header struct {
		Format         string
		Server         string
		PartitionCount int `json:"partition_count"`
		Count          int
	}
	if !lines.Scan() {
		return nil, fmt.Errorf("transcript: no header: %w", lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &header); err != nil {
		return nil, fmt.Errorf("transcript header: %w", err)
	}
	if header.Format != transcriptFormat || header.PartitionCount < 1 {
		return nil, fmt.Errorf("transcript: format %q with %d partitions, want %q", header.Format, header.PartitionCount, transcriptFormat)
	}
	t := &Transcript{Server: header.Server, PartitionCount: header.PartitionCount}
	for lines.Scan() {
		rec, err := parseRecorded(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("transcript line %d: %w", len(t.Lines)+2, err)
		}
		t.Lines = append(t.Lines, rec)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("transcript: %w", err)
	}
	if len(t.Lines) != header.Count {
		return nil, fmt.Errorf("transcript: %d lines, the header says %d", len(t.Lines), header.Count)
	}
	return t, nil
}

func parseRecorded(line []byte) (Recorded, error) {
	var raw struct {
		RPC       string
		Args      map[string]any
		Partition int32
		Error     string `json:"rpc_error"`
		Now       int64
		Answer    map[string]any
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return Recorded{}, err
	}
	def := rpcNamed(raw.RPC)
	if def == nil {
		return Recorded{}, fmt.Errorf("unknown rpc %q", raw.RPC)
	}
	rec := Recorded{RPC: raw.RPC, Partition: raw.Partition, Error: raw.Error, Now: raw.Now}
	var err error
	if def.arg.kind == kindStruct {
		rec.Arg, err = recordedValue(def.arg, raw.Args)
	} else {
		rec.Arg, err = recordedValue(def.arg, raw.Args[def.argName])
	}
	if err != nil {
		return rec, fmt.Errorf("args of %s: %w", raw.RPC, err)
	}
	if raw.Answer != nil {
		answer, err := recordedValue(def.result, raw.Answer)
		if err != nil {
			return rec, fmt.Errorf("answer of %s: %w", raw.RPC, err)
		}
		rec.Answer = answer.(Struct)
	}
	return rec, nil
}

// recordedValue converts a value as transcripts write it (blobs in hex) to the dynamic form of type t.
func recordedValue(t *typ, v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if t.kind == kindBool {
			return v, nil
		}
	case json.Number:
		switch t.kind {
		case kindI32, kindI64, kindEnum:
			return v.Int64()
		}
	case string:
		switch t.kind {
		case kindString:
			return v, nil
		case kindBlob:
			return hex.DecodeString(v)
		}
	case []any:
		if t.kind != kindList {
			break
		}
		list := []any{}
		for _, e := range v {
			ev, err := recordedValue(t.elem, e)
			if err != nil {
				return nil, err
			}
			list = append(list, ev)
		}
		return list, nil
	case map[string]any:
		if t.kind != kindStruct {
			break
		}
		s := Struct{}
		for name, e := range v {
			i, ok := t.def.byName[name]
			if !ok {
				return nil, fmt.Errorf("%s has no field %s", t.name, name)
			}
			ev, err := recordedValue(t.def.fields[i].typ, e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			s[name] = ev
		}
		return s, nil
	}
	return nil, fmt.Errorf("%v cannot be a %s", v, t.name)
}

// Difference is an answer that is not the recorded one.
type Difference struct {
	Line int // of the transcript file, the header is line 1
	RPC  string
	Text string
}

func (d Difference) String() string { return fmt.Sprintf("line %d, %s: %s", d.Line, d.RPC, d.Text) }

// replay is the state of a transcript being replayed.
type replay struct {
	table    *table
	contexts map[contextKey]int64 // actual id of a recorded one
	decrees  map[int32]int64      // last decree of a partition
}

// contextKey names a recorded scan context: ids are handed out by partition.
type contextKey struct {
	partition int32
	recorded  int64
}

// Replay sends the requests of a transcript to a fresh table of the target, in order, and returns every difference
// between the answers and the recorded ones. The error is about the target, not about its answers; the table is dropped
// in any case.
func Replay(ctx context.Context, target Target, t *Transcript) (diffs []Difference, err error) {
	c, err := openCluster(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	name := runPrefix() + "transcript"
	defer func() {
		if dropErr := c.dropTables(ctx, name); err == nil {
			err = dropErr
		}
	}()
	tbl, err := c.createTable(ctx, name, t.PartitionCount)
	if err != nil {
		return nil, err
	}
	r := &replay{table: tbl, contexts: map[contextKey]int64{}, decrees: map[int32]int64{}}
	for i, rec := range t.Lines {
		q := r.request(rec)
		resp, err := c.call(ctx, tbl.node(rec.Partition), q)
		if err != nil {
			return diffs, fmt.Errorf("line %d, %s: %w", i+2, rec.RPC, err)
		}
		for _, text := range r.compare(rec, resp) {
			diffs = append(diffs, Difference{Line: i + 2, RPC: rec.RPC, Text: text})
		}
	}
	return diffs, nil
}

// request builds the request of a line: as recorded, but for the table and the scan contexts.
func (r *replay) request(rec Recorded) *Request {
	def := rpcNamed(rec.RPC)
	q := r.table.header(def.code, rec.Partition)
	q.Arg = rec.Arg
	switch rec.RPC {
	case "put":
		q.PartitionHash = r.ownHash(rec.Partition, rec.Arg.(Struct)["key"].([]byte))
	case "remove":
		q.PartitionHash = r.ownHash(rec.Partition, rec.Arg.([]byte))
	case "scan":
		q.Arg = Struct{"context_id": r.actualContext(rec.Partition, rec.Arg.(Struct)["context_id"].(int64))}
	case "clear_scanner":
		q.Arg = r.actualContext(rec.Partition, rec.Arg.(int64))
	}
	return q
}

// ownHash returns the hash of a key if the partition owns it, else 0: a real server does not survive a wrong one.
func (r *replay) ownHash(partition int32, key []byte) uint64 {
	if h := rawKeyHash(key); r.table.partitionOf(h) == partition {
		return h
	}
	return 0
}

// actualContext returns the id to send for a recorded one; an id that was never handed out is sent as it is.
func (r *replay) actualContext(partition int32, recorded int64) int64 {
	if id, ok := r.contexts[contextKey{partition, recorded}]; ok {
		return id
	}
	return recorded
}

// compare returns the differences between a response and the recorded one.
func (r *replay) compare(rec Recorded, resp *Response) []string {
	if resp == nil { // never answered
		return nil
	}
	if resp.Error != rec.Error {
		return []string{fmt.Sprintf("rpc error %s, recorded %s", resp.Error, rec.Error)}
	}
	if resp.Error != "ERR_OK" {
		return nil
	}
	got := resp.Result.(Struct)
	var texts []string
	for _, f := range rpcNamed(rec.RPC).result.def.fields {
		w, inRecord := rec.Answer[f.name]
		g, inAnswer := got[f.name]
		switch {
		case inRecord != inAnswer:
			texts = append(texts, fmt.Sprintf("%s: present %v, recorded %v", f.name, inAnswer, inRecord))
		case inRecord && !r.same(rec, got, f.name, g, w):
			texts = append(texts, fmt.Sprintf("%s: %s, recorded %s; arguments %s", f.name, show(g), show(w), show(rec.Arg)))
		}
	}
	return texts
}

// same compares one field that both answers have.
func (r *replay) same(rec Recorded, answer Struct, name string, got, want any) bool {
	switch name {
	case "server":
		return got != ""
	case "app_id":
		return got == int64(r.table.id)
	case "decree":
		d := got.(int64)
		grows := d > 0 && d >= r.decrees[rec.Partition]
		r.decrees[rec.Partition] = d
		return grows
	case "ttl_seconds":
		if answer["error"] != int64(0) || got == int64(-1) || want == int64(-1) {
			return got == want
		}
		// Stored timestamps are 32 bits; what is left of a far one wraps around.
		now := time.Now().Unix() - epoch
		apart := int32(uint32(got.(int64)+now) - uint32(want.(int64)+rec.Now))
		return -2 <= apart && apart <= 2
	case "context_id":
		g, w := got.(int64), want.(int64)
		if w == 0 || w == -1 {
			return g == w
		}
		r.contexts[contextKey{rec.Partition, w}] = g
		return isLive(g)
	}
	return equal(got, want)
}

// equal compares two dynamic values, field presence included.
func equal(a, b any) bool {
	switch a := a.(type) {
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case Struct:
		b, ok := b.(Struct)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if v, ok := b[name]; !ok || !equal(a[name], v) {
				return false
			}
		}
		return true
	}
	return a == b
}
