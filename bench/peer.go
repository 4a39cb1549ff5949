package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox"
)

// A peer is a server in a process of its own: this program, started again with
// "serve KIND ARGS…" as its arguments. It prints its address and ends when its
// standard input does.
type peer struct {
	addr string
	pid  int
	stop func()
}

func startPeer(kind string, args ...string) (*peer, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, append([]string{"serve", kind}, args...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", kind, err)
	}
	return &peer{addr: strings.TrimSpace(line), pid: cmd.Process.Pid, stop: func() {
		in.Close()
		cmd.Wait()
	}}, nil
}

// rss returns the resident memory of the peer in bytes, 0 if unknown.
func (p *peer) rss() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// serve is the main program of a peer.
func serve(args []string) error {
	signal.Ignore(os.Interrupt) // the parent ends us
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	switch args[0] {
	case "fixed":
		return listen(func(nc net.Conn, _ wire.Address) { serveFixed(nc, number(1), number(2)) })
	case "null":
		partitions, value := number(1), number(2)
		return listen(func(nc net.Conn, self wire.Address) { serveNull(nc, self, partitions, value) })
	case "onebox":
		return serveOnebox(args[1], args[2])
	case "empty":
		return serveTables(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	}
	return fmt.Errorf("unknown peer %q", args[0])
}

func listen(handle func(net.Conn, wire.Address)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	self := wire.AddressFrom(netip.MustParseAddrPort(l.Addr().String()))
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go handle(nc, self)
		}
	}()
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
	return nil
}

func serveOnebox(durability, dir string) error {
	opts := onebox.Options{Tables: []onebox.Table{
		{Name: "bench1", Partitions: 1}, {Name: "bench8", Partitions: 8}, {Name: "bench64", Partitions: 64}, {Name: "bench1024", Partitions: 1024},
	}}
	for i := 1; i < manyTables; i++ {
		opts.Tables = append(opts.Tables, onebox.Table{Name: manyName(i), Partitions: 1})
	}
	switch durability {
	case "mem":
	case "os":
		opts.Dir, opts.Durability = dir, onebox.OS
	case "sync":
		opts.Dir, opts.Durability = dir, onebox.Sync
	default:
		return fmt.Errorf("unknown durability %q", durability)
	}
	return serveTables(opts)
}

func serveTables(opts onebox.Options) error {
	s, err := onebox.Start(opts)
	if err != nil {
		return err
	}
	fmt.Println(s.MetaServers()[0])
	io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// nullServer answers canned replies. What it costs is the look at a request's
// size, task code and sequence id, and a copy: all that is left of decoding is
// where those are in what the client sends.
type nullServer struct {
	self       wire.Address
	partitions int32
	canned     []cannedReply
	batches    []cannedBatch
}

// cannedBatch is the answer to a request of a scan: 1000 records. It is sent from
// where it is, as the floor's bytes are.
type cannedBatch struct {
	cannedReply
	contextAt int // where frame has the context id
}

// cannedReply is a whole reply, but for the sequence id.
type cannedReply struct {
	name  string // of the request: the length of the task code, and itself
	frame []byte
	seqAt int
}

func can(task string, result wire.Message) cannedReply {
	const seq = 0x0a0b0c0d
	q := wire.Request{Seq: seq}
	frame := wire.AppendReply(nil, &q, task+wire.AckSuffix, result)
	name := string(binary.BigEndian.AppendUint32(nil, uint32(len(task)))) + task
	return cannedReply{name, frame, bytes.Index(frame, binary.BigEndian.AppendUint32(nil, seq))}
}

// foundMany is the answer to the batch of manyWork.
func foundMany(value int, source wire.Source) wire.BatchGetResponse {
	resp := wire.BatchGetResponse{Source: source}
	for _, k := range hashKeys[:manySize] {
		resp.Data = append(resp.Data, wire.FullData{HashKey: k, SortKey: sortKey, Value: make([]byte, value)})
	}
	return resp
}

// rawStruct is an encoded struct.
type rawStruct []byte

// ThriftType returns the type code of a struct.
func (rawStruct) ThriftType() byte { return wire.TypeStruct }

// AppendValue appends the struct.
func (s rawStruct) AppendValue(dst []byte) []byte { return append(dst, s...) }

// prepareScan encodes the batch that answers every request of a scan.
func (s *nullServer) prepareScan(source wire.Source) {
	const marker = 0x0102030405060708
	resp := wire.ScanResponse{ContextID: marker, Source: source}
	for i := range 1000 {
		key := schema.AppendKey(nil, recordKey(i/rowCount), rowKeys[i%rowCount])
		resp.KVs = append(resp.KVs, wire.KeyValue{Key: key, Value: make([]byte, scanValue)})
	}
	result := rawStruct(resp.AppendValue(nil))
	for _, task := range []string{wire.TaskGetScanner, wire.TaskScan} {
		r := can(task, result)
		s.batches = append(s.batches, cannedBatch{r, bytes.Index(r.frame, binary.BigEndian.AppendUint64(nil, marker))})
	}
}

// scanBatch sends a batch with what is left after it.
func (s *nullServer) scanBatch(nc net.Conn, b *cannedBatch, seq []byte, left int64) error {
	if left == 0 {
		left = wire.ScanCompleted
	}
	copy(b.frame[b.seqAt:], seq)
	binary.BigEndian.PutUint64(b.frame[b.contextAt:], uint64(left))
	_, err := nc.Write(b.frame)
	return err
}

// nullScanBatches is the number of batches in each partition of a null server.
const nullScanBatches = 250

func serveNull(nc net.Conn, self wire.Address, partitions, value int) {
	defer nc.Close()
	source := wire.Source{GPID: wire.GPID{AppID: 1}, Server: []byte(self.String())}
	s := &nullServer{self: self, partitions: int32(partitions)}
	s.canned = []cannedReply{
		can(wire.TaskGet, wire.ReadResponse{Value: make([]byte, value), Source: source}),
		can(wire.TaskPut, wire.UpdateResponse{Decree: 1, Source: source}),
		can(wire.TaskBatchGet, foundMany(value, source)),
	}
	s.prepareScan(source)

	buf := make([]byte, 256<<10)
	var out []byte
	have := 0
	for {
		n, err := nc.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		rest := buf[:have]
		for len(rest) >= wire.RequestPrefix {
			size, err := wire.RequestSize(rest, len(buf))
			if err != nil {
				return
			}
			if len(rest) < size {
				break
			}
			if out, err = s.answer(nc, out, rest[:size]); err != nil {
				return
			}
			rest = rest[size:]
		}
		have = copy(buf, rest)
		if _, err := nc.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// answer appends the answer to a request to out, or sends it.
func (s *nullServer) answer(nc net.Conn, out, frame []byte) ([]byte, error) {
	const nameAt = 48 + 4 // the header, and the version of the message
	for _, c := range s.canned {
		if seqAt := nameAt + len(c.name); len(frame) > seqAt+4 && string(frame[nameAt:seqAt]) == c.name {
			at := len(out) + c.seqAt
			out = append(out, c.frame...)
			copy(out[at:], frame[seqAt:seqAt+4])
			return out, nil
		}
	}
	var q wire.Request
	if err := q.Parse(frame); err != nil {
		return nil, err
	}
	switch seq := binary.BigEndian.AppendUint32(nil, uint32(q.Seq)); string(q.Task) {
	case wire.TaskGetScanner:
		return out, s.scanBatch(nc, &s.batches[0], seq, nullScanBatches-1)
	case wire.TaskScan:
		var req wire.ScanRequest
		req.Read(&q.Arg)
		return out, s.scanBatch(nc, &s.batches[1], seq, req.ContextID-1)
	case wire.TaskQueryConfig:
		resp := wire.QueryConfigResponse{Err: wire.ErrOK, AppID: 1, PartitionCount: s.partitions, IsStateful: true}
		for i := range s.partitions {
			resp.Partitions = append(resp.Partitions, wire.PartitionConfiguration{
				PID: wire.GPID{AppID: 1, PartitionIndex: i}, Ballot: 1, MaxReplicaCount: 1, Primary: s.self,
			})
		}
		return wire.AppendReply(out, &q, wire.TaskQueryConfig+wire.AckSuffix, wire.Of(&resp)), nil
	}
	return wire.AppendErrorReply(out, &q, string(q.Task)+wire.AckSuffix, wire.ErrHandlerNotFound), nil
}

// startRedis starts a redis-server without persistence; nil if none is
// installed.
func startRedis() (*peer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &peer{addr: addr, pid: cmd.Process.Pid, stop: func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}}
	for range 100 {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			return p, nil
		}
		time.Sleep(20 * time.Millisecond) // until it listens
	}
	p.stop()
	return nil, fmt.Errorf("redis-server does not listen on %s", addr)
}
