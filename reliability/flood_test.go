package reliability

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// More requests than a onebox can take: 1024 connections with many requests in
// each, all the time. All are answered, with ERR_BUSY only where a table has a
// limit, and a client that waits for its answers gets them, too.
func TestFlood(t *testing.T) {
	const throttledTable = "throttled"
	p := startProcess(t, child.Options{Tables: []onebox.Table{
		{Name: "temp", Partitions: 1},
		{Name: throttledTable, Partitions: 1, Envs: map[string]string{"replica.write_throttling": "10*reject*0"}},
	}})
	v := attach(t, p)
	ctx, stop := context.WithCancel(t.Context())
	if *long {
		ctx, stop = context.WithTimeout(t.Context(), time.Minute)
	}
	defer stop()

	f := &flood{v: v}
	var connections, other sync.WaitGroup
	var latencies []time.Duration
	other.Go(func() { latencies = measure(ctx, t, v.table) })
	begun := time.Now()
	for range openFiles(t, lighter(1024)) {
		c := v.connect()
		connections.Go(func() {
			for round := 0; ctx.Err() == nil && (*long || round < 2); round++ {
				if err := f.round(c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	connections.Wait()
	took := time.Since(begun)
	stop()
	other.Wait()

	if f.busy.Load() == 0 || f.answered.Load() <= f.busy.Load() {
		t.Errorf("%d requests were refused by the limit, of %d", f.busy.Load(), f.answered.Load())
	}
	slices.Sort(latencies)
	at := func(percent int) time.Duration {
		return latencies[(len(latencies)-1)*percent/100].Round(time.Microsecond)
	}
	t.Logf("%d answers in %v, %d of them ERR_BUSY by the limit; %d calls of another client took %v, 99 %% of them at most %v, all at most %v",
		f.answered.Load(), took.Round(time.Millisecond), f.busy.Load(), len(latencies), at(50), at(99), at(100))
	v.grew(768 * mib)
}

// flood counts answers.
type flood struct {
	v              *victim
	answered, busy atomic.Int64
}

const (
	pipeline  = 100 // requests of a connection at once
	throttled = 20  // of them, to the table with a limit
)

// round sends a pipeline of requests and reads the answers, which come in any
// order.
func (f *flood) round(c *peer) error {
	limited := onlyPartition
	limited.GPID.AppID = 2
	value := bytes.Repeat([]byte{'v'}, 100)
	var out []byte
	for i := range int32(pipeline) {
		key := wire.Key{HashKey: fmt.Append(nil, "h", i)}
		switch {
		case i < throttled:
			out = wire.AppendRequest(out, limited, wire.TaskPut, i, wire.UpdateRequest{Key: key, Value: value})
		case i%2 == 0:
			out = wire.AppendRequest(out, onlyPartition, wire.TaskPut, i, wire.UpdateRequest{Key: key, Value: value})
		default:
			out = wire.AppendRequest(out, onlyPartition, wire.TaskGet, i, key)
		}
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(out); err != nil {
		return err
	}
	var seen [pipeline]bool
	for range pipeline {
		r, err := c.reply()
		if err != nil {
			return err
		}
		if r.Seq < 0 || r.Seq >= pipeline || seen[r.Seq] {
			return fmt.Errorf("answer %d comes twice, or was not asked for", r.Seq)
		}
		seen[r.Seq] = true
		f.answered.Add(1)
		switch {
		case r.Err == wire.ErrOK:
		case r.Err == wire.ErrBusy && r.Seq < throttled:
			f.busy.Add(1)
		default:
			return fmt.Errorf("answer %d: %w", r.Seq, r.Err)
		}
	}
	return nil
}

// reply reads an answer.
func (p *peer) reply() (wire.Reply, error) {
	var r wire.Reply
	prefix := make([]byte, wire.ReplyPrefix)
	if _, err := io.ReadFull(p, prefix); err != nil {
		return r, err
	}
	size, err := wire.ReplySize(prefix, mib)
	if err != nil {
		return r, err
	}
	frame := make([]byte, size-wire.ReplyPrefix)
	if _, err := io.ReadFull(p, frame); err != nil {
		return r, err
	}
	return r, r.Parse(frame)
}

// measure makes calls, one after the other, and returns how long they took.
func measure(ctx context.Context, t *testing.T, table pegasus.TableConnector) []time.Duration {
	var took []time.Duration
	key := []byte("other")
	for i := 0; len(took) == 0 || ctx.Err() == nil; i++ {
		call, cancel := context.WithTimeout(t.Context(), patience)
		begun := time.Now()
		var err error
		if i%2 == 0 {
			err = table.Set(call, key, key, key)
		} else {
			_, err = table.Get(call, key, key)
		}
		took = append(took, time.Since(begun))
		cancel()
		if err != nil {
			t.Error(err)
		}
	}
	return took
}
