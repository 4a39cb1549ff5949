package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Everything the documentation forbids is refused with an error that names the
// argument, before anything is sent.
func TestBadArguments(t *testing.T) {
	var (
		h, s, v = []byte("h"), []byte("s"), []byte("v")
		hs      = [][]byte{s}
		empty   = []byte{}
	)
	type tableCall func(ctx context.Context, tb TableConnector) error
	type badCall struct {
		name string // of the argument
		call tableCall
	}
	// Every method with a hash key, by the name it reports.
	withHashKey := map[string]func(ctx context.Context, tb TableConnector, h []byte) error{
		"Get": func(ctx context.Context, tb TableConnector, h []byte) error { _, err := tb.Get(ctx, h, s); return err },
		"Set": func(ctx context.Context, tb TableConnector, h []byte) error { return tb.Set(ctx, h, s, v) },
		"SetTTL": func(ctx context.Context, tb TableConnector, h []byte) error {
			return tb.SetTTL(ctx, h, s, v, time.Second)
		},
		"Del": func(ctx context.Context, tb TableConnector, h []byte) error { return tb.Del(ctx, h, s) },
		"MultiGet": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, _, err := tb.MultiGet(ctx, h, hs)
			return err
		},
		"MultiGetRange": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, _, err := tb.MultiGetRange(ctx, h, nil, nil)
			return err
		},
		"MultiSet": func(ctx context.Context, tb TableConnector, h []byte) error { return tb.MultiSet(ctx, h, hs, hs) },
		"MultiDel": func(ctx context.Context, tb TableConnector, h []byte) error { return tb.MultiDel(ctx, h, hs) },
		"DelRange": func(ctx context.Context, tb TableConnector, h []byte) error { return tb.DelRange(ctx, h, nil, nil) },
		"TTL":      func(ctx context.Context, tb TableConnector, h []byte) error { _, err := tb.TTL(ctx, h, s); return err },
		"Exist": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.Exist(ctx, h, s)
			return err
		},
		"GetScanner": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.GetScanner(ctx, h, nil, nil, nil)
			return err
		},
		"CheckAndSet": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.CheckAndSet(ctx, h, s, CheckTypeNoCheck, nil, s, v, nil)
			return err
		},
		"SortKeyCount": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.SortKeyCount(ctx, h)
			return err
		},
		"Incr": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.Incr(ctx, h, s, 1)
			return err
		},
		"BatchGet": func(ctx context.Context, tb TableConnector, h []byte) error {
			_, err := tb.BatchGet(ctx, []CompositeKey{{HashKey: h, SortKey: s}})
			return err
		},
	}
	calls := make(map[string][]badCall)
	bad := func(op, name string, call tableCall) { calls[op] = append(calls[op], badCall{name, call}) }
	for op, call := range withHashKey {
		name := "hashKey"
		if op == "BatchGet" {
			name = "keys[0].HashKey"
		}
		for _, h := range [][]byte{nil, empty, make([]byte, 65535), make([]byte, 65536), make([]byte, 70000)} {
			bad(op, name, func(ctx context.Context, tb TableConnector) error { return call(ctx, tb, h) })
		}
	}
	bad("Get", "sortKey", func(ctx context.Context, tb TableConnector) error { _, err := tb.Get(ctx, h, nil); return err })
	bad("Set", "sortKey", func(ctx context.Context, tb TableConnector) error { return tb.Set(ctx, h, nil, v) })
	bad("Set", "value", func(ctx context.Context, tb TableConnector) error { return tb.Set(ctx, h, s, nil) })
	for _, ttl := range []time.Duration{-1, -time.Hour, math.MinInt64, 1, 60, time.Millisecond - 1, math.MaxInt64} {
		bad("SetTTL", "ttl", func(ctx context.Context, tb TableConnector) error { return tb.SetTTL(ctx, h, s, v, ttl) })
		bad("MultiSet", "ttl", func(ctx context.Context, tb TableConnector) error { return tb.MultiSetOpt(ctx, h, hs, hs, ttl) })
	}
	bad("Del", "sortKey", func(ctx context.Context, tb TableConnector) error { return tb.Del(ctx, h, nil) })
	bad("TTL", "sortKey", func(ctx context.Context, tb TableConnector) error { _, err := tb.TTL(ctx, h, nil); return err })
	bad("Exist", "sortKey", func(ctx context.Context, tb TableConnector) error { _, err := tb.Exist(ctx, h, nil); return err })
	bad("MultiGet", "sortKeys[1]", func(ctx context.Context, tb TableConnector) error {
		_, _, err := tb.MultiGet(ctx, h, [][]byte{s, nil})
		return err
	})
	filter := &MultiGetOptions{SortKeyFilter: Filter{Type: 4}}
	bad("MultiGet", "options.SortKeyFilter.Type", func(ctx context.Context, tb TableConnector) error {
		_, _, err := tb.MultiGetOpt(ctx, h, hs, filter)
		return err
	})
	bad("MultiGetRange", "options.SortKeyFilter.Type", func(ctx context.Context, tb TableConnector) error {
		_, _, err := tb.MultiGetRangeOpt(ctx, h, nil, nil, filter)
		return err
	})
	for _, keys := range [][][]byte{nil, {}} {
		bad("MultiSet", "sortKeys", func(ctx context.Context, tb TableConnector) error { return tb.MultiSet(ctx, h, keys, hs) })
		bad("MultiSet", "values", func(ctx context.Context, tb TableConnector) error { return tb.MultiSet(ctx, h, hs, keys) })
		bad("MultiDel", "sortKeys", func(ctx context.Context, tb TableConnector) error { return tb.MultiDel(ctx, h, keys) })
	}
	bad("MultiSet", "values", func(ctx context.Context, tb TableConnector) error { return tb.MultiSet(ctx, h, hs, [][]byte{v, v}) })
	bad("MultiSet", "sortKeys[0]", func(ctx context.Context, tb TableConnector) error { return tb.MultiSet(ctx, h, [][]byte{nil}, hs) })
	bad("MultiSet", "values[0]", func(ctx context.Context, tb TableConnector) error { return tb.MultiSet(ctx, h, hs, [][]byte{nil}) })
	bad("MultiDel", "sortKeys[1]", func(ctx context.Context, tb TableConnector) error { return tb.MultiDel(ctx, h, [][]byte{s, nil}) })
	bad("DelRange", "options.SortKeyFilter.Type", func(ctx context.Context, tb TableConnector) error {
		return tb.DelRangeOpt(ctx, h, nil, nil, &DelRangeOptions{SortKeyFilter: Filter{Type: -1}})
	})
	bad("GetScanner", "options.HashKeyFilter.Type", func(ctx context.Context, tb TableConnector) error {
		_, err := tb.GetScanner(ctx, h, nil, nil, &ScannerOptions{HashKeyFilter: Filter{Type: 9}})
		return err
	})
	for _, n := range []int{0, -1, math.MinInt} {
		bad("GetUnorderedScanners", "maxSplitCount", func(ctx context.Context, tb TableConnector) error {
			_, err := tb.GetUnorderedScanners(ctx, n, nil)
			return err
		})
	}
	bad("GetUnorderedScanners", "options.SortKeyFilter.Type", func(ctx context.Context, tb TableConnector) error {
		_, err := tb.GetUnorderedScanners(ctx, 1, &ScannerOptions{SortKeyFilter: Filter{Type: 9}})
		return err
	})
	tooLarge := uint32(math.MaxInt32 + 1) // negative where an int has 32 bits
	for _, check := range []CheckType{-1, 18, CheckType(tooLarge)} {
		bad("CheckAndSet", "checkType", func(ctx context.Context, tb TableConnector) error {
			_, err := tb.CheckAndSet(ctx, h, s, check, nil, s, v, nil)
			return err
		})
	}
	for _, ttl := range []int{-1, math.MinInt, math.MaxInt32, math.MaxInt} {
		bad("CheckAndSet", "options.SetValueTTLSeconds", func(ctx context.Context, tb TableConnector) error {
			_, err := tb.CheckAndSet(ctx, h, s, CheckTypeNoCheck, nil, s, v, &CheckAndSetOptions{SetValueTTLSeconds: ttl})
			return err
		})
	}
	for _, sortKey := range [][]byte{nil, empty} {
		bad("Incr", "sortKey", func(ctx context.Context, tb TableConnector) error { _, err := tb.Incr(ctx, h, sortKey, 1); return err })
	}
	for _, keys := range [][]CompositeKey{nil, {}} {
		bad("BatchGet", "keys", func(ctx context.Context, tb TableConnector) error { _, err := tb.BatchGet(ctx, keys); return err })
	}
	bad("BatchGet", "keys[1].SortKey", func(ctx context.Context, tb TableConnector) error {
		_, err := tb.BatchGet(ctx, []CompositeKey{{h, s}, {h, nil}})
		return err
	})

	// Lengths on the wire have 32 bits. (These bytes are never touched.)
	huge := make([]byte, maxPart+1)
	bad("Set", "value", func(ctx context.Context, tb TableConnector) error { return tb.Set(ctx, h, s, huge) })
	bad("MultiGetRange", "stopSortKey", func(ctx context.Context, tb TableConnector) error {
		_, _, err := tb.MultiGetRange(ctx, h, s, huge)
		return err
	})
	for i, name := range []string{"checkSortKey", "checkOperand", "setSortKey", "setValue"} {
		args := [4][]byte{s, s, s, s}
		args[i] = huge
		bad("CheckAndSet", name, func(ctx context.Context, tb TableConnector) error {
			_, err := tb.CheckAndSet(ctx, h, args[0], CheckTypeNoCheck, args[1], args[2], args[3], nil)
			return err
		})
	}
	part := huge[:50<<20]
	bad("MultiDel", "sortKeys", func(ctx context.Context, tb TableConnector) error {
		return tb.MultiDel(ctx, h, slices.Repeat([][]byte{part}, 50))
	})
	bad("BatchGet", "keys", func(ctx context.Context, tb TableConnector) error {
		_, err := tb.BatchGet(ctx, slices.Repeat([]CompositeKey{{h, part}}, 50))
		return err
	})

	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))) // so that a TTL can be too long
		for op, all := range calls {
			for i, b := range all {
				err := b.call(t.Context(), tb)
				chain(t, err, ErrInvalidArgument)
				var ae *ArgumentError
				var pe *PError
				if !errors.As(err, &ae) || !errors.As(err, &pe) {
					t.Errorf("%s %d: error %v", op, i, err)
					continue
				}
				// BatchGet names fields of its keys with capitals, or as the others do.
				if !strings.EqualFold(ae.Name, b.name) || pe.Op != op || pe.Table != "temp" || pe.Attempts != 0 || ae.Reason == "" {
					t.Errorf("%s %s: error %v (%+v)", op, b.name, err, pe)
				}
			}
		}
		if n := len(c.Requests()) - c.Queries(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
}

// The longest hash key goes through every method; nil options, nil bounds and
// empty sort keys and values are fine.
func TestUnusualArguments(t *testing.T) {
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskTTL, peer.Result(wire.TTLResponse{TTLSeconds: -1}))
		c.On(wire.TaskRemove, peer.Result(wire.UpdateResponse{}))
		c.On(wire.TaskMultiGet, peer.Result(wire.MultiGetResponse{}))
		c.On(wire.TaskMultiPut, peer.Result(wire.UpdateResponse{}))
		c.On(wire.TaskMultiRemove, peer.Result(wire.MultiRemoveResponse{}))
		c.On(wire.TaskCheckAndSet, peer.Result(wire.CheckResponse{}))
		c.On(wire.TaskSortKeyCount, peer.Result(wire.CountResponse{}))
		serveScans(c, 4, nil)
		ctx := t.Context()
		empty := []byte{}
		for _, h := range [][]byte{{0}, {0xff}, bytes.Repeat([]byte{0xff}, MaxHashKeyLength)} {
			_, err := tb.Get(ctx, h, empty)
			must(t, "Get", err)
			must(t, "Set", tb.Set(ctx, h, empty, empty))
			must(t, "SetTTL", tb.SetTTL(ctx, h, empty, empty, 0))
			must(t, "Del", tb.Del(ctx, h, empty))
			_, err = tb.TTL(ctx, h, empty)
			must(t, "TTL", err)
			_, err = tb.Exist(ctx, h, empty)
			must(t, "Exist", err)
			_, _, err = tb.MultiGet(ctx, h, nil)
			must(t, "MultiGet", err)
			_, _, err = tb.MultiGetOpt(ctx, h, [][]byte{empty}, nil)
			must(t, "MultiGetOpt", err)
			_, _, err = tb.MultiGetRangeOpt(ctx, h, nil, nil, &MultiGetOptions{MaxFetchCount: math.MaxInt, MaxFetchSize: math.MinInt})
			must(t, "MultiGetRangeOpt", err)
			must(t, "MultiSet", tb.MultiSet(ctx, h, [][]byte{empty}, [][]byte{empty}))
			must(t, "MultiDel", tb.MultiDel(ctx, h, [][]byte{empty}))
			must(t, "DelRangeOpt", tb.DelRangeOpt(ctx, h, nil, nil, nil))
			_, err = tb.CheckAndSet(ctx, h, nil, CheckTypeIntGreater, nil, nil, nil, nil)
			must(t, "CheckAndSet", err)
			_, err = tb.SortKeyCount(ctx, h)
			must(t, "SortKeyCount", err)
			_, err = tb.Incr(ctx, h, []byte("s"), math.MinInt64)
			must(t, "Incr", err)
			s, err := tb.GetScanner(ctx, h, nil, nil, nil)
			must(t, "GetScanner", err)
			collect(t, s, nil)
		}
		all, err := tb.GetUnorderedScanners(ctx, math.MaxInt, nil)
		if err != nil || len(all) != 4 {
			t.Errorf("%d scanners, %v", len(all), err)
		}
	})
}

func must(t *testing.T, op string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", op, err)
	}
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"MetaServers":      {},
		"MetaServers[0]":   {MetaServers: []string{""}},
		"MetaServers[1]":   {MetaServers: []string{"127.0.0.1:34601", "127.0.0.1"}},
		"MetaServers[2]":   {MetaServers: []string{"a:1", "[::1]:2", ":34601"}},
		"MetaServers[0] ":  {MetaServers: []string{"host:port"}},
		"MetaServers[0]  ": {MetaServers: []string{"host:70000"}},
		" MetaServers[0]":  {MetaServers: []string{"::1:34601"}},
		"OperationTimeout": {MetaServers: []string{"a:1"}, OperationTimeout: -1},
		"DialTimeout":      {MetaServers: []string{"a:1"}, DialTimeout: -1},
	} {
		c, err := New(cfg)
		var ae *ArgumentError
		if c != nil || !errors.Is(err, ErrInvalidArgument) || !errors.As(err, &ae) || ae.Name != strings.TrimSpace(name) {
			t.Errorf("%s: error %v", name, err)
		}
		func() {
			defer func() {
				if r := recover(); fmt.Sprint(r) != err.Error() {
					t.Errorf("NewClient panics with %v, want %v", r, err)
				}
			}()
			NewClient(cfg)
		}()
	}
}

func TestOpenTableFailures(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ TableConnector) {
		cl := newClient(t, c)
		start := time.Now()
		_, err := cl.OpenTable(t.Context(), "")
		chain(t, err, ErrInvalidArgument)
		_, err = cl.OpenTable(t.Context(), "nobody knows it")
		chain(t, err, ErrTableNotFound, ErrObjectNotFound)
		if pe := asPError(t, err); pe.Op != "OpenTable" || pe.Table != "nobody knows it" || pe.Attempts != 1 {
			t.Errorf("error %+v", pe)
		}
		for _, code := range []ErrorCode{ErrACLDeny, ErrBusyDropping, "ERR_FROM_THE_FUTURE"} {
			c.On(wire.TaskQueryConfig, peer.Result(wire.Of(&wire.QueryConfigResponse{Err: wire.ErrorCode(code)})))
			_, err = cl.OpenTable(t.Context(), "temp")
			chain(t, err, code)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the failures took %v", d)
		}
		for _, code := range []ErrorCode{ErrBusyCreating, ErrServiceNotActive, ErrUnderRecovery, ErrForwardToOthers} {
			c.On(wire.TaskQueryConfig, peer.Result(wire.Of(&wire.QueryConfigResponse{Err: wire.ErrorCode(code)})))
			_, err = cl.OpenTable(within(t, time.Second), "temp")
			chain(t, err, code, context.DeadlineExceeded)
		}
		c.On(wire.TaskQueryConfig, peer.Each(peer.Result(wire.Of(&wire.QueryConfigResponse{Err: wire.ErrServiceNotActive})), c.AnswerQuery))
		_, err = cl.OpenTable(t.Context(), "temp")
		must(t, "OpenTable of a meta server that is starting", err)
	})
}

// No meta server can be reached, in every way that this may happen: a typed
// error by the deadline that names those tried.
func TestNoMetaReachable(t *testing.T) {
	block := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	mute := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		return near, nil
	}
	closing := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		far.Close()
		return near, nil
	}
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"packets vanish": block, "connections are refused": refuse, "no answers": mute, "connections are closed": closing,
	} {
		for _, timeout := range []time.Duration{100 * time.Millisecond, 20 * time.Second, 0} {
			t.Run(fmt.Sprint(name, " ", timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cl := NewClient(Config{MetaServers: []string{"10.0.0.1:34601", "10.0.0.2:34601"}, Dial: dial})
					defer cl.Close()
					ctx, want := t.Context(), defaultOperationTimeout
					if timeout > 0 {
						ctx, want = within(t, timeout), timeout
					}
					start := time.Now()
					_, err := cl.OpenTable(ctx, "temp")
					if d := time.Since(start); d != want {
						t.Errorf("gave up after %v, want %v", d, want)
					}
					chain(t, err, ErrNoMeta, context.DeadlineExceeded)
					if name == "connections are refused" {
						chain(t, err, syscall.ECONNREFUSED)
					}
					for _, addr := range []string{"10.0.0.1:34601", "10.0.0.2:34601"} {
						if !strings.Contains(err.Error(), addr) {
							t.Errorf("%s is not in %v", addr, err)
						}
					}
				})
			})
		}
	}
}

// The configured address is that of something else. Over real sockets.
func TestMetaIsNotPegasus(t *testing.T) {
	listen := func(serve func(nc net.Conn)) func(t *testing.T) string {
		return func(t *testing.T) string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() {
						defer nc.Close()
						nc.Read(make([]byte, 1000))
						serve(nc)
					})
				}
			})
			t.Cleanup(func() { l.Close(); wg.Wait() })
			return l.Addr().String()
		}
	}
	for name, tc := range map[string]struct {
		start func(t *testing.T) string
		want  []error
		text  string
	}{
		"HTTP": {listen(func(nc net.Conn) { io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }), []error{ErrMalformed}, "speaks HTTP"},
		"an HTTP server that waits for the end of a line": {func(t *testing.T) string {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return s.Listener.Addr().String()
		}, []error{ErrMalformed}, "speaks HTTP"},
		"closes":  {listen(func(net.Conn) {}), []error{io.ErrUnexpectedEOF, context.DeadlineExceeded}, ""},
		"garbage": {listen(func(nc net.Conn) { io.WriteString(nc, "SSH-2.0-OpenSSH_9.2p1\r\n") }), []error{ErrMalformed}, ""},
		"enormous length": {listen(func(nc net.Conn) {
			nc.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
			nc.Read(make([]byte, 1))
		}), []error{ErrMalformed}, "4294967295 bytes"},
		"half a frame": {listen(func(nc net.Conn) { nc.Write([]byte{0, 0, 0, 100, 0, 0}) }), []error{io.ErrUnexpectedEOF, context.DeadlineExceeded}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			addr := tc.start(t)
			cl := NewClient(Config{MetaServers: []string{addr}})
			defer cl.Close()
			_, err := cl.OpenTable(within(t, 300*time.Millisecond), "temp")
			chain(t, err, append(tc.want, ErrNoMeta)...)
			if !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), addr) {
				t.Errorf("error %v, want %q and %s", err, tc.text, addr)
			}
		})
	}
}

// One meta server is something else, the other comes up: that is worth waiting
// for.
func TestOneMetaIsNotPegasus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		other := peer.Serve(t, c.Net.Listen, "10.0.0.9:34601", func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request")) })
		c.Meta.Stop()
		time.AfterFunc(time.Second, func() { c.Meta.Start(t) })
		cl := NewClient(Config{MetaServers: []string{other.Addr(), peer.MetaAddr}, Dial: c.Net.Dial})
		defer cl.Close()
		_, err := cl.OpenTable(t.Context(), "temp")
		must(t, "OpenTable", err)
	})
}

func TestUseAfterClose(t *testing.T) {
	use := func(t *testing.T, tb TableConnector, s Scanner) {
		t.Helper()
		ctx := context.Background()
		h, k := []byte("h"), [][]byte{[]byte("s")}
		var errs []error
		add := func(_ any, err error) { errs = append(errs, err) }
		add(tb.Get(ctx, h, h))
		add(nil, tb.Set(ctx, h, h, h))
		add(nil, tb.Del(ctx, h, h))
		add(tb.TTL(ctx, h, h))
		add(tb.Exist(ctx, h, h))
		add(tb.Incr(ctx, h, h, 1))
		add(tb.SortKeyCount(ctx, h))
		add(nil, tb.MultiSet(ctx, h, k, k))
		add(nil, tb.MultiDel(ctx, h, k))
		add(nil, tb.DelRange(ctx, h, nil, nil))
		add(tb.CheckAndSet(ctx, h, h, CheckTypeNoCheck, nil, h, h, nil))
		add(tb.BatchGet(ctx, []CompositeKey{{h, h}, {[]byte("i"), h}}))
		add(tb.GetScanner(ctx, h, nil, nil, nil))
		add(tb.GetUnorderedScanners(ctx, 1, nil))
		_, _, err := tb.MultiGet(ctx, h, k)
		errs = append(errs, err)
		_, _, err = tb.MultiGetRange(ctx, h, nil, nil)
		errs = append(errs, err)
		_, _, _, _, err = s.Next(ctx)
		errs = append(errs, err)
		for i, err := range errs {
			chain(t, err, ErrClosed)
			if pe := asPError(t, err); pe.Op == "" || pe.Table != "temp" {
				t.Errorf("call %d: %+v", i, pe)
			}
		}
		must(t, "closing a scanner late", s.Close())
	}
	bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, _ TableConnector) {
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		must(t, "OpenTable", err)
		start := time.Now()
		s := hashScan(t, tb, "h", 0)
		must(t, "closing the table", tb.Close())
		must(t, "closing it twice", tb.Close())
		use(t, tb, s)
		again, err := cl.OpenTable(t.Context(), "temp")
		must(t, "opening it anew", err)
		if again == tb {
			t.Error("a closed table was opened")
		}
		other, err := cl.OpenTable(t.Context(), "temp")
		must(t, "opening it again", err)
		must(t, "closing one of two", other.Close())
		_, err = again.Get(t.Context(), []byte("h"), []byte{})
		must(t, "Get", err)
		s = hashScan(t, again, "h", 0)
		must(t, "closing the client", cl.Close())
		must(t, "closing it twice", cl.Close())
		use(t, again, s)
		for _, name := range []string{"temp", "other"} {
			_, err = cl.OpenTable(t.Context(), name)
			chain(t, err, ErrClosed)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("all that took %v", d)
		}
	})
}

// Close while calls, opens, scans and retries are under way.
func TestCloseDuringLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 4)
		c.On(wire.TaskGet, peer.Silence)
		c.On(wire.TaskPut, peer.Code(wire.ErrBusy))
		c.On(wire.TaskGetScanner, peer.Silence)
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		must(t, "OpenTable", err)
		c.On(wire.TaskQueryConfig, peer.Silence)
		errs := make(chan error, 100)
		for i := range 10 {
			go func() { _, err := tb.Get(context.Background(), key(4, i%4), []byte{}); errs <- err }()
			go func() { errs <- tb.Set(context.Background(), key(4, i%4), []byte{}, []byte{}) }()
			go func() { _, err := cl.OpenTable(context.Background(), "other"); errs <- err }()
			s := hashScan(t, tb, "h", 0)
			go func() { _, _, _, _, err := s.Next(context.Background()); errs <- err }()
		}
		time.Sleep(time.Second / 2)
		start := time.Now()
		must(t, "Close", cl.Close())
		for range 40 {
			chain(t, <-errs, ErrClosed)
		}
		if d := time.Since(start); d > defaultPolicy.MaxPause {
			t.Errorf("closing took %v", d)
		}
	})
}

// A table that takes long to open holds up neither another one nor Close.
func TestSlowOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		c.On(wire.TaskQueryConfig, func(r *peer.Request) {
			var q wire.QueryConfigRequest
			arg := r.Arg
			wire.Of(&q).Read(&arg)
			if q.AppName == "temp" {
				c.AnswerQuery(r)
			}
		})
		cl := newClient(t, c)
		slow := make(chan error)
		go func() {
			_, err := cl.OpenTable(context.Background(), "slow")
			slow <- err
		}()
		synctest.Wait()
		start := time.Now()
		_, err := cl.OpenTable(t.Context(), "temp")
		must(t, "another table", err)
		_, err = cl.OpenTable(t.Context(), "temp")
		must(t, "a table that is open", err)
		must(t, "Close", cl.Close())
		chain(t, <-slow, ErrClosed)
		if d := time.Since(start); d > defaultPolicy.MaxPause {
			t.Errorf("that took %v", d)
		}
	})
}

// A TTL is rounded up to seconds, and is an absolute time on the wire.
func TestTTLOnTheWire(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		var sent []int32
		c.On(wire.TaskPut, func(r *peer.Request) {
			sent = append(sent, peer.Arg[wire.UpdateRequest](r).ExpireTS)
			r.Reply(wire.UpdateResponse{})
		})
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
		now := int32(time.Now().Unix() - 1451606400)
		for _, ttl := range []time.Duration{0, time.Millisecond, time.Second, time.Second + 1, time.Hour} {
			must(t, "SetTTL", tb.SetTTL(t.Context(), []byte("h"), []byte{}, []byte{}, ttl))
		}
		if want := []int32{0, now + 1, now + 1, now + 2, now + 3600}; !slices.Equal(sent, want) {
			t.Errorf("sent %d, want %d", sent, want)
		}
		last := time.Duration(math.MaxInt32-now) * time.Second
		must(t, "the longest ttl", tb.SetTTL(t.Context(), []byte("h"), []byte{}, []byte{}, last))
		chain(t, tb.SetTTL(t.Context(), []byte("h"), []byte{}, []byte{}, last+1), ErrInvalidArgument)
		chain(t, tb.SetTTL(t.Context(), []byte("h"), []byte{}, []byte{}, 70*365*24*time.Hour), ErrInvalidArgument)
	})
}
