package wire

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// Values of usual sizes for the benchmarks and the tests of allocations.
var (
	hashKey = []byte("user_0001")
	sortKey = []byte("profile")
	value   = bytes.Repeat([]byte("v"), 100)
	header  = RequestHeader{GPID: GPID{2, 5}, TimeoutMs: 1000, PartitionHash: 42}
	source  = Source{GPID: GPID{2, 5}, Server: []byte("127.0.0.1:34801")}

	getRequest    = appendGetRequest(nil)
	getReply      = appendGetReply(nil)[ReplyPrefix:]
	putReply      = appendReply(TaskPut, UpdateResponse{Decree: 1, Source: source})
	multiGetReply = appendReply(TaskMultiGet, multiGetResponse(100))
)

var errUnexpected = errors.New("not what was encoded")

func appendGetRequest(dst []byte) []byte {
	return AppendRequest(dst, header, TaskGet, 1, Key{HashKey: hashKey, SortKey: sortKey})
}

func appendGetReply(dst []byte) []byte {
	q := Request{Seq: 1}
	return AppendReply(dst, &q, TaskGet+AckSuffix, ReadResponse{Value: value, Source: source})
}

// appendReply returns a reply as a client reads it, without its length.
func appendReply[M Message](task string, result M) []byte {
	return AppendReply(nil, &Request{Seq: 1}, task+AckSuffix, result)[ReplyPrefix:]
}

func multiGetResponse(n int) MultiGetResponse {
	m := MultiGetResponse{Source: source}
	for i := range n {
		m.KVs = append(m.KVs, KeyValue{Key: fmt.Appendf(nil, "sort_%04d", i), Value: value})
	}
	return m
}

func parseGetRequest(frame []byte) error {
	var q Request
	if err := q.Parse(frame); err != nil {
		return err
	}
	if key := q.Arg.Blob(); len(key) != 2+len(hashKey)+len(sortKey) {
		return errUnexpected
	}
	return q.Arg.Err()
}

func readGet(frame []byte) error {
	var p Reply
	if err := p.Parse(frame); err != nil {
		return err
	}
	r := p.ResultReader(TypeStruct)
	var m ReadResponse
	m.Read(&r)
	if len(m.Value) != len(value) {
		return errUnexpected
	}
	return r.Err()
}

func readPut(frame []byte) error {
	var p Reply
	if err := p.Parse(frame); err != nil {
		return err
	}
	r := p.ResultReader(TypeStruct)
	var m UpdateResponse
	m.Read(&r)
	if m.Decree != 1 {
		return errUnexpected
	}
	return r.Err()
}

func readMultiGet(frame []byte) error {
	var p Reply
	if err := p.Parse(frame); err != nil {
		return err
	}
	r := p.ResultReader(TypeStruct)
	var m MultiGetResponse
	m.Read(&r)
	if len(m.KVs) != 100 {
		return errUnexpected
	}
	return r.Err()
}

func BenchmarkAppendGetRequest(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendGetRequest(buf[:0])
	}
}

func BenchmarkParseGetRequest(b *testing.B) { benchmarkRead(b, getRequest, parseGetRequest) }

func BenchmarkAppendGetReply(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendGetReply(buf[:0])
	}
}

func BenchmarkReadGetReply(b *testing.B)      { benchmarkRead(b, getReply, readGet) }
func BenchmarkReadPutReply(b *testing.B)      { benchmarkRead(b, putReply, readPut) }
func BenchmarkReadMultiGetReply(b *testing.B) { benchmarkRead(b, multiGetReply, readMultiGet) }

// BenchmarkReadQueryConfigReply is the reflective codec: the routes of a table
// of 64 partitions.
func BenchmarkReadQueryConfigReply(b *testing.B) {
	m := QueryConfigResponse{AppID: 2, PartitionCount: 64, Partitions: make([]PartitionConfiguration, 64)}
	for i := range m.Partitions {
		m.Partitions[i].Secondaries = make([]Address, 2)
	}
	benchmarkRead(b, appendReply(TaskQueryConfig, Of(&m)), func(frame []byte) error {
		var p Reply
		if err := p.Parse(frame); err != nil {
			return err
		}
		r := p.ResultReader(TypeStruct)
		var m QueryConfigResponse
		Of(&m).Read(&r)
		return r.Err()
	})
}

func benchmarkRead(b *testing.B, frame []byte, read func([]byte) error) {
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if err := read(frame); err != nil {
			b.Fatal(err)
		}
	}
}
