package storage

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// A model is a partition as a sorted slice. It follows the Pegasus server semantics as they are
// written down, with none of the storage's short cuts: iterators run over the whole partition,
// and the record under the empty key that a server keeps is really there.
type model struct {
	records []record
	limits  limits.Limits
	ttl     uint32
}

type record struct {
	key    string // raw
	value  string
	expire uint32
}

func newModel(limits limits.Limits) *model {
	return &model{records: []record{{key: ""}}, limits: limits}
}

func (m *model) find(key string) (int, bool) {
	return slices.BinarySearchFunc(m.records, key, func(r record, k string) int { return strings.Compare(r.key, k) })
}

// live returns the record under key if a read at the time now sees one.
func (m *model) live(key string, now uint32) *record {
	if i, ok := m.find(key); ok && !m.records[i].gone(now) {
		return &m.records[i]
	}
	return nil
}

func (r *record) gone(now uint32) bool { return r.expire > 0 && r.expire <= now }

func (m *model) put(key, value string, expire, now uint32) {
	if expire == 0 && m.ttl != 0 {
		expire = now + m.ttl
	}
	i, ok := m.find(key)
	if !ok {
		m.records = slices.Insert(m.records, i, record{})
	}
	m.records[i] = record{key, value, expire}
}

func (m *model) remove(key string) {
	if i, ok := m.find(key); ok {
		m.records = slices.Delete(m.records, i, i+1)
	}
}

// sweep removes what has expired, which no read may notice except through its limits.
func (m *model) sweep(now uint32) {
	m.records = slices.DeleteFunc(m.records, func(r record) bool { return r.gone(now) })
}

func (m *model) incr(key string, by int64, expire int32, now uint32) (Status, int64) {
	sum, newExpire := by, uint32(max(expire, 0))
	if r := m.live(key, now); r != nil {
		if r.value != "" {
			old, ok := schema.ParseInt([]byte(r.value))
			if !ok {
				return InvalidArgument, 0
			}
			if by > 0 && old > math.MaxInt64-by || by < 0 && old < math.MinInt64-by {
				return InvalidArgument, old
			}
			sum = old + by
		}
		if expire == 0 {
			newExpire = r.expire
		}
	}
	m.put(key, fmt.Sprint(sum), newExpire, now)
	return OK, sum
}

// check returns the status of a check and the value it saw.
func (m *model) check(key string, check CheckType, operand string, now uint32) (status Status, exist bool, value string) {
	if r := m.live(key, now); r != nil {
		exist, value = true, r.value
	}
	a, okA := schema.ParseInt([]byte(value))
	b, okB := schema.ParseInt([]byte(operand))
	order := strings.Compare(value, operand)
	if check >= ValueIntLess && exist && !(okA && okB) {
		return InvalidArgument, exist, value
	}
	pass := map[CheckType]bool{
		NoCheck:               true,
		ValueNotExist:         !exist,
		ValueNotExistOrEmpty:  !exist || value == "",
		ValueExist:            exist,
		ValueNotEmpty:         exist && value != "",
		ValueMatchAnywhere:    exist && strings.Contains(value, operand),
		ValueMatchPrefix:      exist && strings.HasPrefix(value, operand),
		ValueMatchPostfix:     exist && strings.HasSuffix(value, operand),
		ValueBytesLess:        exist && order < 0,
		ValueBytesLessOrEqual: exist && order <= 0,
		ValueBytesEqual:       exist && order == 0,
		ValueBytesGreaterOrEq: exist && order >= 0,
		ValueBytesGreater:     exist && order > 0,
		ValueIntLess:          exist && a < b,
		ValueIntLessOrEqual:   exist && a <= b,
		ValueIntEqual:         exist && a == b,
		ValueIntGreaterOrEq:   exist && a >= b,
		ValueIntGreater:       exist && a > b,
	}
	if pass[check] {
		return OK, exist, value
	}
	return TryAgain, exist, value
}

// hashKeyOf returns the hash key part of a raw key with its length; no legal key starts with that
// of the empty record.
func hashKeyOf(key string) string {
	h, _, ok := schema.SplitKey([]byte(key))
	if !ok {
		return "none"
	}
	return key[:2+len(h)]
}

// iterator walks over the records like one of RocksDB: prefix iterators end with the hash key
// they were positioned in.
type iterator struct {
	records []record
	i       int
	prefix  string // "" for total order
}

func (it *iterator) valid() bool {
	return it.i >= 0 && it.i < len(it.records) &&
		(it.prefix == "" || hashKeyOf(it.records[it.i].key) == it.prefix)
}

func (m *model) multiGet(q *MultiGet, now uint32) (Status, []string) {
	count, size := m.limits.MultiGetCount, math.MaxInt32
	if q.MaxCount > 0 && int(q.MaxCount) < count {
		count = int(q.MaxCount)
	}
	if q.MaxSize > 0 {
		size = int(q.MaxSize)
	}
	var got []string
	bytesGot := 0
	add := func(sortKey, value string) {
		if q.NoValue {
			value = ""
		}
		bytesGot += len(sortKey) + len(value)
		got = append(got, sortKey+"="+value)
	}
	key := func(sortKey []byte) string { return string(schema.AppendKey(nil, q.HashKey, sortKey)) }
	if len(q.SortKeys) > 0 {
		for _, s := range q.SortKeys {
			r := m.live(key(s), now)
			if r == nil {
				continue
			}
			if len(got) >= count || bytesGot >= size {
				return Incomplete, got
			}
			add(string(s), r.value)
		}
		return OK, got
	}

	size = min(size, m.limits.MultiGetSize)
	start, startIn := key(q.Start), q.StartInclusive
	stop, stopIn := string(schema.AppendNext(nil, []byte(key(nil)))), false
	if len(q.Stop) > 0 {
		stop, stopIn = key(q.Stop), q.StopInclusive
	}
	if q.Filter.Type == MatchPrefix && len(q.Filter.Pattern) > 0 {
		prefix := key(q.Filter.Pattern)
		if prefix > start {
			start, startIn = prefix, true
		}
		if end := string(schema.AppendNext(nil, []byte(prefix))); end <= stop {
			stop, stopIn = end, false
		}
	}
	if start > stop || start == stop && !(startIn && stopIn) {
		return OK, nil
	}
	it := iterator{records: m.records, prefix: key(nil)}
	near, nearIn, far, farIn, step := start, startIn, stop, stopIn, 1
	it.i, _ = m.find(start)
	if q.Reverse {
		near, nearIn, far, farIn, step = stop, stopIn, start, startIn, -1
		it.prefix = ""
		var found bool
		if it.i, found = m.find(stop); !found {
			it.i-- // the last one below
		}
	}
	complete := false
	for visited := 0; len(got) < count && visited < m.limits.MultiGetCount && bytesGot < size && it.valid(); it.i += step {
		r := &it.records[it.i]
		toFar := strings.Compare(r.key, far) * step
		if toFar > 0 || toFar == 0 && !farIn {
			complete = true
			break
		}
		if r.key == near && !nearIn {
			continue
		}
		visited++
		sortKey := r.key[len(key(nil)):]
		if !r.gone(now) && q.Filter.match([]byte(sortKey)) {
			add(sortKey, r.value)
		}
		if toFar == 0 {
			complete = true
			break
		}
	}
	if q.Reverse {
		slices.Reverse(got)
	}
	if !complete && it.valid() {
		return Incomplete, got
	}
	return OK, got
}

func (m *model) sortKeyCount(hashKey []byte, now uint32) (n int64) {
	for i := range m.records {
		h, _, ok := schema.SplitKey([]byte(m.records[i].key))
		if ok && bytes.Equal(h, hashKey) && !m.records[i].gone(now) {
			n++
		}
	}
	return n
}

// A modelScan is a scan context of the model, with a copy of the records as its snapshot.
type modelScan struct {
	it      iterator
	q       Scan
	start   string
	startIn bool
	batch   int
	budget  int
	index   int32
}

// scan returns nil for an empty range.
func (m *model) scan(q *Scan, index int32) *modelScan {
	s := &modelScan{q: *q, start: string(q.StartKey), startIn: q.StartInclusive, batch: m.limits.ScanCount, budget: m.limits.ScanCount, index: index}
	if q.BatchSize > 0 && int(q.BatchSize) < s.batch {
		s.batch = int(q.BatchSize)
	}
	prefix := hashKeyOf(s.start)
	if q.FullScan || prefix == "\x00\x00" {
		prefix = ""
	}
	moved := false
	if q.HashFilter.Type == MatchPrefix && len(q.HashFilter.Pattern) > 0 {
		if p := string(schema.AppendKey(nil, q.HashFilter.Pattern, nil)); p > s.start {
			s.start, s.startIn, moved = p, true, true
		}
	}
	stop := string(q.StopKey)
	// A prefix scan that is moved aborts a real server; here it just finds nothing.
	if !(moved && prefix != "") && (s.start > stop || s.start == stop && !(s.startIn && q.StopInclusive)) {
		return nil
	}
	s.it = iterator{records: slices.Clone(m.records), prefix: prefix}
	s.it.i, _ = m.find(s.start)
	return s
}

// next returns what a call of Next must return.
func (s *modelScan) next(now uint32) (got []string, res ScanResult) {
	complete, stop := false, string(s.q.StopKey)
	for visited := 0; res.Count < s.batch && visited < s.budget && s.it.valid(); s.it.i++ {
		r := &s.it.records[s.it.i]
		if r.key > stop || r.key == stop && !s.q.StopInclusive {
			complete = true
			break
		}
		if r.key == s.start && !s.startIn {
			continue
		}
		visited++
		h, k, _ := schema.SplitKey([]byte(r.key))
		belongs := s.q.PartitionCount <= 0 || schema.PartitionHash(h, k)%uint64(s.q.PartitionCount) == uint64(s.index)
		if !r.gone(now) && belongs && s.q.HashFilter.match(h) && s.q.SortFilter.match(k) {
			res.Count++
			value := r.value
			if s.q.NoValue {
				value = ""
			}
			if !s.q.OnlyCount {
				got = append(got, fmt.Sprintf("%x=%s@%d", r.key, value, r.expire))
			}
		}
		if r.key == stop {
			complete = true
			break
		}
	}
	s.budget = s.batch
	res.More = !complete && s.it.valid()
	return got, res
}
