package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// multiGet returns what req finds as "sort=value" separated by spaces.
func multiGet(p *Partition, req MultiGet) (string, Status) {
	var got []string
	status := p.MultiGet(&req, testNow, func(sortKey, value []byte) {
		got = append(got, fmt.Sprintf("%s=%s", sortKey, value))
	})
	return strings.Join(got, " "), status
}

// openLetters returns a partition with the records a to e under the hash key "h", of which c has
// expired, and neighbours of the hash key.
func openLetters(t *testing.T) *Partition {
	p := openPartition(t)
	for i, s := range []string{"a", "b", "c", "d", "e"} {
		expire := uint32(0)
		if s == "c" {
			expire = testNow
		}
		put(t, p, "h", s, fmt.Sprint(i+1), expire)
	}
	put(t, p, "g", "z", "before", 0)
	put(t, p, "i", "", "after", 0)
	return p
}

func TestMultiGetRange(t *testing.T) {
	p := openLetters(t)
	in := func(start, stop string, inclusive string) MultiGet {
		return MultiGet{
			Start: []byte(start), Stop: []byte(stop),
			StartInclusive: inclusive[0] == '[', StopInclusive: inclusive[1] == ']',
		}
	}
	limit := func(m MultiGet, count, size int32) MultiGet {
		m.MaxCount, m.MaxSize = count, size
		return m
	}
	filter := func(m MultiGet, ft FilterType, pattern string) MultiGet {
		m.Filter = Filter{ft, []byte(pattern)}
		return m
	}
	reverse := func(m MultiGet) MultiGet { m.Reverse = true; return m }
	for _, tc := range []struct {
		name   string
		req    MultiGet
		want   string
		status Status
	}{
		{"all", in("", "", "[)"), "a=1 b=2 d=4 e=5", OK},
		{"stop inclusive without stop", in("", "", "[]"), "a=1 b=2 d=4 e=5", OK},
		{"closed", in("a", "d", "[]"), "a=1 b=2 d=4", OK},
		{"open", in("a", "d", "()"), "b=2", OK},
		{"bounds that are no records", in("aa", "dd", "()"), "b=2 d=4", OK},
		{"one", in("b", "b", "[]"), "b=2", OK},
		{"half open one", in("b", "b", "[)"), "", OK},
		{"backwards", in("d", "b", "[]"), "", OK},

		{"limit inside", limit(in("", "", "[)"), 2, 0), "a=1 b=2", Incomplete},
		{"limit before an expired record and more", limit(in("", "c", "[]"), 2, 0), "a=1 b=2", Incomplete},
		{"limit on the last record of the hash key", limit(in("", "", "[)"), 4, 0), "a=1 b=2 d=4 e=5", OK},
		{"limit on an inclusive stop", limit(in("", "b", "[]"), 2, 0), "a=1 b=2", OK},
		{"limit before an exclusive stop", limit(in("", "c", "[)"), 2, 0), "a=1 b=2", Incomplete},
		{"negative limit", limit(in("", "", "[)"), -1, -1), "a=1 b=2 d=4 e=5", OK},
		{"size counts key and value", limit(in("", "", "[)"), 0, 3), "a=1 b=2", Incomplete},
		{"size reached exactly", limit(in("", "", "[)"), 0, 2), "a=1", Incomplete},

		{"reverse", reverse(in("", "", "[)")), "a=1 b=2 d=4 e=5", OK},
		{"reverse closed", reverse(in("b", "d", "[]")), "b=2 d=4", OK},
		{"reverse open", reverse(in("b", "e", "()")), "d=4", OK},
		{"reverse limit", reverse(limit(in("", "", "[)"), 2, 0)), "d=4 e=5", Incomplete},
		{"reverse limit on the inclusive start", reverse(limit(in("a", "", "[)"), 4, 0)), "a=1 b=2 d=4 e=5", OK},
		{"reverse limit on the last record", reverse(limit(in("", "", "[)"), 4, 0)), "a=1 b=2 d=4 e=5", Incomplete},
		{"reverse size", reverse(limit(in("", "", "[)"), 0, 3)), "d=4 e=5", Incomplete},

		{"anywhere", filter(in("", "", "[)"), MatchAnywhere, "b"), "b=2", OK},
		{"prefix", filter(in("", "", "[)"), MatchPrefix, "d"), "d=4", OK},
		{"prefix equals exclusive start", filter(in("d", "", "()"), MatchPrefix, "d"), "", OK},
		{"prefix above exclusive start", filter(in("b", "", "()"), MatchPrefix, "d"), "d=4", OK},
		{"prefix outside", filter(in("a", "b", "[]"), MatchPrefix, "d"), "", OK},
		{"postfix", filter(in("", "", "[)"), MatchPostfix, "e"), "e=5", OK},
		{"empty pattern", filter(in("", "", "[)"), MatchPostfix, ""), "a=1 b=2 d=4 e=5", OK},
		{"no filter ignores the pattern", filter(in("", "", "[)"), NoFilter, "x"), "a=1 b=2 d=4 e=5", OK},
		{"limit before filtered records", limit(filter(in("", "", "[)"), MatchAnywhere, "b"), 1, 0), "b=2", Incomplete},
		{"unknown filter", filter(in("", "", "[)"), 4, ""), "", InvalidArgument},
		{"negative filter", filter(in("", "", "[)"), -1, ""), "", InvalidArgument},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.req.HashKey = []byte("h")
			got, status := multiGet(p, tc.req)
			if got != tc.want || status != tc.status {
				t.Errorf("got %q, status %d; want %q, %d", got, status, tc.want, tc.status)
			}
		})
	}
}

func TestMultiGetNoValue(t *testing.T) {
	p := openLetters(t)
	for _, reverse := range []bool{false, true} {
		// Three bytes are two sort keys and some: without values these are all that counts.
		req := MultiGet{HashKey: []byte("h"), StartInclusive: true, NoValue: true, MaxSize: 3, Reverse: reverse}
		want := "a= b= d="
		if reverse {
			want = "b= d= e="
		}
		if got, status := multiGet(p, req); got != want || status != Incomplete {
			t.Errorf("reverse %v: %q, status %d; want %q", reverse, got, status, want)
		}
	}
}

func TestMultiGetKeys(t *testing.T) {
	p := openLetters(t)
	keys := func(s string) (keys [][]byte) {
		for f := range strings.FieldsSeq(s) {
			keys = append(keys, []byte(f))
		}
		return keys
	}
	for _, tc := range []struct {
		name   string
		req    MultiGet
		want   string
		status Status
	}{
		{"request order and duplicates", MultiGet{SortKeys: keys("d a x a c")}, "d=4 a=1 a=1", OK},
		{"one", MultiGet{SortKeys: keys("a")}, "a=1", OK},
		{"one missing", MultiGet{SortKeys: keys("x")}, "", OK},
		{"bounds and direction ignored", MultiGet{SortKeys: keys("a"), Start: []byte("b"), Reverse: true}, "a=1", OK},
		{"limit with another record behind", MultiGet{SortKeys: keys("a b d"), MaxCount: 2}, "a=1 b=2", Incomplete},
		{"limit with nothing behind", MultiGet{SortKeys: keys("a b c x"), MaxCount: 2}, "a=1 b=2", OK},
		{"one byte over the size", MultiGet{SortKeys: keys("a b"), MaxSize: 1}, "a=1", Incomplete},
		{"size without values", MultiGet{SortKeys: keys("a b d"), MaxSize: 2, NoValue: true}, "a= b=", Incomplete},
		{"unknown filter", MultiGet{SortKeys: keys("a"), Filter: Filter{Type: 9}}, "", InvalidArgument},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.req.HashKey = []byte("h")
			got, status := multiGet(p, tc.req)
			if got != tc.want || status != tc.status {
				t.Errorf("got %q, status %d; want %q, %d", got, status, tc.want, tc.status)
			}
		})
	}
}

func TestLongHashKeyRefused(t *testing.T) {
	p := openPartition(t)
	long := make([]byte, schema.MaxHashKeyLen+1)
	if _, status := multiGet(p, MultiGet{HashKey: long}); status != InvalidArgument {
		t.Errorf("MultiGet: status %d", status)
	}
	if n, status := p.SortKeyCount(long, testNow, nil); status != InvalidArgument || n != 0 {
		t.Errorf("SortKeyCount: %d, status %d", n, status)
	}
	mp, c := p.MultiPut(long, []KV{{}}, 0, testNow)
	done(t, mp, c, InvalidArgument)
	mr, c := p.MultiRemove(long, [][]byte{nil})
	done(t, mr.WriteResult, c, InvalidArgument)
	cas, c := p.CheckAndSet(&CheckAndSet{HashKey: long, ReturnCheckValue: true}, testNow)
	done(t, cas.WriteResult, c, InvalidArgument)
	cam, c := p.CheckAndMutate(&CheckAndMutate{HashKey: long, Mutations: []Mutation{{}}}, testNow)
	done(t, cam.WriteResult, c, InvalidArgument)
	if got := scanAll(t, p); got != "" {
		t.Errorf("something was written: %.80q", got)
	}
	put(t, p, string(long[1:]), "s", "v", 0)
	if got, status := multiGet(p, MultiGet{HashKey: long[1:], StartInclusive: true}); got != "s=v" || status != OK {
		t.Errorf("longest hash key: %q, status %d", got, status)
	}
}

// The number of records a range read visits is limited, whether they are returned or not.
func TestMultiGetVisitBudget(t *testing.T) {
	db := openDB(t, Options{Limits: limits.Limits{MultiGetCount: 5, MultiGetSize: 4}})
	p := partition(t, db, 1, 0)
	for i := range 6 {
		put(t, p, "expired", fmt.Sprint(i), "v", 1)
		put(t, p, "live", fmt.Sprint(i), "", 0)
	}
	for _, reverse := range []bool{false, true} {
		req := MultiGet{HashKey: []byte("expired"), StartInclusive: true, Reverse: reverse}
		if got, status := multiGet(p, req); got != "" || status != Incomplete {
			t.Errorf("expired, reverse %v: %q, status %d", reverse, got, status)
		}
	}
	// The size limit of the store comes before the count limit here; it does not hold for keys.
	if got, status := multiGet(p, MultiGet{HashKey: []byte("live"), StartInclusive: true}); got != "0= 1= 2= 3=" || status != Incomplete {
		t.Errorf("size limit: %q, status %d", got, status)
	}
	var keys [][]byte
	for i := range 6 {
		keys = append(keys, fmt.Append(nil, i))
	}
	if got, status := multiGet(p, MultiGet{HashKey: []byte("live"), SortKeys: keys}); got != "0= 1= 2= 3= 4=" || status != Incomplete {
		t.Errorf("keys: %q, status %d", got, status)
	}
}

// ticking returns a clock that advances by a second each time it is read.
func ticking() func() time.Time {
	now := testTime()
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func TestIterationTime(t *testing.T) {
	db := openDB(t, Options{
		Clock: ticking(), SweepInterval: -1,
		Limits: limits.Limits{MultiGetCount: 10, ScanCount: 10, IterationTime: 3 * time.Second},
	})
	p := partition(t, db, 1, 0)
	for i := range 8 {
		put(t, p, "h", fmt.Sprint(i), "", 0)
	}
	// With a budget of ten the clock is read before every record: three seconds are over before
	// the fourth.
	all := MultiGet{HashKey: []byte("h"), StartInclusive: true}
	if got, status := multiGet(p, all); got != "0= 1= 2=" || status != Incomplete {
		t.Errorf("MultiGet: %q, status %d", got, status)
	}
	if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != -1 || status != OK {
		t.Errorf("SortKeyCount: %d, status %d", n, status)
	}
	s, _ := p.NewScanner(fullScan())
	if got, res := next(t, s); got != "h/0= h/1= h/2=" || res.Status != Incomplete || res.More {
		t.Errorf("scan: %q, %+v", got, res)
	}
	if _, res := next(t, s); res.Status != NotFound {
		t.Errorf("scan after the time was over: %+v", res)
	}
	p.SetIterationTime(0)
	if _, status := multiGet(p, all); status != OK {
		t.Errorf("MultiGet without time limit: status %d", status)
	}
	if n, status := p.SortKeyCount([]byte("h"), testNow, nil); n != 8 || status != OK {
		t.Errorf("SortKeyCount without time limit: %d, status %d", n, status)
	}
}

func TestSortKeyCount(t *testing.T) {
	p := openLetters(t)
	for hashKey, want := range map[string]int64{"h": 4, "g": 1, "missing": 0, "": 0} {
		if n, status := p.SortKeyCount([]byte(hashKey), testNow, nil); n != want || status != OK {
			t.Errorf("%q: %d, status %d; want %d", hashKey, n, status, want)
		}
	}
}
