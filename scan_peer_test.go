package pegasus

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scanPeer plays the scan RPCs over rows that it holds. It divides them by the
// partition count it is told, and loses contexts when it is told.
type scanPeer struct {
	count uint64 // of partitions
	old   bool   // older than Pegasus 2.3

	mu       sync.Mutex
	rows     []wire.KeyValue // sorted by full key
	nextID   int64
	contexts map[int64]*scanContext
	opened   []wire.GetScannerRequest
	scans    int
	cleared  []int64
	headers  []wire.RequestHeader
}

type scanContext struct {
	rows []wire.KeyValue // what is left
	size int
}

func serveScans(c *peer.Cluster, count uint64, rows []wire.KeyValue) *scanPeer {
	slices.SortFunc(rows, func(a, b wire.KeyValue) int { return bytes.Compare(a.Key, b.Key) })
	p := &scanPeer{count: count, rows: rows, contexts: make(map[int64]*scanContext), nextID: -1 << 32}
	c.On(wire.TaskGetScanner, p.open)
	c.On(wire.TaskScan, p.scan)
	c.On(wire.TaskClearScanner, p.clear)
	return p
}

// rows of n hash keys with m sort keys each.
func someRows(n, m int) []wire.KeyValue {
	var rows []wire.KeyValue
	for i := range n {
		for j := range m {
			rows = append(rows, row(fmt.Sprintf("hash%03d", i), fmt.Sprintf("sort%03d", j)))
		}
	}
	return rows
}

func row(hashKey, sortKey string) wire.KeyValue {
	return wire.KeyValue{Key: schema.AppendKey(nil, []byte(hashKey), []byte(sortKey)), Value: []byte(hashKey + "/" + sortKey)}
}

func (p *scanPeer) open(r *peer.Request) {
	q := peer.Arg[wire.GetScannerRequest](r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.ReturnExpireTS == nil {
		p.opened = append(p.opened, q)
	}
	p.headers = append(p.headers, r.RequestHeader)
	if r.PartitionHash%p.count != uint64(r.PartitionIndex) {
		r.Fail(wire.ErrParentMisused)
		return
	}
	full := q.FullScan != nil && *q.FullScan && !p.old
	startHash, _, _ := schema.SplitKey(q.StartKey.Raw)
	var rows []wire.KeyValue
	for _, kv := range p.rows {
		hashKey, _, _ := schema.SplitKey(kv.Key)
		lo, hi := bytes.Compare(kv.Key, q.StartKey.Raw), bytes.Compare(kv.Key, q.StopKey.Raw)
		switch {
		case schema.Hash(hashKey)%p.count != uint64(r.PartitionIndex),
			lo < 0 || lo == 0 && !q.StartInclusive,
			hi > 0 || hi == 0 && !q.StopInclusive,
			!full && len(startHash) > 0 && !bytes.Equal(hashKey, startHash):
		default:
			rows = append(rows, kv)
		}
	}
	resp := p.batch(&scanContext{rows: rows, size: int(q.BatchSize)})
	if q.ReturnExpireTS != nil && *q.ReturnExpireTS && !p.old {
		for i := range resp.KVs {
			resp.KVs[i].HasExpireTS = true
		}
	}
	r.Reply(resp)
}

// batch takes the next rows of ctx, which gets a new id if it has more.
func (p *scanPeer) batch(ctx *scanContext) wire.ScanResponse {
	n := min(ctx.size, len(ctx.rows))
	resp := wire.ScanResponse{KVs: slices.Clone(ctx.rows[:n]), ContextID: wire.ScanCompleted}
	if ctx.rows = ctx.rows[n:]; len(ctx.rows) > 0 {
		resp.ContextID = p.nextID
		p.contexts[p.nextID] = ctx
		p.nextID++
	}
	return resp
}

func (p *scanPeer) scan(r *peer.Request) {
	id := peer.Arg[wire.ScanRequest](r).ContextID
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scans++
	p.headers = append(p.headers, r.RequestHeader)
	if r.PartitionHash%p.count != uint64(r.PartitionIndex) {
		r.Fail(wire.ErrParentMisused)
		return
	}
	ctx := p.contexts[id]
	if ctx == nil {
		r.Reply(wire.ScanResponse{Error: wire.StatusNotFound})
		return
	}
	delete(p.contexts, id)
	r.Reply(p.batch(ctx))
}

func (p *scanPeer) clear(r *peer.Request) {
	arg := r.Arg
	p.mu.Lock()
	defer p.mu.Unlock()
	id := arg.I64()
	p.cleared = append(p.cleared, id)
	delete(p.contexts, id)
}

// lose forgets all contexts.
func (p *scanPeer) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.contexts)
}

// live returns the number of contexts.
func (p *scanPeer) live() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.contexts)
}

// allCleared returns the ids of the contexts that clients gave back.
func (p *scanPeer) allCleared() []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.cleared)
}

// collect reads a scanner to its end and calls between before each Next.
func collect(t *testing.T, s Scanner, between func(n int)) []string {
	t.Helper()
	var got []string
	for n := 0; ; n++ {
		if between != nil {
			between(n)
		}
		done, hashKey, sortKey, value, err := s.Next(context.Background())
		if err != nil {
			t.Fatalf("after %d entries: %v", len(got), err)
		}
		if done {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			return got
		}
		if string(value) != string(hashKey)+"/"+string(sortKey) {
			t.Fatalf("entry %q, %q has the value %q", hashKey, sortKey, value)
		}
		got = append(got, string(value))
	}
}

// wantRows fails the test unless got is all of rows, each once, in any order.
func wantRows(t *testing.T, got []string, rows []wire.KeyValue) {
	t.Helper()
	var want []string
	for _, kv := range rows {
		want = append(want, string(kv.Value))
	}
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
		for _, v := range want {
			if !slices.Contains(got, v) {
				t.Errorf("%s is missing", v)
			}
		}
		for i := 1; i < len(got); i++ {
			if got[i] == got[i-1] {
				t.Errorf("%s came twice", got[i])
			}
		}
	}
}
