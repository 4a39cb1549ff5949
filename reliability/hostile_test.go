package reliability

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// victim is a onebox in a process of its own, and a client of it that behaves.
type victim struct {
	*child.Process
	t      *testing.T
	table  pegasus.TableConnector
	before int64 // memory at the start
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// startVictim starts a onebox in memory with one table of one partition.
func startVictim(t *testing.T, limits onebox.Limits) *victim {
	t.Helper()
	return attach(t, startProcess(t, child.Options{
		Tables: []onebox.Table{{Name: "temp", Partitions: 1}},
		Limits: limits,
	}))
}

// attach connects the client that behaves, to the table "temp".
func attach(t *testing.T, p *child.Process) *victim {
	t.Helper()
	v := &victim{Process: p, t: t}
	client := pegasus.NewClient(pegasus.Config{MetaServers: v.MetaServers})
	t.Cleanup(func() { client.Close() })
	var err error
	if v.table, err = client.OpenTable(t.Context(), "temp"); err != nil {
		t.Fatal(err)
	}
	v.serves()
	v.before = v.PeakMemory()
	return v
}

// serves expects that the client that behaves is served.
func (v *victim) serves() {
	v.t.Helper()
	ctx := v.t.Context()
	for i := range 300 {
		key := fmt.Appendf(nil, "k%d", i)
		if err := v.table.Set(ctx, key, key, key); err != nil {
			v.t.Fatal(err)
		}
		if got, err := v.table.Get(ctx, key, key); err != nil || !bytes.Equal(got, key) {
			v.t.Fatalf("Get = %q, %v", got, err)
		}
	}
}

// grew expects that the memory has grown by no more than limit since the start.
func (v *victim) grew(limit int64) {
	v.t.Helper()
	grown := v.PeakMemory() - v.before
	v.t.Logf("memory grew by %d MiB at most, from %d MiB", grown/mib, v.before/mib)
	if grown > limit && !race {
		v.t.Errorf("memory grew by %d MiB, want %d MiB at most", grown/mib, limit/mib)
	}
}

// holds expects that the memory in use is no more than limit, as soon as what is
// of no use any more is free.
func (v *victim) holds(limit int64) {
	v.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		a, err := v.Do(child.Command{Op: "heap"})
		if err != nil {
			v.t.Fatal(err)
		}
		if int64(a.Heap) <= limit {
			v.t.Logf("%d MiB are in use, memory grew by %d MiB at most", a.Heap/mib, (v.PeakMemory()-v.before)/mib)
			return
		}
		if time.Now().After(deadline) {
			v.t.Errorf("%d MiB are in use, want %d MiB at most", a.Heap/mib, limit/mib)
			if a, err = v.Do(child.Command{Op: "held"}); err == nil {
				v.t.Log(a.Held)
			}
			return
		}
	}
}

// peer is a connection that does not behave.
type peer struct {
	t *testing.T
	*net.TCPConn
}

// connect connects to the replica server. The connection leaves nothing behind
// in the system when it is closed.
func (v *victim) connect() *peer {
	v.t.Helper()
	nc, err := net.DialTimeout("tcp", v.ReplicaServers[0], patience)
	if err != nil {
		v.t.Fatal(err)
	}
	p := &peer{v.t, nc.(*net.TCPConn)}
	_ = p.SetLinger(0)
	v.t.Cleanup(func() { p.Close() })
	return p
}

// patience bounds the wait for what must come.
const patience = time.Minute

// closedByServer waits for the server to close the connection.
func (p *peer) closedByServer() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Error("the connection stays open")
	}
	p.Close()
}

var onlyPartition = wire.RequestHeader{GPID: wire.GPID{AppID: 1}, TimeoutMs: 10_000}

func getFrame(key string) []byte {
	return wire.AppendRequest(nil, onlyPartition, wire.TaskGet, 1, wire.Key{HashKey: []byte(key), SortKey: []byte(key)})
}

// lighter returns n, and with the race detector, under which everything takes
// ten times as long, a tenth of it.
func lighter(n int) int {
	if race {
		return n / 10
	}
	return n
}

// Bytes at random, and requests with bytes changed, cut off or too large: the
// connections are closed, and nothing else happens.
func TestGarbage(t *testing.T) {
	v := startVictim(t, onebox.Limits{})
	for i := range scaled(3000, 100_000) {
		frame := append(getFrame("k1"), getFrame("k2")...)
		switch i % 4 {
		case 0:
			for i := range frame {
				frame[i] = byte(rand.Uint32())
			}
		case 1:
			for range 1 + rand.IntN(4) {
				frame[rand.IntN(len(frame))] = byte(rand.Uint32())
			}
		case 2:
			frame = frame[:rand.IntN(len(frame))]
		case 3:
			binary.BigEndian.PutUint32(frame[16:], 1<<20+rand.Uint32()) // the size of the body
		}
		p := v.connect()
		_, _ = p.Write(frame) // the server may have closed it in the middle
		_ = p.CloseWrite()
		p.closedByServer()
	}
	v.serves()
	v.grew(64 * mib)
}

// A request that begins must go on: headers that never end cost a connection for
// a while, and no more.
func TestSlowHeaders(t *testing.T) {
	v := startVictim(t, onebox.Limits{RequestTime: 500 * time.Millisecond})
	var peers []*peer
	for i := range 1000 {
		p := v.connect()
		if _, err := p.Write(getFrame("k1")[:1+i%60]); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, p)
	}
	v.serves()
	for _, p := range peers {
		p.closedByServer()
	}
	v.grew(64 * mib)
}

// Requests that are announced as large take the memory of what has arrived, all
// together no more than the limit.
func TestLargeRequests(t *testing.T) {
	v := startVictim(t, onebox.Limits{BufferedBytes: 32 * mib})
	frame := getFrame("k1")
	binary.BigEndian.PutUint32(frame[16:], 60*mib) // the size of the body
	frame = append(frame, make([]byte, 3*mib)...)
	var all sync.WaitGroup
	for range 300 {
		p := v.connect()
		all.Go(func() { _, _ = p.Write(frame) }) // fails when the server has had enough
	}
	v.serves()
	all.Wait()
	v.serves()
	v.grew(256 * mib)
}

// Connections without requests may stay. Each takes little.
func TestIdleConnections(t *testing.T) {
	n := openFiles(t, 10_000)
	v := startVictim(t, onebox.Limits{})
	for range n {
		v.connect()
	}
	v.serves()
	v.grew(int64(n) * 16 * kib)
}

// Clients that ask and never read the answers: all answers that wait take no more
// memory than the limit. The requests, of which the server takes so many of each
// client, are few here: their memory has a limit of its own, which is larger.
func TestDeafClients(t *testing.T) {
	v := startVictim(t, onebox.Limits{AnswerBytes: 32 * mib})
	hashKey := []byte("large")
	value := make([]byte, mib-kib)
	for i := range 20 {
		if err := v.table.Set(t.Context(), hashKey, fmt.Appendf(nil, "%d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		request []byte
		peers   int
	}{
		"Get":      {wire.AppendRequest(nil, onlyPartition, wire.TaskGet, 1, wire.Key{HashKey: hashKey, SortKey: []byte("1")}), 500},
		"MultiGet": {wire.AppendRequest(nil, onlyPartition, wire.TaskMultiGet, 1, wire.MultiGetRequest{HashKey: hashKey}), 100},
		"scan":     {scanFrame(1000), 100},
	} {
		t.Run(name, func(t *testing.T) {
			v := &victim{v.Process, t, v.table, v.before}
			requests := bytes.Repeat(tc.request, 200)
			var deaf []*peer
			var writing sync.WaitGroup
			for range lighter(tc.peers) {
				p := v.connect()
				deaf = append(deaf, p)
				writing.Go(func() {
					_, _ = p.Write(requests) // fails when the server has had enough
				})
			}
			v.serves()
			v.holds(96 * mib) // besides the answers the table and some buffers
			for _, p := range deaf {
				p.Close()
			}
			writing.Wait()
			v.holds(48 * mib) // the table
		})
	}
}

// Scans that are begun and left cost a place each, and not the rows that they have
// answered with.
func TestScansThatAreLeft(t *testing.T) {
	v := startVictim(t, onebox.Limits{})
	value := make([]byte, mib/4)
	for i := range 40 {
		key := []byte{byte('A' + i)} // before those of serves, which are longer
		if err := v.table.Set(t.Context(), key, key, value); err != nil {
			t.Fatal(err)
		}
	}
	p := v.connect()
	_ = p.SetReadDeadline(time.Now().Add(patience))
	const scans = 100
	for range scans {
		if _, err := p.Write(scanFrame(20)); err != nil {
			t.Fatal(err)
		}
		var prefix [wire.ReplyPrefix]byte
		if _, err := io.ReadFull(p, prefix[:]); err != nil {
			t.Fatal(err)
		}
		size, err := wire.ReplySize(prefix[:], 64*mib)
		if err == nil && size < 5*mib {
			t.Fatalf("an answer of %d bytes", size)
		}
		if _, err := io.CopyN(io.Discard, p, int64(size-len(prefix))); err != nil {
			t.Fatal(err)
		}
	}
	v.holds(64 * mib) // the rows of all answers are 500 MiB
}

// scanFrame begins a scan of the whole partition.
func scanFrame(batch int32) []byte {
	full := true
	return wire.AppendRequest(nil, onlyPartition, wire.TaskGetScanner, 1, wire.GetScannerRequest{
		StartKey: wire.Key{Raw: []byte{0, 0}}, StartInclusive: true,
		StopKey:  wire.Key{Raw: []byte{0xff, 0xff}},
		FullScan: &full, BatchSize: batch,
	})
}

// Scans that are begun and never ended, beside writes: there are only so many,
// and they do not keep everything that was overwritten in memory.
func TestAbandonedScans(t *testing.T) {
	v := startVictim(t, onebox.Limits{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writes sync.WaitGroup
	written := 0
	writes.Go(func() {
		value := make([]byte, 100*kib)
		for ctx.Err() == nil {
			key := fmt.Appendf(nil, "k%d", written%100)
			if err := v.table.Set(t.Context(), key, key, value); err != nil {
				t.Error(err)
			}
			written++
		}
	})
	const peers, batch = 8, 100
	n := lighter(scaled(20_000, 1_000_000))
	var scans sync.WaitGroup
	for range peers {
		p := v.connect()
		frames := bytes.Repeat(scanFrame(1), batch)
		scans.Go(func() {
			for range n / peers / batch {
				if _, err := p.Write(frames); err != nil {
					t.Error(err)
					return
				}
				for range batch {
					if _, err := p.reply(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	scans.Wait()
	stop()
	writes.Wait()
	t.Logf("%d scans begun, %d MiB written", n, written*100/1024)
	v.serves()
	v.grew(384 * mib)
}
