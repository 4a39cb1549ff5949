// Package replica is the role of a replica server: it reads and writes the
// records of the partitions that it serves. It knows the catalog and the store,
// and no connection.
package replica

import (
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Options of a Role. All fields are needed.
type Options struct {
	Catalog *catalog.Catalog
	Scans   *Scans
	DB      *storage.DB
	Clock   func() time.Time
	Logger  *slog.Logger
	Index   int    // among the replica servers
	Dir     string // where the server says that its disk is

	ReadOnly  bool
	WriteSize int // bytes of the largest body of a write; not positive: no limit
	ReplySize int // bytes of records after which an answer ends
	Unusual   *Unusual
}

// Role is the role of one replica server.
type Role struct {
	Options
	Console  *console.Console
	Stats    stats.Node
	name     atomic.Pointer[[]byte] // the field server of data responses
	diskFull atomic.Bool
}

// New returns a role. Its Console is to be set.
func New(o Options) *Role { return &Role{Options: o} }

// FillDisk, while it is on, makes the server refuse writes with
// ERR_DISK_INSUFFICIENT, as one whose disk is nearly full does. Reads go on.
func (n *Role) FillDisk(full bool) { n.diskFull.Store(full) }

// Listens implements request.Role.
func (n *Role) Listens(addr wire.Address) {
	name := []byte(addr.String())
	n.name.Store(&name)
}

// NewCall implements request.Role.
func (n *Role) NewCall() request.Call { return &call{Role: n} }

// Page implements request.Role.
func (n *Role) Page(path string, query url.Values) (int, string) { return n.Console.Page(path, query) }

// Crashed implements request.Role.
func (n *Role) Crashed() { n.Scans.dropNode(n) }

// call is one request on its way.
type call struct {
	*Role
	r *request.Request
	h *handler           // nil: no such RPC
	p *catalog.Partition // of a data RPC, once admitted

	size    int            // bytes of keys and values that it has read or written
	records int            // that it has read
	ended   wire.ErrorCode // by pace, and why
	staged  staged
	// Buffers that the next multi_put uses again.
	multiPutRequest wire.MultiPutRequest
	kvs             []storage.KV
}

// handler is an RPC.
type handler struct {
	task, ack string
	op        stats.Op
	kind      kind
	// slow reports whether a request of n list elements may take long; nil is
	// never.
	slow func(arg wire.Reader, n int) bool
	// joins is set for requests that are staged if they are quick.
	joins bool
	// lists is set for requests with a list.
	lists bool
	// ownsContext is set for requests that name a scan context. It belongs to
	// the partition whatever the hash in the header says.
	ownsContext bool
	// serve carries out the request and appends the answer. If the body cannot
	// be decoded it sets Malformed of the request.
	serve func(k *call, dst []byte) []byte
}

type kind byte

const (
	noPartition kind = iota // concerns no partition
	readRPC
	writeRPC
)

// handlers are all RPCs, by task code.
var handlers = func() map[string]*handler {
	m := make(map[string]*handler)
	for _, h := range slices.Concat(readHandlers(), writeHandlers(), scanHandlers(), infoHandlers()) {
		h.ack = h.task + wire.AckSuffix
		m[h.task] = h
	}
	return m
}()

// always is the slow of RPCs that may take long whatever the argument.
func always(wire.Reader, int) bool { return true }

// Answer implements request.Call.
func (k *call) Answer(r *request.Request, dst []byte) []byte {
	if k.h == nil {
		return k.Console.Answer(r, dst)
	}
	if k.p != nil {
		if !k.p.Enter() {
			k.countOne(stats.ReadSplitRejected, stats.WriteSplitRejected)
			return k.fail(dst, wire.ErrSplitting)
		}
		defer k.leave()
		if code := k.checkView(); code != "" {
			if code != wire.ErrObjectNotFound {
				k.countOne(stats.ReadSplitRejected, stats.WriteSplitRejected)
			}
			return k.fail(dst, code)
		}
	}
	if k.h.op == stats.None {
		return k.h.serve(k, dst)
	}
	start := len(dst)
	k.ended = ""
	if dst = k.serveCounted(dst); k.ended != "" {
		return k.fail(dst[:start], k.ended)
	}
	return dst
}

// pace is the one of the request, for the store. It also ends a read that a split
// waits for, as all others to the table would wait for that, and one of a table
// that was dropped.
func (k *call) pace() storage.Pace {
	if k.r.Pace == nil {
		return nil
	}
	return func() bool {
		switch table := k.p.Table.View(); {
		case !table.Available():
			k.ended = wire.ErrObjectNotFound
		case table.Moving():
			k.ended = wire.ErrSplitting
		default:
			return k.r.Pace()
		}
		return false
	}
}

// fail appends an answer that only has an error.
func (k *call) fail(dst []byte, code wire.ErrorCode) []byte {
	if !k.r.Long { // or it is carried out once more
		k.failed(k.h.kind, k.p.Table, code)
	}
	return wire.AppendErrorReply(dst, &k.r.Request, k.h.ack, code)
}

// reply appends an answer.
func reply[M wire.Message](k *call, dst []byte, m M) []byte {
	return wire.AppendReply(dst, &k.r.Request, k.h.ack, m)
}

// replyWrite appends the answer to a write, to be sent when commit is durable.
func replyWrite[M wire.Message](k *call, dst []byte, m M, commit storage.Commit) []byte {
	start := len(dst)
	dst = k.r.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	k.r.Writes.Add(commit, len(dst))
	dst = m.AppendValue(dst)
	return k.r.EndReply(dst, start, wire.TypeStruct)
}

// source is what every data response ends with.
func (k *call) source() wire.Source {
	return wire.Source{GPID: k.p.GPID, Server: *k.name.Load()}
}

// now is the present in seconds of the Pegasus epoch, for throttling.
func (n *Role) now() uint32 { return schema.EpochSeconds(n.Clock()) }
