package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// benchTask measures requests of one kind over loopback, depth of them in
// flight.
func benchTask[M wire.Message](b *testing.B, s *Server, depth int, h wire.RequestHeader, task string, arg M) {
	nc, err := net.Dial("tcp", s.Replicas()[0].Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	frame := wire.AppendRequest(nil, h, task, 1, arg)
	var batch []byte
	for range depth {
		batch = append(batch, frame...)
	}
	in := bufio.NewReaderSize(nc, 1<<20)
	prefix := make([]byte, 4)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += depth {
		if _, err := nc.Write(batch); err != nil {
			b.Fatal(err)
		}
		for range depth {
			if _, err := io.ReadFull(in, prefix); err != nil {
				b.Fatal(err)
			}
			if _, err := in.Discard(int(binary.BigEndian.Uint32(prefix)) - 4); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkServer(b *testing.B) {
	s := start(b, Options{})
	c := dial(b, s.Replicas()[0])
	value := make([]byte, 100)
	c.mustPut("k", string(value))
	kvs := make([]wire.KeyValue, 100)
	for i := range kvs {
		kvs[i] = wire.KeyValue{Key: fmt.Appendf(nil, "%03d", i), Value: value}
	}
	var put wire.UpdateResponse
	if code := do(c, home("m"), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("m"), KVs: kvs}, put.Read); code != wire.ErrOK {
		b.Fatal(code)
	}
	for _, depth := range []int{1, 64} {
		name := func(task string) string { return fmt.Sprintf("%s/depth=%d", task, depth) }
		b.Run(name("get"), func(b *testing.B) { benchTask(b, s, depth, home("k"), wire.TaskGet, key("k", "")) })
		b.Run(name("put"), func(b *testing.B) {
			benchTask(b, s, depth, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: value})
		})
		b.Run(name("multi_get_2"), func(b *testing.B) {
			benchTask(b, s, depth, home("m"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("m"), SortKeys: [][]byte{kvs[0].Key, kvs[9].Key}})
		})
		b.Run(name("multi_get_100"), func(b *testing.B) {
			benchTask(b, s, depth, home("m"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("m"), MaxKVSize: 100000})
		})
		b.Run(name("multi_get_100_unbounded"), func(b *testing.B) {
			benchTask(b, s, depth, home("m"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("m")})
		})
		b.Run(name("sortkey_count_100"), func(b *testing.B) { // waits for its turn
			benchTask(b, s, depth, home("m"), wire.TaskSortKeyCount, wire.Blob("m"))
		})
		b.Run(name("multi_put_100"), func(b *testing.B) {
			benchTask(b, s, depth, home("m"), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("m"), KVs: kvs})
		})
	}
}

// Writers of a durable store share syncs, on one connection and across.
func BenchmarkSync(b *testing.B) {
	s := startOn(b, openStore(b, storage.Options{Dir: b.TempDir()}), Options{})
	ensure(b, s, testTable, testPartitions)
	for _, depth := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("put/depth=%d", depth), func(b *testing.B) {
			benchTask(b, s, depth, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: make([]byte, 100)})
		})
	}
}
