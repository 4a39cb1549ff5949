package rpc

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Replies of any size come whole into frames that were used before, and nobody's reply
// is overwritten before it is released, or before its owner is done with it.
func TestFrames(t *testing.T) {
	Poison.Store(true)
	defer Poison.Store(false)
	var n memnet.Network
	peer.Serve(t, n.Listen, serverAddr, func(r *peer.Request) {
		var fill, size int
		fmt.Sscan(string(hashKey(r)), &fill, &size)
		r.Reply(wire.ReadResponse{Value: bytes.Repeat([]byte{byte(fill)}, size)})
	})
	p := NewPool(PoolOptions{Dial: n.Dial})
	defer p.Close()
	d := p.Node(serverAddr).Dial(Bulk)
	<-d.Done
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	sizes := []int{0, 100, bulkBuffer - 100, bulkBuffer, readBuffer + 1, 200_000, firstChunk + 1, 3*firstChunk + 7, maxFrame + 1}
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for i := range 40 {
				size := sizes[(i*7+caller)%len(sizes)]
				cl := p.Call(wire.TaskGet)
				cl.Lend = (i+caller)%3 > 0
				key := wire.Key{HashKey: fmt.Appendf(nil, "%d %d", caller+1, size)}
				h := wire.RequestHeader{GPID: wire.GPID{AppID: 2}, TimeoutMs: 1000}
				err := d.Conn.Do(t.Context(), cl, time.Now().Add(time.Minute), &h, func(dst []byte) []byte { return wire.AppendArgument(dst, key) })
				if err != nil {
					t.Error(err)
					return
				}
				var resp wire.ReadResponse
				resp.Read(cl.Result())
				frame, lend := cl.Frame, cl.Lend
				cl.Release()
				if len(resp.Value) != size || bytes.Count(resp.Value, []byte{byte(caller + 1)}) != size {
					t.Errorf("a value of %d bytes is %d bytes, or of another caller", size, len(resp.Value))
				}
				if frame != nil && !lend {
					t.Error("a reply that is its caller's is in a frame")
				}
				frame.Release()
			}
		})
	}
	wg.Wait()
}
