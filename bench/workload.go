package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	pegasus "github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// keyCount is the number of hash keys that point operations spread over.
const keyCount = 10000

// rowCount is the number of sort keys of the hash keys with many.
const rowCount = 100

var hashKeys = func() [][]byte {
	keys := make([][]byte, keyCount)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "user_%08d", i)
	}
	return keys
}()

var sortKey = []byte("profile")

// rowKeys are the sort keys of the multi-row operations.
var rowKeys = func() [][]byte {
	keys := make([][]byte, rowCount)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "s%05d", i)
	}
	return keys
}()

// pick returns the index of a hash key; consecutive operations of all callers
// differ.
func pick(caller, n int) int { return (caller*7919 + n) % keyCount }

// tableWork returns the operation of a case, after loading what it reads. Gets
// go to all tables, by their keys, everything else to the first one.
func tableWork(ctx context.Context, c *testCase, tables []pegasus.TableConnector, load bool) (work, error) {
	t := tables[0]
	value := make([]byte, c.value)
	values := make([][]byte, rowCount)
	for i := range values {
		values[i] = value
	}
	if load {
		if err := loadTables(ctx, c, tables, value, values); err != nil {
			return nil, err
		}
	}
	switch c.op {
	case "get":
		return func(ctx context.Context, caller, n int) error {
			k := pick(caller, n)
			v, err := tables[k%len(tables)].Get(ctx, hashKeys[k], sortKey)
			if err == nil && len(v) != c.value {
				err = fmt.Errorf("value of %d bytes, want %d", len(v), c.value)
			}
			return err
		}, nil
	case "set":
		return func(ctx context.Context, caller, n int) error {
			return t.Set(ctx, hashKeys[pick(caller, n)], sortKey, value)
		}, nil
	case "multiget":
		return func(ctx context.Context, caller, n int) error {
			rows, _, err := t.MultiGetOpt(ctx, multiKey(c, caller, n), nil, &allRows)
			if err == nil && len(rows) != rowCount {
				err = fmt.Errorf("%d rows", len(rows))
			}
			return err
		}, nil
	case "multiset":
		return func(ctx context.Context, caller, n int) error {
			return t.MultiSet(ctx, multiKey(c, caller, n), rowKeys, values)
		}, nil
	case "incr":
		return func(ctx context.Context, caller, n int) error {
			_, err := t.Incr(ctx, hashKeys[pick(caller, n)], []byte("counter"), 1)
			return err
		}, nil
	case "batchget":
		return func(ctx context.Context, caller, n int) error {
			keys := make([]pegasus.CompositeKey, 100)
			for i := range keys {
				keys[i] = pegasus.CompositeKey{HashKey: hashKeys[pick(caller, n+i)], SortKey: sortKey}
			}
			_, err := t.BatchGet(ctx, keys)
			return err
		}, nil
	case "hashscan":
		return func(ctx context.Context, caller, n int) error {
			s, err := t.GetScanner(ctx, multiKey(c, caller, n), nil, nil, nil)
			if err != nil {
				return err
			}
			defer s.Close()
			rows, _, err := drain(ctx, s)
			if err == nil && rows != rowCount {
				err = fmt.Errorf("%d rows", rows)
			}
			return err
		}, nil
	}
	return nil, fmt.Errorf("unknown operation %q", c.op)
}

var allRows = pegasus.MultiGetOptions{StartInclusive: true}

// multiKey returns a hash key with rowCount rows of the case's value size.
func multiKey(c *testCase, caller, n int) []byte {
	return strconv.AppendInt(fmt.Appendf(nil, "multi_%d_", c.value), int64((caller+n)%16), 10)
}

func loadTables(ctx context.Context, c *testCase, tables []pegasus.TableConnector, value []byte, values [][]byte) error {
	switch c.op {
	case "get", "batchget":
		return parallel(64, keyCount, func(i int) error { return tables[i%len(tables)].Set(ctx, hashKeys[i], sortKey, value) })
	case "multiget", "hashscan":
		return parallel(16, 16, func(i int) error { return tables[0].MultiSet(ctx, multiKey(c, i, 0), rowKeys, values) })
	}
	return nil
}

// parallel calls f with 0 … n-1 from a number of goroutines.
func parallel(goroutines, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < n; i += goroutines {
				if errs[g] = f(i); errs[g] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drain counts the rows and bytes that are left in s.
func drain(ctx context.Context, s pegasus.Scanner) (rows int, bytes int64, err error) {
	for {
		done, h, k, v, err := s.Next(ctx)
		if done || err != nil {
			return rows, bytes, err
		}
		rows++
		bytes += int64(len(h) + len(k) + len(v))
	}
}

func openTable(ctx context.Context, meta, name string) (pegasus.TableConnector, func(), error) {
	tables, stop, err := openTables(ctx, meta, []string{name})
	if err != nil {
		return nil, nil, err
	}
	return tables[0], stop, nil
}

// openTables opens tables with a client of their own, which the returned
// function closes.
func openTables(ctx context.Context, meta string, names []string, observers ...pegasus.Observer) ([]pegasus.TableConnector, func(), error) {
	client, err := pegasus.New(pegasus.Config{MetaServers: []string{meta}, OperationTimeout: 5 * time.Second, Observers: observers})
	if err != nil {
		return nil, nil, err
	}
	var tables []pegasus.TableConnector
	for _, name := range names {
		t, err := client.OpenTable(ctx, name)
		if err != nil {
			client.Close()
			return nil, nil, err
		}
		tables = append(tables, t)
	}
	return tables, func() { client.Close() }, nil
}

// redisWork is the case's operation on redis, through rueidis, which pipelines
// the callers' commands over its connections by itself.
func redisWork(ctx context.Context, c *testCase, addr string) (work, func(), error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		return nil, nil, err
	}
	value := string(make([]byte, c.value))
	keys := make([]string, keyCount)
	for i := range keys {
		keys[i] = string(hashKeys[i])
	}
	key := func(caller, n int) string { return keys[pick(caller, n)] }
	set := func(ctx context.Context, caller, n int) error {
		return client.Do(ctx, client.B().Set().Key(key(caller, n)).Value(value).Build()).Error()
	}
	if c.op == "set" {
		return set, client.Close, nil
	}
	if err := parallel(64, keyCount, func(i int) error { return set(ctx, 0, i) }); err != nil {
		client.Close()
		return nil, nil, err
	}
	return func(ctx context.Context, caller, n int) error {
		_, err := client.Do(ctx, client.B().Get().Key(key(caller, n)).Build()).ToString()
		return err
	}, client.Close, nil
}

// frameSizes returns the sizes of the request and the reply of a case, for
// the variants that do not speak the protocol.
func (c *testCase) frameSizes() (request, reply int) {
	key := wire.Key{HashKey: hashKeys[0], SortKey: sortKey}
	q := wire.Request{Seq: 1}
	source := wire.Source{GPID: wire.GPID{AppID: 1}, Server: []byte("127.0.0.1:34801")}
	value := make([]byte, c.value)
	switch c.op {
	case "get":
		return len(wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskGet, 1, key)),
			len(wire.AppendReply(nil, &q, wire.TaskGet+wire.AckSuffix, wire.ReadResponse{Value: value, Source: source}))
	case "set":
		return len(wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskPut, 1, wire.UpdateRequest{Key: key, Value: value})),
			len(wire.AppendReply(nil, &q, wire.TaskPut+wire.AckSuffix, wire.UpdateResponse{Source: source}))
	}
	return 0, 0
}
