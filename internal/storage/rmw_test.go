package storage

import (
	"fmt"
	"math"
	"sync"
	"testing"
)

func TestIncr(t *testing.T) {
	missing := "<missing>"
	for _, tc := range []struct {
		old       string
		oldExpire uint32
		by        int64
		expire    int32
		status    Status
		want      int64
		stored    string
		newExpire uint32
	}{
		{missing, 0, 5, 0, OK, 5, "5", 0},
		{missing, 0, 0, 0, OK, 0, "0", 0},
		{missing, 0, -5, 7000, OK, -5, "-5", 7000},
		{missing, 0, 1, -1, OK, 1, "1", 0},
		{"old", testNow, 5, 0, OK, 5, "5", 0}, // expired: as if missing, and not an integer either
		{"", 0, 5, 0, OK, 5, "5", 0},
		{"", 6000, 5, 0, OK, 5, "5", 6000},
		{"10", 6000, 5, 0, OK, 15, "15", 6000},
		{"10", 6000, 5, 7000, OK, 15, "15", 7000},
		{"10", 6000, 5, -7, OK, 15, "15", 0},
		{"10", math.MaxUint32, 5, 0, OK, 15, "15", math.MaxUint32},
		{" 0x10", 0, -1, 0, OK, 15, "15", 0},
		{"-0", 0, 0, 0, OK, 0, "0", 0},
		{"abc", 6000, 1, 7000, InvalidArgument, 0, "abc", 6000},
		{"1 ", 0, 1, 0, InvalidArgument, 0, "1 ", 0},
		{"9223372036854775807", 0, 1, 0, InvalidArgument, math.MaxInt64, "9223372036854775807", 0},
		{"9223372036854775807", 0, 0, 0, OK, math.MaxInt64, "9223372036854775807", 0},
		{"9223372036854775806", 0, 1, 0, OK, math.MaxInt64, "9223372036854775807", 0},
		{"-9223372036854775808", 0, -1, 0, InvalidArgument, math.MinInt64, "-9223372036854775808", 0},
		{"-9223372036854775807", 0, -1, 0, OK, math.MinInt64, "-9223372036854775808", 0},
		{"-1", 0, math.MinInt64, 0, InvalidArgument, -1, "-1", 0},
		{"1", 0, math.MaxInt64, 0, InvalidArgument, 1, "1", 0},
		{"-1", 0, math.MaxInt64, 0, OK, math.MaxInt64 - 1, "9223372036854775806", 0},
	} {
		t.Run(fmt.Sprintf("%s+%d,%d", tc.old, tc.by, tc.expire), func(t *testing.T) {
			p := openPartition(t)
			if tc.old != missing {
				put(t, p, "h", "s", tc.old, tc.oldExpire)
			}
			res, c := p.Incr(rawKeyOf("h", "s"), tc.by, tc.expire, testNow)
			if done(t, res.WriteResult, c, tc.status); res.NewValue != tc.want {
				t.Errorf("new value %d, want %d", res.NewValue, tc.want)
			}
			v, expire, _ := p.Get(nil, rawKeyOf("h", "s"), testNow)
			if string(v) != tc.stored || expire != tc.newExpire {
				t.Errorf("stored %q, expire %d; want %q, %d", v, expire, tc.stored, tc.newExpire)
			}
		})
	}
}

func TestIncrIntoThePast(t *testing.T) {
	p := openPartition(t)
	res, c := p.Incr(rawKeyOf("h", "s"), 3, 1, testNow)
	if done(t, res.WriteResult, c, OK); res.NewValue != 3 {
		t.Errorf("new value %d", res.NewValue)
	}
	if got := get(p, "h", "s"); got != "<not found>" {
		t.Errorf("got %q", got)
	}
}

func TestCheckTypes(t *testing.T) {
	const missing = "<missing>"
	for _, tc := range []struct {
		check   CheckType
		value   string
		operand string
		want    Status
	}{
		{NoCheck, missing, "", OK},
		{NoCheck, "v", "", OK},
		{ValueNotExist, missing, "", OK},
		{ValueNotExist, "", "", TryAgain},
		{ValueNotExistOrEmpty, missing, "", OK},
		{ValueNotExistOrEmpty, "", "", OK},
		{ValueNotExistOrEmpty, "v", "", TryAgain},
		{ValueExist, missing, "", TryAgain},
		{ValueExist, "", "", OK},
		{ValueNotEmpty, missing, "", TryAgain},
		{ValueNotEmpty, "", "", TryAgain},
		{ValueNotEmpty, "v", "", OK},

		{ValueMatchAnywhere, missing, "", TryAgain},
		{ValueMatchAnywhere, "", "", OK},
		{ValueMatchAnywhere, "abc", "b", OK},
		{ValueMatchAnywhere, "abc", "x", TryAgain},
		{ValueMatchPrefix, "abc", "ab", OK},
		{ValueMatchPrefix, "abc", "bc", TryAgain},
		{ValueMatchPrefix, "abc", "abcd", TryAgain},
		{ValueMatchPostfix, "abc", "bc", OK},
		{ValueMatchPostfix, "abc", "ab", TryAgain},
		{ValueMatchPostfix, "abc", "", OK},

		{ValueBytesLess, missing, "z", TryAgain},
		{ValueBytesLess, "a", "b", OK},
		{ValueBytesLess, "a", "ab", OK},
		{ValueBytesLess, "b", "b", TryAgain},
		{ValueBytesLess, "\xff", "a", TryAgain},
		{ValueBytesLessOrEqual, "b", "b", OK},
		{ValueBytesLessOrEqual, "c", "b", TryAgain},
		{ValueBytesEqual, "b", "b", OK},
		{ValueBytesEqual, "", "", OK},
		{ValueBytesEqual, "b", "bb", TryAgain},
		{ValueBytesGreaterOrEq, "b", "b", OK},
		{ValueBytesGreaterOrEq, "a", "b", TryAgain},
		{ValueBytesGreater, "\xff", "a", OK},
		{ValueBytesGreater, "b", "b", TryAgain},

		{ValueIntLess, missing, "x", TryAgain},
		{ValueIntLess, "9", "10", OK},
		{ValueIntLess, "10", "9", TryAgain},
		{ValueIntLess, "-1", "0", OK},
		{ValueIntLessOrEqual, "10", "0xa", OK},
		{ValueIntLessOrEqual, "11", "10", TryAgain},
		{ValueIntEqual, "010", "8", OK},
		{ValueIntEqual, "8", "9", TryAgain},
		{ValueIntGreaterOrEq, "8", "8", OK},
		{ValueIntGreaterOrEq, "7", "8", TryAgain},
		{ValueIntGreater, "10", "9", OK},
		{ValueIntGreater, "9", "9", TryAgain},
		{ValueIntGreater, "", "9", InvalidArgument},
		{ValueIntGreater, "9", "", InvalidArgument},
		{ValueIntGreater, "x", "9", InvalidArgument},
		{ValueIntGreater, "9", "9223372036854775808", InvalidArgument},

		{-1, "v", "", InvalidArgument},
		{18, "v", "", InvalidArgument},
		{math.MaxInt32, missing, "", InvalidArgument},
		{math.MinInt32, missing, "", InvalidArgument},
	} {
		t.Run(fmt.Sprintf("%d/%s/%s", tc.check, tc.value, tc.operand), func(t *testing.T) {
			p := openPartition(t)
			if tc.value != missing {
				put(t, p, "h", "check", tc.value, 0)
			}
			known := tc.check >= NoCheck && tc.check <= ValueIntGreater
			res, c := p.CheckAndSet(&CheckAndSet{
				HashKey: []byte("h"), CheckSortKey: []byte("check"), Check: tc.check, Operand: []byte(tc.operand),
				SetDiffSortKey: true, SetSortKey: []byte("set"), SetValue: []byte("new"), ReturnCheckValue: true,
			}, testNow)
			done(t, res.WriteResult, c, tc.want)
			exist := known && tc.value != missing
			if res.CheckValueReturned != known || res.CheckValueExist != exist || exist && string(res.CheckValue) != tc.value {
				t.Errorf("check value: %+v", res)
			}
			want := "<not found>"
			if tc.want == OK {
				want = "new"
			}
			if got := get(p, "h", "set"); got != want {
				t.Errorf("stored %q, want %q", got, want)
			}

			// The same check guards a mutation in the same way.
			mutate, c := p.CheckAndMutate(&CheckAndMutate{
				HashKey: []byte("h"), CheckSortKey: []byte("check"), Check: tc.check, Operand: []byte(tc.operand),
				Mutations: []Mutation{{SortKey: []byte("mutated"), Value: []byte("new")}}, ReturnCheckValue: true,
			}, testNow)
			done(t, mutate.WriteResult, c, tc.want)
			if mutate.CheckValueReturned != known || mutate.CheckValueExist != exist || string(mutate.CheckValue) != string(res.CheckValue) {
				t.Errorf("check value of the mutation: %+v", mutate)
			}
			if got := get(p, "h", "mutated"); got != want {
				t.Errorf("mutated %q, want %q", got, want)
			}
		})
	}
}

func TestCheckAndSetTarget(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "a", "1", 6000)
	req := CheckAndSet{HashKey: []byte("h"), CheckSortKey: []byte("a"), SetSortKey: []byte("b"), SetValue: []byte("2")}
	res, c := p.CheckAndSet(&req, testNow)
	done(t, res.WriteResult, c, OK)
	if res.CheckValueReturned || res.CheckValueExist || res.CheckValue != nil {
		t.Errorf("check value that was not asked for: %+v", res)
	}
	// Without SetDiffSortKey the checked record is set, and does not keep its expiry.
	if v, expire, _ := p.Get(nil, rawKeyOf("h", "a"), testNow); string(v) != "2" || expire != 0 {
		t.Errorf("a = %q, expire %d", v, expire)
	}
	req.SetDiffSortKey, req.SetExpire = true, 7000
	res, c = p.CheckAndSet(&req, testNow)
	done(t, res.WriteResult, c, OK)
	if v, expire, _ := p.Get(nil, rawKeyOf("h", "b"), testNow); string(v) != "2" || expire != 7000 {
		t.Errorf("b = %q, expire %d", v, expire)
	}
}

func TestCheckOfExpiredRecord(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "a", "1", testNow)
	res, c := p.CheckAndSet(&CheckAndSet{
		HashKey: []byte("h"), CheckSortKey: []byte("a"), Check: ValueNotExist, SetValue: []byte("2"), ReturnCheckValue: true,
	}, testNow)
	if done(t, res.WriteResult, c, OK); !res.CheckValueReturned || res.CheckValueExist || len(res.CheckValue) > 0 {
		t.Errorf("check value: %+v", res)
	}
}

func TestCheckAndMutate(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "gone", "1", 0)
	req := CheckAndMutate{HashKey: []byte("h"), Mutations: []Mutation{
		{SortKey: []byte("a"), Value: []byte("1"), Expire: 7000},
		{SortKey: []byte("b"), Value: []byte("2")},
		{Operation: MutateRemove, SortKey: []byte("a"), Value: []byte("ignored"), Expire: 1},
		{Operation: MutateRemove, SortKey: []byte("gone")},
		{SortKey: []byte("b"), Value: []byte("3"), Expire: 8000},
	}}
	res, c := p.CheckAndMutate(&req, testNow)
	done(t, res.WriteResult, c, OK)
	if got := scanAll(t, p); got != "h/b=3" {
		t.Errorf("got %q", got)
	}
	if _, expire, _ := p.Get(nil, rawKeyOf("h", "b"), testNow); expire != 8000 {
		t.Errorf("expire %d", expire)
	}
	for name, mutations := range map[string][]Mutation{
		"none":              nil,
		"unknown operation": {{SortKey: []byte("c")}, {Operation: 2, SortKey: []byte("d")}},
		"negative":          {{Operation: -1}},
	} {
		req := CheckAndMutate{HashKey: []byte("h"), Mutations: mutations, ReturnCheckValue: true}
		res, c := p.CheckAndMutate(&req, testNow)
		if done(t, res.WriteResult, c, InvalidArgument); res.CheckValueReturned {
			t.Errorf("%s: check value returned", name)
		}
	}
	if got := scanAll(t, p); got != "h/b=3" {
		t.Errorf("after refused requests: %q", got)
	}
}

// Increments of several goroutines are not lost, and their decrees differ.
func TestConcurrentIncr(t *testing.T) {
	db := openDB(t, Options{Dir: t.TempDir()})
	p := partition(t, db, 1, 0)
	const goroutines, each = 16, 25
	var mu sync.Mutex
	values, decrees := map[int64]bool{}, map[int64]bool{}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				res, c := p.Incr(rawKeyOf("h", "s"), 1, 0, testNow)
				if err := c.Wait(); err != nil || res.Status != OK {
					t.Errorf("status %d, %v", res.Status, err)
				}
				mu.Lock()
				values[res.NewValue], decrees[res.Decree] = true, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(values) != goroutines*each || len(decrees) != goroutines*each {
		t.Errorf("%d values, %d decrees of %d increments", len(values), len(decrees), goroutines*each)
	}
	if got, want := get(p, "h", "s"), fmt.Sprint(goroutines*each); got != want {
		t.Errorf("sum %s, want %s", got, want)
	}
}
