package wire

import (
	"bytes"
	"testing"
)

// What is built piece by piece must equal what AppendValue makes of the whole
// response, behind whatever the buffer holds already.
func TestStreamedResponses(t *testing.T) {
	src := Source{GPID{2, 5}, []byte("127.0.0.1:34801")}
	kvs := []KeyValue{
		{Key: []byte("k1"), Value: []byte("v1")},
		{Key: []byte{}, Value: []byte{}, ExpireTS: 7, HasExpireTS: true},
	}
	data := []FullData{{HashKey: []byte("h"), SortKey: []byte("s"), Value: []byte("v")}}
	count := int32(9)
	before := []byte("before")
	start := len(before)

	for _, tc := range []struct {
		name  string
		want  Message
		build func(dst []byte) []byte
	}{
		{
			"read",
			ReadResponse{Error: StatusNotFound, Value: []byte("value"), Source: src},
			func(dst []byte) []byte {
				dst = append(BeginRead(dst), "value"...)
				return EndRead(dst, start, StatusNotFound, src)
			},
		},
		{
			"multi get",
			MultiGetResponse{Error: StatusIncomplete, KVs: kvs, Source: src},
			func(dst []byte) []byte {
				dst = kvs[1].AppendValue(kvs[0].AppendValue(BeginRecords(dst)))
				return EndRecords(dst, start, StatusIncomplete, 2, src)
			},
		},
		{
			"batch get",
			BatchGetResponse{Data: data, Source: src},
			func(dst []byte) []byte {
				return EndRecords(data[0].AppendValue(BeginRecords(dst)), start, StatusOK, 1, src)
			},
		},
		{
			"scan",
			ScanResponse{KVs: kvs[:1], ContextID: 1 << 40, Source: src},
			func(dst []byte) []byte {
				return EndScan(kvs[0].AppendValue(BeginRecords(dst)), start, StatusOK, 1, 1<<40, -1, src)
			},
		},
		{
			"scan that counts",
			ScanResponse{ContextID: ScanCompleted, KVCount: &count, Source: src},
			func(dst []byte) []byte {
				return EndScan(BeginRecords(dst), start, StatusOK, 0, ScanCompleted, count, src)
			},
		},
		{
			"changed status",
			UpdateResponse{Error: StatusIOError, Decree: 3, Source: src},
			func(dst []byte) []byte {
				dst = UpdateResponse{Decree: 3, Source: src}.AppendValue(dst)
				SetStatus(dst, start, StatusIOError)
				return dst
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want.AppendValue(bytes.Clone(before))
			if got := tc.build(bytes.Clone(before)); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}
