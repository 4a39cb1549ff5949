//go:build !race

package server

import (
	"testing"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A get and a put must not allocate beyond what the store does.
func TestAllocations(t *testing.T) {
	s := start(t, Options{})
	role := s.replicas[0].replica
	call := role.NewCall()
	partition, _ := s.catalog.Partition(home("k").GPID)
	store := partition.Store
	rawKey := key("k", "").AppendValue(nil)[4:]
	value := make([]byte, 100)

	get := getFrame(1, "k")
	put := wire.AppendRequest(nil, home("k"), wire.TaskPut, 1, wire.UpdateRequest{Key: key("k", ""), Value: value})
	var r request.Request
	var out []byte
	serve := func(frame []byte) func() {
		return func() {
			if err := r.Parse(frame); err != nil {
				t.Fatal(err)
			}
			if v := call.Admit(&r); v != (request.Verdict{Joins: v.Joins, OnlyAnswers: v.OnlyAnswers}) {
				t.Fatalf("not admitted: %+v", v)
			}
			r.Quick = true
			out = call.Answer(&r, out[:0])
			call.Commit(&r, out)
			r.Writes.Wait(out)
		}
	}
	var buf []byte
	measure := func(f func()) float64 {
		f()
		return testing.AllocsPerRun(1000, f)
	}
	putServer, putStore := measure(serve(put)), measure(func() {
		_, commit := store.Put(rawKey, value, 0, 0)
		_ = commit.Wait()
	})
	getServer, getStore := measure(serve(get)), measure(func() { buf, _, _ = store.Get(buf[:0], rawKey, 0) })
	if putServer > putStore || getServer > getStore {
		t.Errorf("allocations: put %v, of the store %v; get %v, of the store %v", putServer, putStore, getServer, getStore)
	}
	if len(buf) != len(value) {
		t.Errorf("read %d bytes", len(buf))
	}
}
