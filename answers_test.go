package pegasus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// An existing empty value is not nil, whatever form the answer has.
func TestGetAnswers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		for _, tc := range []struct {
			answer wire.ReadResponse
			want   []byte
		}{
			{wire.ReadResponse{Value: []byte("v")}, []byte("v")},
			{wire.ReadResponse{Value: []byte{}}, []byte{}},
			{wire.ReadResponse{Error: wire.StatusNotFound}, nil},
			{wire.ReadResponse{Error: wire.StatusNotFound, Value: []byte("v")}, nil},
		} {
			c.On(wire.TaskGet, peer.Result(tc.answer))
			got, err := tb.Get(t.Context(), []byte("h"), []byte("s"))
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%+v: %v, %v", tc.answer, got, err)
			}
		}
		// The value was left out: the field is in the answer of every server,
		// but no field has to be.
		c.On(wire.TaskGet, peer.Result(wire.CountResponse{}))
		if got, err := tb.Get(t.Context(), []byte("h"), []byte("s")); got == nil || len(got) != 0 || err != nil {
			t.Errorf("without a value: %v, %v", got, err)
		}
	})
}

func TestTTLAnswers(t *testing.T) {
	const after2084 = min(int64(1<<32-1000), math.MaxInt) // an int may have 32 bits
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		for _, tc := range []struct {
			answer wire.TTLResponse
			want   int
		}{
			{wire.TTLResponse{TTLSeconds: 5}, 5},
			{wire.TTLResponse{TTLSeconds: -1}, -1},
			{wire.TTLResponse{Error: wire.StatusNotFound}, -2},
			{wire.TTLResponse{TTLSeconds: -1000}, int(after2084)},
		} {
			c.On(wire.TaskTTL, peer.Result(tc.answer))
			got, err := tb.TTL(t.Context(), []byte("h"), []byte("s"))
			there, eerr := tb.Exist(t.Context(), []byte("h"), []byte("s"))
			if err != nil || eerr != nil || got != tc.want || there != (tc.want != -2) {
				t.Errorf("%+v: %d, %v, exists %v, %v", tc.answer, got, err, there, eerr)
			}
		}
	})
}

// The server gave up counting: that is no number.
func TestSortKeyCountUnknown(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskSortKeyCount, peer.Result(wire.CountResponse{Count: -1}))
		_, err := tb.SortKeyCount(t.Context(), []byte("h"))
		chain(t, err, ErrCountUnknown)
		if pe := asPError(t, err); pe.Attempts != 1 || pe.Op != "SortKeyCount" {
			t.Errorf("error %+v", pe)
		}
	})
}

// A limit stopped the server: what it found is a result, and the bool says that
// there is more. The order is that of the sort keys, whatever the server's.
func TestMultiGetAnswers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskMultiGet, peer.Result(wire.MultiGetResponse{
			Error: wire.StatusIncomplete,
			KVs:   []wire.KeyValue{{Key: []byte("b"), Value: []byte("2")}, {Key: []byte("a"), Value: []byte{}}},
		}))
		kvs, all, err := tb.MultiGet(t.Context(), []byte("h"), [][]byte{[]byte("b"), []byte("a")})
		if err != nil || all || len(kvs) != 2 || string(kvs[0].SortKey) != "a" || kvs[0].Value == nil || string(kvs[1].Value) != "2" {
			t.Errorf("%v, %v, %v", kvs, all, err)
		}
		c.On(wire.TaskMultiGet, peer.Result(wire.MultiGetResponse{}))
		if kvs, all, err := tb.MultiGet(t.Context(), []byte("h"), nil); kvs != nil || !all || err != nil {
			t.Errorf("none: %v, %v, %v", kvs, all, err)
		}
		c.On(wire.TaskMultiGet, peer.Result(wire.MultiGetResponse{Error: wire.StatusInvalidArgument}))
		_, _, err = tb.MultiGet(t.Context(), []byte("h"), nil)
		chain(t, err, StorageInvalidArgument)
	})
}

// A check that did not pass is a result. A bad request is an error, although
// its answer looks much the same.
func TestCheckAndSetAnswers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		var sent wire.CheckAndSetRequest
		call := func(answer wire.CheckResponse, setSortKey string) (*CheckAndSetResult, error) {
			c.On(wire.TaskCheckAndSet, func(r *peer.Request) {
				sent = peer.Arg[wire.CheckAndSetRequest](r)
				r.Reply(answer)
			})
			return tb.CheckAndSet(t.Context(), []byte("h"), []byte("s"), CheckTypeIntGreater, []byte("1"), []byte(setSortKey), []byte("v"), &CheckAndSetOptions{ReturnCheckValue: true})
		}
		for _, tc := range []struct {
			answer wire.CheckResponse
			want   CheckAndSetResult
		}{
			{wire.CheckResponse{}, CheckAndSetResult{SetSucceed: true}},
			{wire.CheckResponse{Error: wire.StatusTryAgain, CheckValueReturned: true}, CheckAndSetResult{CheckValueReturned: true}},
			{
				wire.CheckResponse{Error: wire.StatusTryAgain, CheckValueReturned: true, CheckValueExist: true, CheckValue: []byte{}},
				CheckAndSetResult{CheckValueReturned: true, CheckValueExist: true, CheckValue: []byte{}},
			},
			{
				wire.CheckResponse{CheckValueReturned: true, CheckValueExist: true, CheckValue: []byte("2")},
				CheckAndSetResult{SetSucceed: true, CheckValueReturned: true, CheckValueExist: true, CheckValue: []byte("2")},
			},
		} {
			got, err := call(tc.answer, "s")
			if err != nil || !reflect.DeepEqual(*got, tc.want) {
				t.Errorf("%+v: %+v, %v", tc.answer, got, err)
			}
		}
		if sent.SetDiffSortKey || sent.CheckType != 17 || !sent.ReturnCheckValue {
			t.Errorf("sent %+v", sent)
		}
		_, err := call(wire.CheckResponse{Error: wire.StatusInvalidArgument, CheckValueReturned: true, CheckValueExist: true}, "other")
		chain(t, err, StorageInvalidArgument)
		notInChain(t, err, ErrInDoubt)
		if !sent.SetDiffSortKey || string(sent.SetSortKey) != "other" {
			t.Errorf("sent %+v", sent)
		}
	})
}

// batchPeer answers batch_get with all keys but those that begin with "absent".
func batchPeer(r *peer.Request) {
	var data []wire.FullData
	for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
		if string(k.HashKey[:1]) != "a" {
			data = append(data, wire.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: k.HashKey})
		}
	}
	r.Reply(wire.BatchGetResponse{Data: data})
}

func batchKeys(hashKeys ...string) []CompositeKey {
	var keys []CompositeKey
	for _, h := range hashKeys {
		keys = append(keys, CompositeKey{HashKey: []byte(h), SortKey: []byte("s")})
	}
	return keys
}

func TestBatchGet(t *testing.T) {
	bubble(t, 2, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskBatchGet, batchPeer)
		c.On(wire.TaskGet, func(r *peer.Request) {
			arg := r.Arg
			if k := arg.Blob()[2:]; k[0] != 'a' {
				r.Reply(wire.ReadResponse{Value: k[:len(k)-1]})
				return
			}
			r.Reply(wire.ReadResponse{Error: wire.StatusNotFound})
		})
		hashKeys := []string{"b", "absent", "c", "d", "b", "absent too", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"}
		check := func(name string) {
			t.Helper()
			values, err := tb.BatchGet(t.Context(), batchKeys(hashKeys...))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i, h := range hashKeys {
				if want := h; (h[0] == 'a') != (values[i] == nil) || h[0] != 'a' && string(values[i]) != want {
					t.Errorf("%s: %s has the value %q", name, h, values[i])
				}
			}
		}
		check("batch_get")
		if n := len(c.Requests(wire.TaskBatchGet, wire.TaskGet)); n > 8 {
			t.Errorf("%d requests for 16 keys of 4 partitions", n)
		}

		// Servers before 2.4 do not know it; the client remembers that.
		c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
		check("get")
		n := len(c.Requests(wire.TaskBatchGet))
		check("get, at once")
		if m := len(c.Requests(wire.TaskBatchGet)); m != n {
			t.Errorf("batch_get was tried %d times more", m-n)
		}
	})
}

// Some keys fail: the others have their values, and the error has the causes.
// The table was split more than once since the client looked: no key counts as
// absent because it has moved.
func TestBatchGetAfterSplits(t *testing.T) {
	for _, count := range []uint64{4, 8, 16, 64} {
		t.Run(strconv.FormatUint(count, 10), func(t *testing.T) {
			bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				moved := func(r *peer.Request, hash uint64) bool { return hash%count != uint64(r.PartitionIndex) }
				c.On(wire.TaskBatchGet, func(r *peer.Request) {
					if moved(r, r.PartitionHash) {
						r.Fail(wire.ErrParentMisused)
						return
					}
					var data []wire.FullData
					for _, k := range peer.Arg[wire.BatchGetRequest](r).Keys {
						if !moved(r, keyTarget(k.HashKey).hash) {
							data = append(data, wire.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: k.HashKey})
						}
					}
					r.Reply(wire.BatchGetResponse{Data: data})
				})
				c.On(wire.TaskGet, func(r *peer.Request) {
					if moved(r, r.PartitionHash) {
						r.Fail(wire.ErrParentMisused)
						return
					}
					r.Reply(wire.ReadResponse{Value: []byte("moved")})
				})
				c.Update(func(tb *peer.Table) {
					for uint64(len(tb.Partitions)) < count {
						tb.Partitions = append(tb.Partitions, peer.Partition{Ballot: 3, Primary: c.Nodes[0].Addr()})
					}
				})
				var keys []CompositeKey
				for i := range 200 {
					keys = append(keys, CompositeKey{HashKey: fmt.Appendf(nil, "hash%d", i), SortKey: []byte{}})
				}
				for round := range 2 {
					values, err := tb.BatchGet(t.Context(), keys)
					if err != nil {
						t.Fatal(err)
					}
					for i, v := range values {
						if v == nil {
							t.Errorf("round %d: %s is absent", round, keys[i].HashKey)
						}
					}
				}
				if n := len(c.Requests(wire.TaskBatchGet)); n > 4+2*int(count) {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

func TestBatchGetFailsInParts(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("server knows batch_get=%v", !old), func(t *testing.T) {
			bubble(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				var keys []CompositeKey
				for i := range 4 {
					keys = append(keys, CompositeKey{HashKey: key(4, i), SortKey: []byte("1")}, CompositeKey{HashKey: key(4, i), SortKey: []byte("2")})
				}
				unless := func(h peer.Handler) peer.Handler {
					return func(r *peer.Request) {
						if r.PartitionIndex == 2 {
							r.Fail(wire.ErrACLDeny)
							return
						}
						h(r)
					}
				}
				c.On(wire.TaskGet, unless(peer.Result(wire.ReadResponse{Value: []byte("k")})))
				if !old {
					c.On(wire.TaskBatchGet, unless(batchPeer))
				}
				values, err := tb.BatchGet(t.Context(), keys)
				chain(t, err, ErrACLDeny)
				if op := asPError(t, err).Op; op != "BatchGet" {
					t.Errorf("operation %q", op)
				}
				for i, v := range values {
					if (v == nil) != (i/2 == 2) {
						t.Errorf("key %d: %q", i, v)
					}
				}
				_, err = tb.BatchGet(t.Context(), keys[4:6]) // of one partition
				chain(t, err, ErrACLDeny)
				asPError(t, err)
			})
		})
	}
}

// Records that were not asked for, or came in another order, are no answer.
func TestBatchGetOfOthers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		b := wire.FullData{HashKey: []byte("b"), SortKey: []byte("s")}
		x := wire.FullData{HashKey: []byte("x"), SortKey: []byte("s")}
		for _, data := range [][]wire.FullData{{x}, {b, b, b}, {b, x}} {
			c.On(wire.TaskBatchGet, peer.Result(wire.BatchGetResponse{Data: data}))
			c.On(wire.TaskGet, peer.Code(wire.ErrACLDeny))
			values, err := tb.BatchGet(t.Context(), batchKeys("b", "b"))
			chain(t, err, ErrMalformed)
			if values[0] != nil || values[1] != nil {
				t.Errorf("values of an answer that is none: %q", values)
			}
		}
	})
}

// What an answer begins with is worth nothing if it is bad further on.
func TestBatchGetThatEndsBadly(t *testing.T) {
	good := wire.BatchGetResponse{Data: []wire.FullData{{HashKey: []byte("b"), SortKey: []byte("s"), Value: []byte("v")}}}
	failed := good
	failed.Error = wire.StatusCorruption
	for name, tc := range map[string]struct {
		answer wire.Message
		want   error
	}{
		"malformed": {missing{good}, ErrMalformed},
		"failed":    {failed, StorageError(wire.StatusCorruption)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				c.On(wire.TaskBatchGet, peer.Result(tc.answer))
				values, err := tb.BatchGet(t.Context(), batchKeys("b", "c"))
				chain(t, err, tc.want)
				if values[0] != nil || values[1] != nil {
					t.Errorf("values of an answer that is none: %q", values)
				}
			})
		})
	}
}

// missing is an answer that lacks its last record.
type missing struct{ wire.BatchGetResponse }

func (m missing) AppendValue(dst []byte) []byte {
	count := len(dst) + 7 + 4 // behind the status and the head of the list
	dst = m.BatchGetResponse.AppendValue(dst)
	dst[count+3]++
	return dst
}

// A BatchGet has a bounded number of requests under way.
func TestBatchGetIsBounded(t *testing.T) {
	bubble(t, 1, 200, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGet, func(r *peer.Request) { time.AfterFunc(time.Second, func() { success(r) }) })
		var keys []CompositeKey
		for i := range 200 {
			keys = append(keys, CompositeKey{HashKey: key(200, i), SortKey: []byte("s")})
		}
		done := make(chan error)
		go func() {
			_, err := tb.BatchGet(t.Context(), keys)
			done <- err
		}()
		synctest.Wait()
		if n := len(c.Requests(wire.TaskGet)); n != batchGetParallel {
			t.Errorf("%d requests at a time", n)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestConfigJSON(t *testing.T) {
	var cfg Config
	text := `{"meta_servers": ["a:1", "b:2"], "operation_timeout": "1500ms", "dial_timeout": "2s"}`
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.MetaServers, []string{"a:1", "b:2"}) || cfg.OperationTimeout != 1500*time.Millisecond || cfg.DialTimeout != 2*time.Second {
		t.Errorf("decoded %+v", cfg)
	}
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var again Config
	if err := json.Unmarshal(b, &again); err != nil || again.OperationTimeout != cfg.OperationTimeout || again.DialTimeout != cfg.DialTimeout {
		t.Errorf("%s: %v", b, err)
	}
	if b, err := json.Marshal(Config{MetaServers: []string{"a:1"}}); string(b) != `{"meta_servers":["a:1"]}` {
		t.Errorf("encoded %s, %v", b, err)
	}
	// What the text does not mention stays.
	if err := json.Unmarshal([]byte(`{"meta_servers": ["c:3"]}`), &cfg); err != nil || cfg.DialTimeout != 2*time.Second {
		t.Errorf("decoded %+v, %v", cfg, err)
	}
	for _, bad := range []string{`{"operation_timeout": "soon"}`, `{"operation_timeout": {}}`, `{"meta_servers": "a:1"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(Config)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// Keys that have no effect are errors, with a hint for those of the official client. What
// else there is counts, for programs that do not look at the error.
func TestUnknownKeys(t *testing.T) {
	for text, want := range map[string][]string{
		`{"enable_prometheus": false, "meta_servers": ["a:1"]}`: {"enable_prometheus", "observe/prometheus"},
		`{"meta_server": ["a:1"], "meta_servers": ["a:1"]}`:     {"meta_server", "connections_per_server"},
		`{"x": 1, "y": 2, "meta_servers": ["a:1"]}`:             {"x is no key", "y is no key"},
		`{"meta_servers": ["a:1"], "retry": {"attempts": 3}}`:   {"attempts", "max_attempts"},
	} {
		var cfg Config
		err := json.Unmarshal([]byte(text), &cfg)
		var ae *ArgumentError
		if !errors.As(err, &ae) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", text, err, w)
			}
		}
		if len(cfg.MetaServers) != 1 {
			t.Errorf("%s: decoded %+v", text, cfg)
		}
	}
	// The lists of keys are those of the types.
	full := Config{
		MetaServers: []string{"a:1"}, OperationTimeout: 1, DialTimeout: 1, Retry: RetryPolicy{1, 1, 1}, RetryBudget: 1, ConnectionsPerServer: 1,
	}
	b, err := json.Marshal(full)
	if err == nil {
		err = json.Unmarshal(b, new(Config))
	}
	if err != nil {
		t.Errorf("%s: %v", b, err)
	}
	var keys []string
	for i := range reflect.TypeFor[Config]().NumField() {
		if name, _, _ := strings.Cut(reflect.TypeFor[Config]().Field(i).Tag.Get("json"), ","); name != "-" {
			keys = append(keys, name)
		}
	}
	if !slices.Equal(keys, configKeys) {
		t.Errorf("the keys are %v, known are %v", keys, configKeys)
	}
}

func TestErrorTexts(t *testing.T) {
	err := error(&PError{Op: "Get", Table: "temp", Partition: "2.5", Server: "10.0.0.1:34801", Attempts: 3, Err: ErrBusy})
	if got, want := err.Error(), `pegasus: Get table "temp" partition 2.5 at 10.0.0.1:34801 (3 attempts): ERR_BUSY`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	var code ErrorCode
	if !errors.As(err, &code) || code != ErrBusy {
		t.Errorf("code %v", code)
	}
	for e, want := range map[StorageError]string{
		StorageInvalidArgument: "storage: invalid argument (4)", 13: "storage: try again (13)", 101: "storage: status 101", -1: "storage: status -1",
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}
