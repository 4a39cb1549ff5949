//go:build !race

package wire

import (
	"fmt"
	"testing"
)

// What an operation of the data path costs in allocations. The client pays for
// the frame of a reply beside these, the server for nothing.
func TestAllocations(t *testing.T) {
	var buf []byte
	for _, tc := range []struct {
		name string
		want float64
		run  func()
	}{
		{"encode get request", 0, func() { buf = appendGetRequest(buf[:0]) }},
		{"encode put request", 0, func() {
			m := UpdateRequest{Key: Key{HashKey: hashKey, SortKey: sortKey}, Value: value, ExpireTS: 1}
			buf = AppendRequest(buf[:0], header, TaskPut, 1, m)
		}},
		{"read get response", 0, reading(t, getReply, readGet)},
		{"read put response", 0, reading(t, putReply, readPut)},
		{"read multi_get response of 100", 1, reading(t, multiGetReply, readMultiGet)},
		{"parse get request", 0, func() {
			if err := parseGetRequest(getRequest); err != nil {
				t.Error(err)
			}
		}},
		{"encode get response", 0, func() { buf = appendGetReply(buf[:0]) }},
		{"encode error reply", 0, func() { buf = AppendErrorReply(buf[:0], &Request{Seq: 1}, TaskGet+AckSuffix, ErrBusy) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.run() // grows the buffer
			if got := testing.AllocsPerRun(100, tc.run); got != tc.want {
				t.Errorf("%v allocations, want %v", got, tc.want)
			}
		})
	}
}

func reading(t *testing.T, frame []byte, read func([]byte) error) func() {
	return func() {
		if err := read(frame); err != nil {
			t.Error(err)
		}
	}
}

// forget makes a message whose list is read into the memory of the one before
// allocate it.
func forget(c reader) {
	switch m := c.(type) {
	case *MultiPutRequest:
		m.KVs = nil
	case *ScanResponse:
		m.KVs = nil
	}
}

// The memory that a list takes must be known before it is read, so that a
// long one is one allocation as well.
func TestListsAreOneAllocation(t *testing.T) {
	for _, n := range []int{1, 10, 1000} {
		lists := map[string]reader{
			"multi_put":        &MultiPutRequest{KVs: make([]KeyValue, n)},
			"multi_remove":     &MultiRemoveRequest{SortKeys: make([][]byte, n)},
			"batch_get":        &BatchGetRequest{Keys: make([]FullKey, n)},
			"batch_get result": &BatchGetResponse{Data: make([]FullData, n)},
			"check_and_mutate": &CheckAndMutateRequest{Mutates: make([]Mutate, n)},
			"scan result":      &ScanResponse{KVs: make([]KeyValue, n)},
		}
		for name, c := range lists {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				b := c.AppendValue(nil)
				r := NewReader(b)
				got := testing.AllocsPerRun(10, func() {
					r = NewReader(b)
					forget(c)
					c.Read(&r)
				})
				if got != 1 || r.Err() != nil {
					t.Errorf("%v allocations, error %v", got, r.Err())
				}
			})
		}
	}
}
