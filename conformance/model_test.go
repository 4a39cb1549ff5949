package conformance

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	modelPartitions = 3
	modelRounds     = 3   // sequences of -rapid.steps actions in one check
	scanLife        = 300 // seconds that an open scan waits for its next call
)

var (
	modelHashKeys = []string{"", "a", "b", "ab", "a\x00", "\xff", "\xff\xff"}
	modelSortKeys = []string{"", "a", "ab", "b", "b\x00", "\x00", "\xff", "\xff\xff"}
	modelValues   = []string{"", "0", "7", "-12", "010", "0x1F", " 3", "3 ", "text", "ab", "9223372036854775807", "-9223372036854775808"}
)

// model drives a onebox on disk and says what it must answer.
type model struct {
	dir        string
	clock      *manualClock
	box        *modelBox
	cluster    *cluster
	table      *table
	partitions []reference
	defaultTTL uint32
	scans      []openScan
	did        *modelCounts
}

// modelCounts says how much a run covered.
type modelCounts struct{ requests, continued, lost int }

// openScan is a scan of which more is to come: a snapshot and how far it was read.
type openScan struct {
	partition int32
	id        int64
	batch     int64
	noValue   bool
	withTS    bool
	rest      []entry // not delivered yet, expired records included
	answered  uint32  // when the last answer came
}

type entry struct {
	key string
	record
}

// TestModel runs random operations, among them restarts, dropping and recalling the table and the passing of time, and
// compares every answer with the reference. More: -rapid.checks=N, -rapid.steps=N; a failure prints its seed.
func TestModel(t *testing.T) {
	if *metaAddresses != "" {
		t.Skip("needs a server whose clock can be set")
	}
	var did modelCounts
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "box")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{dir: dir, clock: newManualClock(), partitions: make([]reference, modelPartitions), did: &did}
		for i := range m.partitions {
			m.partitions[i] = reference{}
		}
		m.start(rt)
		defer m.stop(rt)
		if m.table, err = m.cluster.createTable(context.Background(), "model", modelPartitions); err != nil {
			rt.Fatal(err)
		}
		if yesNo(rt) {
			m.fill(rt)
		}
		actions := m.actions()
		for range modelRounds {
			rt.Repeat(actions)
		}
		m.dump(rt)
	})
	t.Logf("%d requests, %d scans continued, %d found lost", did.requests, did.continued, did.lost)
}

// actions returns what the random sequences are made of; some twice, to have more of them.
func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"put":            m.put,
		"remove":         m.remove,
		"get":            m.get,
		"ttl":            m.ttl,
		"incr":           m.incr,
		"multiPut":       m.multiPut,
		"multiRemove":    m.multiRemove,
		"multiGet":       m.multiGet,
		"multiGetKeys":   m.multiGetKeys,
		"batchGet":       m.batchGet,
		"sortKeyCount":   m.sortKeyCount,
		"checkAndSet":    m.checkAndSet,
		"checkAndMutate": m.checkAndMutate,
		"openScan":       m.openScan,
		"openScan again": m.openScan,
		"continueScan":   m.continueScan,
		"and again":      m.continueScan,
		"and once more":  m.continueScan,
		"dump":           m.dump,
		"advance":        m.advance,
		"disturb":        m.disturb,
		"setDefaultTTL":  m.setDefaultTTL,
	}
}

// disturb does what ends open scans, now and then.
func (m *model) disturb(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "disturbance") {
	case 0:
		m.restart(t)
	case 1:
		m.dropAndRecall(t)
	default:
		t.Skip("none")
	}
}

func (m *model) start(t *rapid.T) {
	box, target, err := startModelBox(m.dir, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.box = box
	if m.cluster, err = openCluster(context.Background(), target); err != nil {
		t.Fatal(err)
	}
}

func (m *model) stop(t *rapid.T) {
	m.cluster.close()
	if err := m.box.Close(); err != nil {
		t.Error(err)
	}
}

// fill stores every key, so that scans have something to leave open.
func (m *model) fill(t *rapid.T) {
	for _, h := range modelHashKeys {
		kvs := []any{}
		for _, s := range modelSortKeys {
			kvs = append(kvs, Struct{"key": []byte(s), "value": []byte(s)})
		}
		m.do(t, "RPC_RRDB_RRDB_MULTI_PUT", keyHash([]byte(h), nil), Struct{"hash_key": []byte(h), "kvs": kvs})
	}
}

// restart stops the server and starts it on the same directory: everything is there but open scans.
func (m *model) restart(t *rapid.T) {
	m.stop(t)
	m.start(t)
	m.reopen(t)
}

// reopen finds the table again after something that ended its open scans.
func (m *model) reopen(t *rapid.T) {
	tbl, err := m.cluster.openTable(context.Background(), "model")
	if err != nil {
		t.Fatal(err)
	}
	if tbl.id != m.table.id || tbl.count() != m.table.count() {
		t.Fatalf("table %d with %d partitions is now %d with %d", m.table.id, m.table.count(), tbl.id, tbl.count())
	}
	m.table = tbl
	for i := range m.scans {
		m.scans[i].answered = 0
	}
}

func (m *model) dropAndRecall(t *rapid.T) {
	ctx := context.Background()
	if _, err := m.cluster.meta(ctx, "RPC_CM_DROP_APP", Struct{"app_name": "model"}); err != nil {
		t.Fatal(err)
	}
	q := m.table.header("RPC_RRDB_RRDB_GET", 0)
	q.Arg = rawKey([]byte("a"), nil)
	if resp := m.call(t, q); resp.Error != "ERR_OBJECT_NOT_FOUND" {
		t.Fatalf("get on a dropped table: %s", resp.Error)
	}
	if _, err := m.cluster.meta(ctx, "RPC_CM_RECALL_APP", Struct{"app_id": int64(m.table.id)}); err != nil {
		t.Fatal(err)
	}
	m.reopen(t)
}

func (m *model) setDefaultTTL(t *rapid.T) {
	ttl := rapid.SampledFrom([]uint32{0, 0, 5, 1000}).Draw(t, "default ttl")
	_, err := m.cluster.meta(context.Background(), "RPC_CM_UPDATE_APP_ENV", Struct{
		"app_name": "model", "op": iface.enums["APP_ENV_OP_SET"],
		"keys": []any{"default_ttl"}, "values": []any{strconv.Itoa(int(ttl))},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.defaultTTL = ttl
}

func (m *model) advance(t *rapid.T) {
	m.clock.advance(time.Duration(rapid.SampledFrom([]int{1, 1, 2, 5, 30, 60, 299, 1000}).Draw(t, "seconds")) * time.Second)
}

func (m *model) now() uint32 { return uint32(m.clock.Now().Unix() - epoch) }

func (m *model) call(t *rapid.T, q *Request) *Response {
	m.did.requests++
	resp, err := m.cluster.call(context.Background(), m.table.node(q.PartitionIndex), q)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// do sends a request to the partition of hash and compares the answer with the reference.
func (m *model) do(t *rapid.T, code string, hash uint64, arg any) {
	partition := m.table.partitionOf(hash)
	q := m.table.header(code, partition)
	q.PartitionHash, q.Arg = hash, arg
	if def := iface.rpcs[code]; def.arg.kind == kindStruct {
		q.Arg = completed(def.arg.def, arg.(Struct))
	}
	resp := m.call(t, q)
	if resp.Error != "ERR_OK" {
		t.Fatalf("%s %s: %s", code, show(arg), resp.Error)
	}
	got := resp.Result.(Struct)
	want := m.partitions[partition].answer(moment{now: m.now(), defaultTTL: m.defaultTTL}, code, q.Arg)
	if name := firstDifference(want, got); name != "" {
		t.Fatalf("%s %s: %s is %s, want %s; all of it: %s", code, show(arg), name, show(got[name]), show(want[name]), show(got))
	}
}

func hashKey(t *rapid.T) []byte { return []byte(rapid.SampledFrom(modelHashKeys).Draw(t, "hash key")) }

func sortKey(t *rapid.T) []byte { return []byte(rapid.SampledFrom(modelSortKeys).Draw(t, "sort key")) }
func value(t *rapid.T) []byte   { return []byte(rapid.SampledFrom(modelValues).Draw(t, "value")) }
func yesNo(t *rapid.T) bool     { return rapid.Bool().Draw(t, "flag") }

// expire draws an expire_ts_seconds: none, soon, past, far.
func (m *model) expire(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{
		0, 0, 0, int64(m.now()) + 1, int64(m.now()) + 3, int64(m.now()) + 60, int64(m.now()), 1, 1<<31 - 1, -1, -1 << 31,
	}).Draw(t, "expire ts")
}

func (m *model) put(t *rapid.T) {
	key := rawKey(hashKey(t), sortKey(t))
	m.do(t, "RPC_RRDB_RRDB_PUT", rawKeyHash(key), Struct{"key": key, "value": value(t), "expire_ts_seconds": m.expire(t)})
}

func (m *model) remove(t *rapid.T) {
	key := rawKey(hashKey(t), sortKey(t))
	m.do(t, "RPC_RRDB_RRDB_REMOVE", rawKeyHash(key), key)
}

func (m *model) get(t *rapid.T) {
	key := rawKey(hashKey(t), sortKey(t))
	m.do(t, "RPC_RRDB_RRDB_GET", rawKeyHash(key), key)
}

func (m *model) ttl(t *rapid.T) {
	key := rawKey(hashKey(t), sortKey(t))
	m.do(t, "RPC_RRDB_RRDB_TTL", rawKeyHash(key), key)
}

func (m *model) incr(t *rapid.T) {
	key := rawKey(hashKey(t), sortKey(t))
	by := rapid.SampledFrom([]int64{0, 1, -1, 1000, 1<<63 - 1, -1 << 63}).Draw(t, "increment")
	m.do(t, "RPC_RRDB_RRDB_INCR", rawKeyHash(key), Struct{"key": key, "increment": by, "expire_ts_seconds": m.expire(t)})
}

func (m *model) multiPut(t *rapid.T) {
	h := hashKey(t)
	kvs := []any{}
	for range rapid.IntRange(0, 4).Draw(t, "kvs") {
		kvs = append(kvs, Struct{"key": sortKey(t), "value": value(t)})
	}
	m.do(t, "RPC_RRDB_RRDB_MULTI_PUT", keyHash(h, nil), Struct{"hash_key": h, "kvs": kvs, "expire_ts_seconds": m.expire(t)})
}

// sortKeys draws a list that may be empty and may repeat itself.
func sortKeys(t *rapid.T, least int) []any {
	list := []any{}
	for range rapid.IntRange(least, 4).Draw(t, "sort keys") {
		list = append(list, sortKey(t))
	}
	return list
}

func (m *model) multiRemove(t *rapid.T) {
	h := hashKey(t)
	m.do(t, "RPC_RRDB_RRDB_MULTI_REMOVE", keyHash(h, nil), Struct{"hash_key": h, "sort_keys": sortKeys(t, 0)})
}

func (m *model) multiGetKeys(t *rapid.T) {
	h := hashKey(t)
	m.do(t, "RPC_RRDB_RRDB_MULTI_GET", keyHash(h, nil), Struct{
		"hash_key": h, "sort_keys": sortKeys(t, 1), "no_value": yesNo(t),
		"max_kv_count": rapid.SampledFrom([]int64{0, -1, 1, 2}).Draw(t, "max count"),
	})
}

func (m *model) multiGet(t *rapid.T) {
	h := hashKey(t)
	m.do(t, "RPC_RRDB_RRDB_MULTI_GET", keyHash(h, nil), Struct{
		"hash_key": h, "start_sortkey": sortKey(t), "stop_sortkey": sortKey(t),
		"start_inclusive": yesNo(t), "stop_inclusive": yesNo(t), "no_value": yesNo(t), "reverse": yesNo(t),
		"max_kv_count":            rapid.SampledFrom([]int64{0, -1, 1, 2, 3, 100}).Draw(t, "max count"),
		"sort_key_filter_type":    rapid.Int64Range(0, 4).Draw(t, "filter"),
		"sort_key_filter_pattern": sortKey(t),
	})
}

// batchGet asks for keys of any partition: those of others are not found.
func (m *model) batchGet(t *rapid.T) {
	keys := []any{}
	for range rapid.IntRange(0, 4).Draw(t, "keys") {
		keys = append(keys, Struct{"hash_key": hashKey(t), "sort_key": sortKey(t)})
	}
	m.do(t, "RPC_RRDB_RRDB_BATCH_GET", keyHash(hashKey(t), nil), Struct{"keys": keys})
}

func (m *model) sortKeyCount(t *rapid.T) {
	h := hashKey(t)
	m.do(t, "RPC_RRDB_RRDB_SORTKEY_COUNT", keyHash(h, nil), h)
}

func (m *model) checkAndSet(t *rapid.T) {
	h := hashKey(t)
	m.do(t, "RPC_RRDB_RRDB_CHECK_AND_SET", keyHash(h, nil), Struct{
		"hash_key": h, "check_sort_key": sortKey(t), "check_type": rapid.Int64Range(-1, 18).Draw(t, "check"), "check_operand": value(t),
		"set_diff_sort_key": yesNo(t), "set_sort_key": sortKey(t), "set_value": value(t), "set_expire_ts_seconds": m.expire(t),
		"return_check_value": yesNo(t),
	})
}

func (m *model) checkAndMutate(t *rapid.T) {
	h := hashKey(t)
	mutations := []any{}
	for range rapid.IntRange(0, 4).Draw(t, "mutations") {
		mutations = append(mutations, Struct{
			"operation": rapid.SampledFrom([]int64{0, 0, 0, 1, 1, 2}).Draw(t, "operation"), "sort_key": sortKey(t), "value": value(t),
			"set_expire_ts_seconds": m.expire(t),
		})
	}
	m.do(t, "RPC_RRDB_RRDB_CHECK_AND_MUTATE", keyHash(h, nil), Struct{
		"hash_key": h, "check_sort_key": sortKey(t), "check_type": rapid.Int64Range(-1, 18).Draw(t, "check"), "check_operand": value(t),
		"mutate_list": mutations, "return_check_value": yesNo(t),
	})
}

// openScan begins a scan of one hash key or of a whole partition.
func (m *model) openScan(t *rapid.T) {
	s := openScan{batch: rapid.Int64Range(1, 5).Draw(t, "batch"), noValue: yesNo(t), withTS: yesNo(t)}
	start, stop := []byte{0, 0}, []byte{0xff, 0xff}
	full := yesNo(t)
	if full {
		s.partition = rapid.Int32Range(0, modelPartitions-1).Draw(t, "partition")
	} else {
		h := hashKey(t)
		start, stop = rawKey(h, nil), nextKey(rawKey(h, nil))
		s.partition = m.table.partitionOf(keyHash(h, nil))
	}
	for _, key := range slices.Sorted(maps.Keys(m.partitions[s.partition])) {
		if key >= string(start) && key < string(stop) {
			s.rest = append(s.rest, entry{key, m.partitions[s.partition][key]})
		}
	}
	arg := completed(iface.types["get_scanner_request"].def, Struct{
		"start_key": start, "stop_key": stop, "start_inclusive": true, "batch_size": s.batch, "no_value": s.noValue,
		"full_scan": full, "return_expire_ts": s.withTS,
	})
	m.batch(t, &s, "RPC_RRDB_RRDB_GET_SCANNER", arg)
	if s.id != -1 {
		m.scans = append(m.scans, s)
	}
}

// continueScan takes one more batch of an open scan, or finds it lost.
func (m *model) continueScan(t *rapid.T) {
	if len(m.scans) == 0 {
		t.Skip("no open scan")
	}
	i := rapid.IntRange(0, len(m.scans)-1).Draw(t, "scan")
	s := &m.scans[i]
	arg := Struct{"context_id": s.id}
	if m.now()-s.answered > scanLife {
		m.did.lost++
		m.lostScan(t, s, arg)
		s.id = -1
	} else {
		m.did.continued++
		m.batch(t, s, "RPC_RRDB_RRDB_SCAN", arg)
		used := openScan{partition: s.partition}
		m.lostScan(t, &used, arg) // an id is good for one call
	}
	if s.id == -1 {
		m.scans = slices.Delete(m.scans, i, i+1)
	}
}

func (m *model) lostScan(t *rapid.T, s *openScan, arg Struct) {
	q := m.table.header("RPC_RRDB_RRDB_SCAN", s.partition)
	q.Arg = arg
	resp := m.call(t, q)
	if got, _ := resp.Result.(Struct); got["error"] != int64(1) || got["context_id"] != int64(0) {
		t.Fatalf("scan with a lost context: %s %s", resp.Error, show(got))
	}
}

// batch sends a get_scanner or scan request: it must deliver the next live records, and all of them if it ends the scan.
func (m *model) batch(t *rapid.T, s *openScan, code string, arg Struct) {
	q := m.table.header(code, s.partition)
	q.Arg = arg
	resp := m.call(t, q)
	got, _ := resp.Result.(Struct)
	if got["error"] != int64(0) {
		t.Fatalf("%s: %s %s", code, resp.Error, show(got))
	}
	kvs, id := got["kvs"].([]any), got["context_id"].(int64)
	var live []any
	var after []int // index in rest behind each live record
	for i, e := range s.rest {
		if e.expire != 0 && e.expire <= m.now() {
			continue
		}
		kv := Struct{"key": []byte(e.key), "value": []byte{}}
		if !s.noValue {
			kv["value"] = []byte(e.value)
		}
		if s.withTS {
			kv["expire_ts_seconds"] = int64(int32(e.expire))
		}
		live, after = append(live, kv), append(after, i+1)
	}
	if len(kvs) > len(live) || int64(len(kvs)) > s.batch || id == -1 && len(kvs) < len(live) || id != -1 && !isLive(id) {
		t.Fatalf("%s: %d records, context %d; %d to come, batch size %d", code, len(kvs), id, len(live), s.batch)
	}
	for i, kv := range kvs {
		if !equal(kv, live[i]) {
			t.Fatalf("%s: record %d is %s, want %s", code, i, show(kv), show(live[i]))
		}
	}
	if len(kvs) > 0 {
		s.rest = s.rest[after[len(kvs)-1]:]
	}
	s.id, s.answered = id, m.now()
}

// dump scans every partition to its end.
func (m *model) dump(t *rapid.T) {
	for p := range m.table.count() {
		s := openScan{partition: p, batch: 1000, withTS: true}
		for _, key := range slices.Sorted(maps.Keys(m.partitions[p])) {
			s.rest = append(s.rest, entry{key, m.partitions[p][key]})
		}
		m.batch(t, &s, "RPC_RRDB_RRDB_GET_SCANNER", completed(iface.types["get_scanner_request"].def, Struct{
			"start_key": []byte{0, 0}, "stop_key": []byte{0xff, 0xff}, "start_inclusive": true, "batch_size": s.batch,
			"full_scan": true, "return_expire_ts": true,
		}))
		if s.id != -1 {
			t.Fatalf("partition %d is not read in one batch", p)
		}
	}
}
