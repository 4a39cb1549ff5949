package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// MaxNodes is the largest number of meta servers, and of replica servers.
const MaxNodes = 5

// Options of a Server.
type Options struct {
	// MetaAddrs and ReplicaAddrs are what the nodes listen on, "ip:port" each;
	// port 0 picks a free one. 1 to MaxNodes of each.
	MetaAddrs, ReplicaAddrs []string
	// ReplicaPortsMayVary lets a replica server whose port is taken start on a
	// free one.
	ReplicaPortsMayVary bool
	// Listen opens a listener. The address of the listener must again be
	// "ip:port": clients are told it. Default: TCP.
	Listen func(address string) (net.Listener, error)
	// Advertise is the IPv4 address that clients are told instead of the one
	// that is listened on. Needed if that is 0.0.0.0.
	Advertise netip.Addr
	// Clock tells the time for expiry, table dates, throttling and the life of
	// scan contexts. Default time.Now. Network time limits and delays go by
	// package time.
	Clock func() time.Time
	// Logger gets what an operator should know, and per-connection trouble at
	// debug level. Default: none.
	Logger *slog.Logger
	// ReadOnly refuses every change of data and tables with
	// ERR_OPERATION_DISABLED.
	ReadOnly bool
	// Dir is what the server says about where its disk is.
	Dir string
	// ClusterName is the name in cluster_info. Default "onebox".
	ClusterName string
	// Limits protect the server from its clients.
	Limits Limits
}

// Limits protect the server from its clients. Zero fields mean the default.
type Limits struct {
	// FrameSize is the size in bytes of the largest request, header included.
	// A larger one closes the connection. Default 64 MiB.
	FrameSize int
	// WriteSize is the size in bytes of the largest body of a write. A larger
	// one is answered with ERR_INVALID_DATA. Default 1 MiB; negative: no limit
	// but FrameSize.
	WriteSize int
	// ReplySize is the number of bytes of records after which an answer ends. A
	// scan goes on with its next batch, a multi_get is incomplete; a batch_get,
	// which has no way to say that, is answered with ERR_INVALID_DATA. Default
	// 256 MiB.
	ReplySize int
	// Connections is the number of connections to all nodes together. More
	// are closed at once. Default 16384.
	Connections int
	// BufferedBytes bounds the memory of all connections' requests in
	// progress beyond 64 KiB each. A connection that would need more is
	// closed. Default 1 GiB.
	BufferedBytes int64
	// AnswerBytes bounds the memory of all answers that clients have not
	// accepted yet, beyond 128 KiB for each connection. Beyond it the connections
	// that have been waiting for the longest are closed, reads of many records
	// return fewer, and if not even one is possible ERR_BUSY. Default 1 GiB.
	AnswerBytes int64
	// FrameTime is the time that the rest of a request may take to arrive once
	// it has begun. Default 30 s.
	FrameTime time.Duration
	// WriteTime is the time that a client may take to accept answers. Default
	// 30 s.
	WriteTime time.Duration
	// IterationTime is the time after which a read of many records stops, in
	// tables whose environment does not say otherwise. Default 30 s; negative:
	// no limit.
	IterationTime time.Duration
	// ScanContexts is the number of open scans of all partitions together.
	// Beyond it the oldest are lost, as after a restart. Default 4096.
	ScanContexts int
	// ScanContextLife is how long an open scan waits for its next call.
	// Default 5 min.
	ScanContextLife time.Duration
	// ScanBytes bounds what is kept for scans that nobody seems to come back
	// for: one that has been waiting for idleScan is lost when so many bytes
	// were written since it began. Default 256 MiB.
	ScanBytes int64
}

// argumentError is an illegal value in Options.
func argumentError(field, format string, args ...any) error {
	return fmt.Errorf("server: Options.%s: %s", field, fmt.Sprintf(format, args...))
}

func (o Options) withDefaults() (Options, error) {
	for _, f := range []struct {
		name  string
		addrs []string
	}{{"MetaAddrs", o.MetaAddrs}, {"ReplicaAddrs", o.ReplicaAddrs}} {
		if n := len(f.addrs); n < 1 || n > MaxNodes {
			return o, argumentError(f.name, "%d addresses, want 1 to %d", n, MaxNodes)
		}
	}
	if o.Listen == nil {
		o.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if o.Advertise.IsValid() && !o.Advertise.Unmap().Is4() {
		return o, argumentError("Advertise", "%v is not an IPv4 address", o.Advertise)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.ClusterName == "" {
		o.ClusterName = "onebox"
	}
	return o, o.Limits.setDefaults()
}

func (l *Limits) setDefaults() error {
	if l.WriteSize == 0 {
		l.WriteSize = 1 << 20
	}
	if l.IterationTime == 0 {
		l.IterationTime = 30 * time.Second
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"FrameSize", &l.FrameSize, 64 << 20},
		{"ReplySize", &l.ReplySize, 256 << 20},
		{"Connections", &l.Connections, 16384},
		{"ScanContexts", &l.ScanContexts, 4096},
	} {
		if *f.value < 0 {
			return argumentError("Limits."+f.name, "%d is negative", *f.value)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"FrameTime", &l.FrameTime, 30 * time.Second},
		{"WriteTime", &l.WriteTime, 30 * time.Second},
		{"ScanContextLife", &l.ScanContextLife, 5 * time.Minute},
	} {
		if *f.value < 0 {
			return argumentError("Limits."+f.name, "%v is negative", *f.value)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		name  string
		value *int64
		def   int64
	}{
		{"BufferedBytes", &l.BufferedBytes, 1 << 30},
		{"AnswerBytes", &l.AnswerBytes, 1 << 30},
		{"ScanBytes", &l.ScanBytes, 256 << 20},
	} {
		if *f.value < 0 {
			return argumentError("Limits."+f.name, "%d is negative", *f.value)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	return nil
}
