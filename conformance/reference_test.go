package conformance

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A reference is what one partition holds, raw key -> record, with the operations of the protocol in their simplest
// form. It is the model that random and concurrent runs are compared with.
type reference map[string]record

type record struct {
	value  string
	expire uint32 // Pegasus epoch seconds, 0 = never
}

// moment is what an operation depends on beside the data.
type moment struct {
	now        uint32 // Pegasus epoch seconds
	defaultTTL uint32 // seconds, 0 = off
}

func (p reference) clone() reference { return maps.Clone(p) }

// live returns the record of a key unless it is absent or expired.
func (p reference) live(m moment, key string) (record, bool) {
	r, ok := p[key]
	return r, ok && (r.expire == 0 || r.expire > m.now)
}

func (p reference) store(m moment, key string, value []byte, expire uint32) {
	if expire == 0 && m.defaultTTL > 0 {
		expire = m.now + m.defaultTTL
	}
	p[key] = record{string(value), expire}
}

// answer carries out a request and returns the fields that the response must have. A field that the state does not
// determine is left out. It knows no limits but max_kv_count.
func (p reference) answer(m moment, code string, arg any) Struct {
	s, _ := arg.(Struct)
	key, _ := arg.([]byte)
	switch code {
	case "RPC_RRDB_RRDB_GET":
		if r, ok := p.live(m, string(key)); ok {
			return Struct{"error": int64(0), "value": []byte(r.value)}
		}
		return Struct{"error": int64(1), "value": []byte{}}
	case "RPC_RRDB_RRDB_TTL":
		return p.ttl(m, string(key))
	case "RPC_RRDB_RRDB_PUT":
		p.store(m, fieldOf[string](s, "key"), fieldOf[[]byte](s, "value"), uint32(fieldOf[int64](s, "expire_ts_seconds")))
		return Struct{"error": int64(0)}
	case "RPC_RRDB_RRDB_REMOVE":
		delete(p, string(key))
		return Struct{"error": int64(0)}
	case "RPC_RRDB_RRDB_MULTI_PUT":
		return p.multiPut(m, s)
	case "RPC_RRDB_RRDB_MULTI_REMOVE":
		return p.multiRemove(s)
	case "RPC_RRDB_RRDB_MULTI_GET":
		return p.multiGet(m, s)
	case "RPC_RRDB_RRDB_BATCH_GET":
		return p.batchGet(m, s)
	case "RPC_RRDB_RRDB_SORTKEY_COUNT":
		return Struct{"error": int64(0), "count": int64(len(p.sortKeys(m, string(key))))}
	case "RPC_RRDB_RRDB_INCR":
		return p.incr(m, s)
	case "RPC_RRDB_RRDB_CHECK_AND_SET":
		return p.checkAndSet(m, s)
	case "RPC_RRDB_RRDB_CHECK_AND_MUTATE":
		return p.checkAndMutate(m, s)
	}
	panic("the reference has no " + code)
}

// fieldOf returns a field of a request; blobs may be taken as strings.
func fieldOf[T any](s Struct, name string) T {
	if b, ok := s[name].([]byte); ok {
		if text, ok := any(string(b)).(T); ok {
			return text
		}
	}
	return s[name].(T)
}

func (p reference) ttl(m moment, key string) Struct {
	r, ok := p.live(m, key)
	switch {
	case !ok:
		return Struct{"error": int64(1), "ttl_seconds": int64(0)}
	case r.expire == 0:
		return Struct{"error": int64(0), "ttl_seconds": int64(-1)}
	}
	return Struct{"error": int64(0), "ttl_seconds": int64(int32(r.expire - m.now))}
}

func (p reference) multiPut(m moment, s Struct) Struct {
	kvs := fieldOf[[]any](s, "kvs")
	if len(kvs) == 0 {
		return Struct{"error": int64(4)}
	}
	for _, kv := range kvs {
		kv := kv.(Struct)
		key := rawKey(fieldOf[[]byte](s, "hash_key"), fieldOf[[]byte](kv, "key"))
		p.store(m, string(key), fieldOf[[]byte](kv, "value"), uint32(fieldOf[int64](s, "expire_ts_seconds")))
	}
	return Struct{"error": int64(0)}
}

func (p reference) multiRemove(s Struct) Struct {
	sortKeys := fieldOf[[]any](s, "sort_keys")
	if len(sortKeys) == 0 {
		return Struct{"error": int64(4), "count": int64(0)}
	}
	for _, k := range sortKeys {
		delete(p, string(rawKey(fieldOf[[]byte](s, "hash_key"), k.([]byte))))
	}
	return Struct{"error": int64(0), "count": int64(len(sortKeys))}
}

// sortKeys returns the live sort keys of a hash key in order.
func (p reference) sortKeys(m moment, hashKey string) []string {
	var keys []string
	for raw := range p {
		h, sortKey, _ := splitRawKey([]byte(raw))
		if _, ok := p.live(m, raw); ok && string(h) == hashKey {
			keys = append(keys, string(sortKey))
		}
	}
	slices.Sort(keys)
	return keys
}

func (p reference) multiGet(m moment, s Struct) Struct {
	hashKey := fieldOf[string](s, "hash_key")
	if filter := fieldOf[int64](s, "sort_key_filter_type"); filter < 0 || filter > 3 {
		return Struct{"error": int64(4), "kvs": []any{}}
	}
	var found []string
	complete := true
	if asked := fieldOf[[]any](s, "sort_keys"); len(asked) > 0 {
		for _, k := range asked {
			if _, ok := p.live(m, string(rawKey([]byte(hashKey), k.([]byte)))); ok {
				found = append(found, string(k.([]byte)))
			}
		}
		if n := int(fieldOf[int64](s, "max_kv_count")); n > 0 && len(found) > n {
			found, complete = found[:n], false
		}
		return p.multiGetAnswer(s, found, Struct{"error": map[bool]int64{true: 0, false: 7}[complete]})
	}
	for _, k := range p.sortKeys(m, hashKey) {
		if inRange(s, k) && filterMatches(fieldOf[int64](s, "sort_key_filter_type"), fieldOf[string](s, "sort_key_filter_pattern"), k) {
			found = append(found, k)
		}
	}
	n := int(fieldOf[int64](s, "max_kv_count"))
	if n <= 0 || len(found) < n {
		return p.multiGetAnswer(s, found, Struct{"error": int64(0)})
	}
	complete = len(found) == n
	if fieldOf[bool](s, "reverse") {
		found = found[len(found)-n:]
	} else {
		found = found[:n]
	}
	if complete {
		return p.multiGetAnswer(s, found, Struct{}) // what the iterator meets next depends on records that are not seen
	}
	return p.multiGetAnswer(s, found, Struct{"error": int64(7)})
}

func (p reference) multiGetAnswer(s Struct, sortKeys []string, answer Struct) Struct {
	kvs := []any{}
	for _, k := range sortKeys {
		value := []byte{}
		if !fieldOf[bool](s, "no_value") {
			value = []byte(p[string(rawKey(fieldOf[[]byte](s, "hash_key"), []byte(k)))].value)
		}
		kvs = append(kvs, Struct{"key": []byte(k), "value": value})
	}
	answer["kvs"] = kvs
	return answer
}

func inRange(s Struct, sortKey string) bool {
	start, stop := fieldOf[string](s, "start_sortkey"), fieldOf[string](s, "stop_sortkey")
	if sortKey < start || sortKey == start && !fieldOf[bool](s, "start_inclusive") {
		return false
	}
	return stop == "" || sortKey < stop || sortKey == stop && fieldOf[bool](s, "stop_inclusive")
}

func filterMatches(filterType int64, pattern, text string) bool {
	switch filterType {
	case 1:
		return strings.Contains(text, pattern)
	case 2:
		return strings.HasPrefix(text, pattern)
	case 3:
		return strings.HasSuffix(text, pattern)
	}
	return true
}

func (p reference) batchGet(m moment, s Struct) Struct {
	keys := fieldOf[[]any](s, "keys")
	if len(keys) == 0 {
		return Struct{"error": int64(4), "data": []any{}}
	}
	data := []any{}
	for _, k := range keys {
		k := k.(Struct)
		hashKey, sortKey := fieldOf[[]byte](k, "hash_key"), fieldOf[[]byte](k, "sort_key")
		if r, ok := p.live(m, string(rawKey(hashKey, sortKey))); ok {
			data = append(data, Struct{"hash_key": hashKey, "sort_key": sortKey, "value": []byte(r.value)})
		}
	}
	return Struct{"error": int64(0), "data": data}
}

func (p reference) incr(m moment, s Struct) Struct {
	key, by, expire := fieldOf[string](s, "key"), fieldOf[int64](s, "increment"), fieldOf[int64](s, "expire_ts_seconds")
	r, ok := p.live(m, key)
	if !ok {
		r = record{}
	}
	var old int64
	if r.value != "" {
		if old, ok = parseInteger(r.value); !ok {
			return Struct{"error": int64(4), "new_value": int64(0)}
		}
	}
	sum := old + by
	if (by > 0) != (sum > old) && by != 0 {
		return Struct{"error": int64(4), "new_value": old}
	}
	switch {
	case expire > 0:
		r.expire = uint32(expire)
	case expire < 0:
		r.expire = 0
	}
	p.store(m, key, strconv.AppendInt(nil, sum, 10), r.expire)
	return Struct{"error": int64(0), "new_value": sum}
}

// parseInteger is C's strtoll with base 0 over the whole text.
func parseInteger(text string) (int64, bool) {
	digits := strings.TrimLeft(text, " \t\n\v\f\r")
	negative := strings.HasPrefix(digits, "-")
	if negative || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	base := 10
	if lower := strings.ToLower(digits); strings.HasPrefix(lower, "0x") {
		base, digits = 16, digits[2:]
	} else if strings.HasPrefix(lower, "0") {
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	switch {
	case err != nil:
		return 0, false
	case negative && n <= 1<<63:
		return -int64(n), true
	}
	return int64(n), !negative && n < 1<<63
}

// check evaluates the check of check_and_set and check_and_mutate and returns the storage error and the fields that
// describe the checked value.
func (p reference) check(m moment, s Struct) (status int64, answer Struct) {
	checkType := fieldOf[int64](s, "check_type")
	answer = Struct{"check_value_returned": false, "check_value_exist": false, "check_value": []byte{}}
	if checkType < 0 || checkType > 17 {
		return 4, answer
	}
	r, exists := p.live(m, string(rawKey(fieldOf[[]byte](s, "hash_key"), fieldOf[[]byte](s, "check_sort_key"))))
	if fieldOf[bool](s, "return_check_value") {
		answer["check_value_returned"], answer["check_value_exist"] = true, exists
		if exists {
			answer["check_value"] = []byte(r.value)
		}
	}
	passes, valid := checkHolds(checkType, exists, r.value, fieldOf[string](s, "check_operand"))
	switch {
	case !valid:
		return 4, answer
	case !passes:
		return 13, answer
	}
	return 0, answer
}

func checkHolds(checkType int64, exists bool, value, operand string) (passes, valid bool) {
	switch checkType {
	case 0:
		return true, true
	case 1:
		return !exists, true
	case 2:
		return !exists || value == "", true
	}
	if !exists {
		return false, true
	}
	switch checkType {
	case 3:
		return true, true
	case 4:
		return value != "", true
	case 5, 6, 7:
		return filterMatches(checkType-4, operand, value), true
	}
	order := strings.Compare(value, operand)
	if checkType >= 13 {
		a, okA := parseInteger(value)
		b, okB := parseInteger(operand)
		if !okA || !okB {
			return false, false
		}
		order = map[bool]int{true: -1, false: 1}[a < b]
		if a == b {
			order = 0
		}
	}
	switch (checkType - 8) % 5 {
	case 0:
		return order < 0, true
	case 1:
		return order <= 0, true
	case 2:
		return order == 0, true
	case 3:
		return order >= 0, true
	}
	return order > 0, true
}

func (p reference) checkAndSet(m moment, s Struct) Struct {
	status, answer := p.check(m, s)
	if status == 0 {
		sortKey := fieldOf[[]byte](s, "check_sort_key")
		if fieldOf[bool](s, "set_diff_sort_key") {
			sortKey = fieldOf[[]byte](s, "set_sort_key")
		}
		key := rawKey(fieldOf[[]byte](s, "hash_key"), sortKey)
		p.store(m, string(key), fieldOf[[]byte](s, "set_value"), uint32(fieldOf[int64](s, "set_expire_ts_seconds")))
	}
	answer["error"] = status
	return answer
}

func (p reference) checkAndMutate(m moment, s Struct) Struct {
	mutations := fieldOf[[]any](s, "mutate_list")
	bad := Struct{"error": int64(4), "check_value_returned": false, "check_value_exist": false, "check_value": []byte{}}
	for _, mutation := range mutations {
		if op := fieldOf[int64](mutation.(Struct), "operation"); op != 0 && op != 1 {
			return bad
		}
	}
	if len(mutations) == 0 {
		return bad
	}
	status, answer := p.check(m, s)
	for _, mutation := range mutations {
		if status != 0 {
			break
		}
		mutation := mutation.(Struct)
		key := string(rawKey(fieldOf[[]byte](s, "hash_key"), fieldOf[[]byte](mutation, "sort_key")))
		if fieldOf[int64](mutation, "operation") == 1 {
			delete(p, key)
		} else {
			p.store(m, key, fieldOf[[]byte](mutation, "value"), uint32(fieldOf[int64](mutation, "set_expire_ts_seconds")))
		}
	}
	answer["error"] = status
	return answer
}

// firstDifference returns the name of a field that the response does not have as the reference wants it, or "".
func firstDifference(want, got Struct) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[name]; !ok || !equal(g, want[name]) {
			return name
		}
	}
	return ""
}

// TestReferenceAgreesWithRecordings checks the model itself: given the recorded requests it must answer as the real
// server did.
func TestReferenceAgreesWithRecordings(t *testing.T) {
	compared := 0
	for _, file := range transcriptFiles(t) {
		tr := readTranscript(t, file)
		m := moment{}
		for _, rec := range tr.Lines {
			if rec.Now != 0 {
				m.now = uint32(rec.Now) // nothing expires while a session runs
				break
			}
		}
		partitions := make([]reference, tr.PartitionCount)
		for i := range partitions {
			partitions[i] = reference{}
		}
		for i, rec := range tr.Lines {
			if rec.Error != "ERR_OK" || strings.HasSuffix(rec.RPC, "_scanner") || rec.RPC == "scan" {
				continue
			}
			s, _ := rec.Arg.(Struct)
			if rec.RPC == "multi_get" && s["max_kv_size"].(int64) > 0 {
				continue
			}
			if rec.RPC == "ttl" {
				m.now = uint32(rec.Now)
			}
			want := partitions[rec.Partition].answer(m, rpcNamed(rec.RPC).code, rec.Arg)
			if name := firstDifference(want, rec.Answer); name != "" {
				t.Errorf("%s line %d, %s %s: %s is %s, recorded %s", file, i+2, rec.RPC, show(rec.Arg), name, show(want[name]), show(rec.Answer[name]))
			}
			compared++
		}
	}
	t.Logf("%d answers compared", compared)
}
