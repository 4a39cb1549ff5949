package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

func getFrame(seq int32, hashKey string) []byte {
	return wire.AppendRequest(nil, home(hashKey), wire.TaskGet, seq, key(hashKey, ""))
}

// What is no request, or none that can be decoded, closes the connection and
// nothing else.
func TestProtocolErrors(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{RequestSize: 1 << 16}})
	node := s.Replicas()[0]
	good := getFrame(1, "k")

	oversized := bytes.Clone(good)
	binary.BigEndian.PutUint32(oversized[16:], 1<<16)
	headerLength := bytes.Clone(good)
	binary.BigEndian.PutUint32(headerLength[8:], 47)
	version := bytes.Clone(good)
	binary.BigEndian.PutUint32(version[4:], 2)
	messageType := bytes.Clone(good)
	messageType[48+3] = 2 // a reply
	blob := bytes.Clone(good)
	binary.BigEndian.PutUint32(blob[len(blob)-1-4-3:], 1000) // the key's length
	otherType := wire.AppendRequest(nil, home("k"), wire.TaskPut, 1, wire.ContextID(-1))
	deep := wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskRemoteCommand, 1, nested{})

	for _, tc := range []struct {
		name  string
		bytes []byte
	}{
		{"garbage", bytes.Repeat([]byte{0xee}, 100)},
		{"oversized frame", oversized},
		{"header length", headerLength},
		{"header version", version},
		{"message type", messageType},
		{"blob beyond the end", blob},
		{"argument of another type", otherType},
		{"deeply nested", deep},
		{"another framing later", append(bytes.Clone(good), append([]byte("RDSN"), good[4:]...)...)},
		{"RDSN reply", rdsnReply()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, node)
			c.write(tc.bytes)
			if bytes.HasPrefix(tc.bytes, good) {
				c.mustNext() // the good one is answered
			}
			c.ended()
		})
	}
	c := dial(t, node)
	c.mustPut("k", "v")
	c.wantValue("k", "v")
}

// nested is a Command whose unknown field is a list in a list and so on.
type nested struct{}

func (nested) ThriftType() byte { return wire.TypeStruct }

func (nested) AppendValue(dst []byte) []byte {
	dst = wire.AppendField(dst, wire.TypeList, 9)
	for range 100 {
		dst = append(dst, wire.TypeList, 0, 0, 0, 1)
	}
	return append(dst, wire.TypeBool, 0, 0, 0, 0, wire.TypeStop)
}

// rdsnReply is an RDSN frame that is not a request.
func rdsnReply() []byte {
	b := rdsnRequest(wire.TaskGet, 0, nil)
	b[104] &^= 1
	return b
}

// An unknown RPC is refused under its own name, and the connection goes on.
func TestUnknownTask(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	for _, task := range []string{"RPC_NO_SUCH", "", strings.Repeat("x", 200)} {
		send(c, home("k"), task, key("k", ""))
		want := task[:min(len(task), wire.MaxTaskCode)] + wire.AckSuffix
		if a := c.mustNext(); a.err != wire.ErrHandlerNotFound || a.task != want {
			t.Errorf("%q: %v, %q", task, a.err, a.task)
		}
	}
	c.mustPut("k", "v")
}

// Requests that arrive together are all answered, fast ones in order.
func TestPipeline(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	const n = 1000
	var out []byte
	for i := range int32(n) {
		hashKey := fmt.Sprint("k", i%50)
		if i < 50 {
			out = wire.AppendRequest(out, home(hashKey), wire.TaskPut, i, wire.UpdateRequest{Key: key(hashKey, ""), Value: []byte(hashKey)})
		} else {
			out = wire.AppendRequest(out, home(hashKey), wire.TaskGet, i, key(hashKey, ""))
		}
	}
	go c.nc.Write(out)
	for i := range int32(n) {
		a := c.mustNext()
		if a.seq != i || a.err != wire.ErrOK {
			t.Fatalf("answer %d: seq %d, %v", i, a.seq, a.err)
		}
		if i >= 50 {
			var resp wire.ReadResponse
			a.decode(t, resp.Read)
			if want := fmt.Sprint("k", i%50); string(resp.Value) != want {
				t.Fatalf("answer %d: value %q, want %q", i, resp.Value, want)
			}
		}
	}
}

// A frame may arrive byte by byte.
func TestSplitFrames(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	for _, b := range append(getFrame(100, "k"), getFrame(101, "k")...) {
		c.write([]byte{b})
	}
	for seq := int32(100); seq < 102; seq++ {
		if a := c.mustNext(); a.seq != seq {
			t.Fatalf("seq %d, want %d", a.seq, seq)
		}
	}
}

// A large request makes the buffer grow, and small ones work before and after.
func TestLargeRequest(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	value := strings.Repeat("x", 1<<20-1000)
	for range 3 {
		c.mustPut("small", "v")
		c.mustPut("big", value)
		c.wantValue("big", value)
	}
	if n := s.hub.Usage().RequestBytes; n != 0 {
		t.Errorf("%d bytes of an idle connection's buffer are still counted", n)
	}
}

func TestBufferedBytes(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{BufferedBytes: 256 << 10}})
	node := s.Replicas()[0]
	c := dial(t, node)
	frame := wire.AppendRequest(nil, home("k"), wire.TaskPut, 1, wire.UpdateRequest{Key: key("k", ""), Value: make([]byte, 1<<20-1000)})
	go c.nc.Write(frame) // fails when the server closes
	c.ended()
	c = dial(t, node)
	c.mustPut("k", strings.Repeat("v", 100<<10))
	// A read is copied when it runs aside: the copy counts, too.
	keys := make([][]byte, 150)
	for i := range keys {
		keys[i] = make([]byte, 1000)
	}
	send(c, home("k"), wire.TaskMultiGet, wire.MultiGetRequest{HashKey: []byte("k"), SortKeys: keys})
	c.ended()
	if n := s.hub.Usage().RequestBytes; n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// What a request takes decoded counts, too: a batch_get of a few megabytes can be
// of hundreds of thousands of keys.
func TestDecodedRequestsCount(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{BufferedBytes: 16 << 20}})
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	get := func(n int) wire.ErrorCode {
		var resp wire.BatchGetResponse
		return do(c, home("k"), wire.TaskBatchGet, wire.BatchGetRequest{Keys: make([]wire.FullKey, n)}, resp.Read)
	}
	if code := get(200_000); code != wire.ErrBusy { // 3 MB, 25 MB decoded
		t.Errorf("of a batch_get that is too large decoded: %v", code)
	}
	if code := get(20_000); code != wire.ErrOK {
		t.Errorf("of a smaller one: %v", code)
	}
	c.wantValue("k", "v")
}

// hidden is a request with an unknown list, which is empty, in front of its own.
type hidden struct{ wire.BatchGetRequest }

func (h hidden) AppendValue(dst []byte) []byte {
	dst = append(dst, wire.TypeList, 0, 99, wire.TypeI32, 0, 0, 0, 0)
	return h.BatchGetRequest.AppendValue(dst)
}

// A list does not hide another one from what counts their memory.
func TestHiddenListsCount(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{BufferedBytes: 16 << 20}})
	c := dial(t, s.Replicas()[0])
	send(c, home("k"), wire.TaskBatchGet, hidden{wire.BatchGetRequest{Keys: make([]wire.FullKey, 200_000)}})
	c.ended()
}

// Requests to meta servers and remote commands count likewise.
func TestDecodedAdministrationCounts(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{BufferedBytes: 16 << 20}})
	meta, replica := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	command := func(c *client, n int) wire.ErrorCode {
		return do(c, wire.RequestHeader{}, wire.TaskRemoteCommand, wire.Of(&wire.Command{Cmd: "help", Arguments: make([]string, n)}), func(r *wire.Reader) { r.Blob() })
	}
	setEnvs := func(c *client, n int) wire.ErrorCode {
		names := make([]string, n)
		var resp wire.HintResponse
		return do(c, wire.RequestHeader{}, wire.TaskUpdateAppEnv, wire.Of(&wire.UpdateAppEnvRequest{
			AppName: testTable, Op: wire.AppEnvSet, Keys: &names, Values: &names,
		}), wire.Of(&resp).Read)
	}
	const many, few = 500_000, 1000 // 2 MB and more
	for name, f := range map[string]func(n int) wire.ErrorCode{
		"command to a meta server":    func(n int) wire.ErrorCode { return command(meta, n) },
		"command to a replica server": func(n int) wire.ErrorCode { return command(replica, n) },
		"environment":                 func(n int) wire.ErrorCode { return setEnvs(meta, n) },
	} {
		if code := f(many); code != wire.ErrBusy {
			t.Errorf("%s, of %d texts: %v", name, many, code)
		}
		if code := f(few); code != wire.ErrOK {
			t.Errorf("%s, of %d texts: %v", name, few, code)
		}
	}
}

func TestConnectionLimit(t *testing.T) {
	s := start(t, Options{Limits: limits.Limits{Connections: 2}})
	node := s.Replicas()[0]
	a, b := dial(t, node), dial(t, node)
	a.mustPut("k", "v")
	b.mustPut("k", "v")
	dial(t, node).ended()
	a.nc.Close()
	// The server notices in its own time that a is gone.
	for {
		c := dial(t, node)
		send(c, home("k"), wire.TaskGet, key("k", ""))
		if _, err := c.next(); err == nil {
			break
		}
	}
	b.wantValue("k", "v")
}

// Requests that wait do not hold up others on their connection, as many as
// there may be; those beyond are answered in the end.
func TestWaitingRequestsAreOvertaken(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s.Replicas()[0])
	c.mustPut("k", "v")
	release := make(chan struct{})
	s.Intercept(func(call Call) Action {
		if call.Task != wire.TaskGet {
			return Action{Until: release}
		}
		return Action{}
	})
	const maxJobs = 4096 // of a connection
	const all = maxJobs + 3
	for i := range all {
		if i%2 == 0 {
			send(c, home("k"), wire.TaskSortKeyCount, wire.Blob("k")) // takes long
		} else {
			send(c, home("k"), wire.TaskTTL, key("k", ""))
		}
		if i == 16 || i == maxJobs-1 {
			c.wantValue("k", "v")
		}
	}
	close(release)
	seen := make(map[int32]bool)
	for range all {
		a := c.mustNext()
		if a.err != wire.ErrOK || seen[a.seq] {
			t.Fatalf("%+v", a)
		}
		seen[a.seq] = true
	}
}

// bubble runs f with a server on the network and clock of a bubble.
func bubble(t *testing.T, opts Options, f func(t *testing.T, s *Server, dial func(*Node) *client)) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		opts.Listen = network.Listen
		s := start(t, opts)
		f(t, s, func(n *Node) *client {
			nc, err := network.Dial(t.Context(), "tcp", n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			return &client{t: t, nc: nc}
		})
	})
}

// A request that has begun must arrive in time; a connection without one may
// stay as long as it likes.
func TestFrameTime(t *testing.T) {
	bubble(t, Options{Limits: limits.Limits{RequestTime: 30 * time.Second}}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		for _, n := range []int{1, 4, 30, 60} {
			c := dial(node)
			time.Sleep(24 * time.Hour)
			c.mustPut("k", "v")
			time.Sleep(24 * time.Hour)
			c.write(getFrame(1, "k")[:n])
			began := time.Now()
			_ = c.nc.SetReadDeadline(time.Time{})
			if _, err := c.nc.Read(make([]byte, 1)); err == nil {
				t.Fatalf("%d bytes of a request were answered", n)
			}
			if d := time.Since(began); d != 30*time.Second {
				t.Errorf("%d bytes of a request: closed after %v", n, d)
			}
		}
		// The time runs from the first byte, whatever comes later.
		c := dial(node)
		began := time.Now()
		frame := getFrame(1, "k")
		for i := range frame {
			if _, err := c.nc.Write(frame[i : i+1]); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d > 32*time.Second {
			t.Errorf("a byte a second: closed after %v", d)
		}
	})
}

// A client that does not accept its answers is cut off, and holds up nobody.
func TestWriteTime(t *testing.T) {
	bubble(t, Options{Limits: limits.Limits{AnswerTime: 20 * time.Second}}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		deaf, other := dial(node), dial(node)
		began := time.Now()
		for err := error(nil); err == nil; {
			_, err = deaf.nc.Write(getFrame(1, "k"))
		}
		if d := time.Since(began); d != 20*time.Second {
			t.Errorf("closed after %v", d)
		}
		other.mustPut("k", "v")
	})
}

// Close answers what has arrived, does not wait for clients without requests,
// and not for ever for those that do not accept their answers.
func TestClose(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, dial func(*Node) *client) {
		node := s.Replicas()[0]
		idle, deaf, held := dial(node), dial(node), dial(node)
		idle.mustPut("k", "v")
		if _, err := deaf.nc.Write(getFrame(1, "k")); err != nil {
			t.Fatal(err)
		}
		s.Intercept(func(c Call) Action {
			if c.Task == wire.TaskTTL {
				return Action{Until: make(chan struct{})}
			}
			return Action{}
		})
		for range 9 {
			send(held, home("k"), wire.TaskTTL, key("k", ""))
		}
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("closing took %v", d)
		}
		for _, c := range []*client{idle, held} {
			c.ended()
		}
	})
}

// flakyListener fails to accept a number of times.
type flakyListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

// A node that has no file left for a connection accepts again later.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		s := start(t, Options{Listen: func(addr string) (net.Listener, error) {
			l, err := network.Listen(addr)
			if err != nil {
				return nil, err
			}
			flaky := &flakyListener{Listener: l}
			flaky.failures.Store(3)
			return flaky, nil
		}})
		began := time.Now()
		nc, err := network.Dial(t.Context(), "tcp", s.Replicas()[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := &client{t: t, nc: nc}
		c.mustPut("k", "v")
		if d := time.Since(began); d != 300*time.Millisecond {
			t.Errorf("accepted after %v", d)
		}
	})
}

// A request that was carried out when the server closed was answered, whatever
// else the client sends.
func TestCloseAnswers(t *testing.T) {
	db := openStore(t, storage.Options{})
	for round := range 10 {
		s := startOn(t, db, Options{})
		ensure(t, s, testTable, testPartitions)
		hashKey := fmt.Sprint("k", round)
		c := dial(t, s.Replicas()[0])
		frame := wire.AppendRequest(nil, home(hashKey), wire.TaskIncr, 1, wire.IncrRequest{Key: key(hashKey, ""), Increment: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			batch := bytes.Repeat(frame, 100)
			for err := error(nil); err == nil; {
				_, err = c.nc.Write(batch)
			}
		})
		_ = c.nc.SetDeadline(time.Now().Add(patience))
		c.mustNext()
		answered := int64(1)
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		for {
			if _, err := c.next(); err != nil {
				break
			}
			answered++
		}
		c.nc.Close()
		wg.Wait()
		if _, err := net.Dial("tcp", s.Replicas()[0].Addr()); err == nil {
			t.Error("the port is still open")
		}

		s = startOn(t, db, Options{})
		c = dial(t, s.Replicas()[0])
		c.wantValue(hashKey, fmt.Sprint(answered))
		s.Close()
	}
}
