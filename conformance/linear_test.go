package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	linearHistories = 8
	linearClients   = 6
	linearRPCs      = 60 // of each client in one history
	linearPatience  = 30 * time.Second
)

// linearCall is what porcupine calls an input: a request to one hash key.
type linearCall struct {
	hashKey string
	code    string
	arg     any
}

// linearModel says which answers a hash key may give, one call after another.
var linearModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byHashKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			h := op.Input.(linearCall).hashKey
			byHashKey[h] = append(byHashKey[h], op)
		}
		var parts [][]porcupine.Operation
		for _, ops := range byHashKey {
			parts = append(parts, ops)
		}
		return parts
	},
	Init: func() any { return reference{} },
	Step: func(state, input, output any) (bool, any) {
		call := input.(linearCall)
		next := state.(reference).clone()
		want := next.answer(moment{now: 1}, call.code, call.arg)
		return firstDifference(want, output.(Struct)) == "", next
	},
	Equal: func(a, b any) bool { return maps.Equal(a.(reference), b.(reference)) },
	DescribeOperation: func(input, output any) string {
		call := input.(linearCall)
		return fmt.Sprintf("%s %s -> %s", call.code, show(call.arg), show(output))
	},
}

// TestLinearizable lets several connections write and read the same few hash keys at once: the answers must be explained
// by some order of the calls that respects real time, multi_put, multi_remove, incr and check_and_* being atomic.
func TestLinearizable(t *testing.T) {
	target := startTarget(t)
	_, tbl := ownTable(t, target, runPrefix()+"linear")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for h := range linearHistories {
		history := recordHistory(t, target, tbl, rand.New(rand.NewPCG(seed, uint64(h))), h)
		if len(history) != linearClients*linearRPCs {
			t.Fatalf("history %d has %d calls", h, len(history))
		}
		result, info := porcupine.CheckOperationsVerbose(linearModel, history, linearPatience)
		if result != porcupine.Ok {
			file, err := os.CreateTemp("", "history-*.html")
			if err == nil {
				err = errors.Join(porcupine.Visualize(linearModel, info, file), file.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Fatalf("history %d is %s; it is drawn in %s", h, result, file.Name())
		}
	}
	t.Logf("%d histories of %d calls", linearHistories, linearClients*linearRPCs)
}

// recordHistory runs concurrent clients on hash keys of their own history.
func recordHistory(t *testing.T, target Target, tbl *table, seeds *rand.Rand, number int) []porcupine.Operation {
	t.Helper()
	start := time.Now()
	histories := make([][]porcupine.Operation, linearClients)
	var running sync.WaitGroup
	for id := range linearClients {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
		running.Go(func() {
			c, err := openCluster(t.Context(), target)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.close()
			for range linearRPCs {
				call := drawCall(rng, number)
				q := tbl.header(call.code, tbl.partitionOf(keyHash([]byte(call.hashKey), nil)))
				q.PartitionHash, q.Arg = keyHash([]byte(call.hashKey), nil), call.arg
				op := porcupine.Operation{ClientId: id, Input: call, Call: time.Since(start).Nanoseconds()}
				resp, err := c.call(t.Context(), tbl.node(q.PartitionIndex), q)
				if err != nil || resp.Error != "ERR_OK" {
					t.Errorf("%s: %v %v", call.code, resp, err)
					return
				}
				op.Output, op.Return = resp.Result.(Struct), time.Since(start).Nanoseconds()
				histories[id] = append(histories[id], op)
			}
		})
	}
	running.Wait()
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	return all
}

// drawCall draws a request to one of two hash keys with three sort keys.
func drawCall(rng *rand.Rand, history int) linearCall {
	h := []byte(fmt.Sprintf("h%d-%d", history, rng.IntN(2)))
	sortKey := func() []byte { return []byte{byte('a' + rng.IntN(3))} }
	value := func() []byte { return fmt.Appendf(nil, "%d", rng.IntN(5)) }
	call := linearCall{hashKey: string(h)}
	switch rng.IntN(9) {
	case 0:
		call.code, call.arg = "PUT", Struct{"key": rawKey(h, sortKey()), "value": value()}
	case 1:
		call.code, call.arg = "REMOVE", rawKey(h, sortKey())
	case 2:
		call.code, call.arg = "GET", rawKey(h, sortKey())
	case 3:
		call.code, call.arg = "INCR", Struct{"key": rawKey(h, sortKey()), "increment": int64(1 + rng.IntN(3))}
	case 4:
		call.code, call.arg = "MULTI_PUT", Struct{"hash_key": h, "kvs": []any{
			Struct{"key": []byte("a"), "value": value()}, Struct{"key": []byte("b"), "value": value()}, Struct{"key": []byte("c"), "value": value()},
		}}
	case 5:
		call.code, call.arg = "MULTI_REMOVE", Struct{"hash_key": h, "sort_keys": []any{sortKey(), sortKey()}}
	case 6:
		call.code, call.arg = "CHECK_AND_SET", Struct{
			"hash_key": h, "check_sort_key": sortKey(), "check_type": iface.enums["CT_VALUE_BYTES_EQUAL"], "check_operand": value(),
			"set_diff_sort_key": true, "set_sort_key": sortKey(), "set_value": value(), "return_check_value": true,
		}
	case 7:
		call.code, call.arg = "CHECK_AND_MUTATE", Struct{
			"hash_key": h, "check_sort_key": sortKey(), "check_type": iface.enums["CT_VALUE_NOT_EXIST"],
			"mutate_list": []any{
				completed(iface.types["mutate"].def, Struct{"sort_key": []byte("a"), "value": value()}),
				completed(iface.types["mutate"].def, Struct{"operation": iface.enums["MO_DELETE"], "sort_key": []byte("b")}),
			},
			"return_check_value": true,
		}
	default:
		call.code, call.arg = "MULTI_GET", Struct{"hash_key": h, "start_inclusive": true}
	}
	call.code = "RPC_RRDB_RRDB_" + call.code
	if s, ok := call.arg.(Struct); ok {
		completed(iface.rpcs[call.code].arg.def, s)
	}
	return call
}
