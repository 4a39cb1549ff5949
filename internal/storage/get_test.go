package storage

import (
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/schema"
)

func TestGet(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "s", "v", 0)
	put(t, p, "h", "", "", 0)
	put(t, p, "", "", "empty", 0)
	put(t, p, "h", "ttl", "v", testNow+1)
	put(t, p, "h", "expired", "v", testNow)
	put(t, p, "h", "far", "v", 1<<32-1)
	for _, tc := range []struct{ hashKey, sortKey, want string }{
		{"h", "s", "v"},
		{"h", "", ""},
		{"", "", "empty"},
		{"h", "ttl", "v"},
		{"h", "far", "v"},
		{"h", "expired", "<not found>"},
		{"h", "missing", "<not found>"},
		{"hs", "", "<not found>"},
	} {
		if got := get(p, tc.hashKey, tc.sortKey); got != tc.want {
			t.Errorf("get %q %q = %q, want %q", tc.hashKey, tc.sortKey, got, tc.want)
		}
	}
}

func TestGetAppends(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "s", "value", 7000)
	v, expire, status := p.Get([]byte("dst "), rawKeyOf("h", "s"), testNow)
	if string(v) != "dst value" || expire != 7000 || status != OK {
		t.Errorf("got %q, %d, %d", v, expire, status)
	}
	v, expire, status = p.Get([]byte("dst "), rawKeyOf("h", "missing"), testNow)
	if string(v) != "dst " || expire != 0 || status != NotFound {
		t.Errorf("missing: got %q, %d, %d", v, expire, status)
	}
}

func malformedKeys() []string {
	return []string{"", "\x00", "\x00\x01", "\x00\x0aaa", "\xff\xff" + strings.Repeat("k", schema.MaxHashKeyLen+1)}
}

func TestGetMalformed(t *testing.T) {
	p := openPartition(t)
	for _, key := range malformedKeys() {
		if v, _, status := p.Get(nil, []byte(key), testNow); status != InvalidArgument || v != nil {
			t.Errorf("key of %d bytes: status %d, value %q", len(key), status, v)
		}
	}
}

// Records of neighbours in the key space must not be seen.
func TestPartitionsAreSeparate(t *testing.T) {
	db := openDB(t, Options{})
	ids := [][2]int32{{1, 0}, {1, 1}, {2, 0}, {1, 1<<31 - 1}, {1<<31 - 1, 1<<31 - 1}}
	for i, id := range ids {
		put(t, partition(t, db, id[0], id[1]), "h", string(rune('a'+i)), "v", 0)
	}
	for i, id := range ids {
		p := partition(t, db, id[0], id[1])
		if got, want := scanAll(t, p), "h/"+string(rune('a'+i))+"=v"; got != want {
			t.Errorf("partition %v holds %q, want %q", id, got, want)
		}
	}
}

func batchGet(p *Partition, pairs ...string) (string, Status) {
	var keys []HashSortKey
	for _, pair := range pairs {
		h, s, _ := strings.Cut(pair, "/")
		keys = append(keys, HashSortKey{[]byte(h), []byte(s)})
	}
	var got []string
	status := p.BatchGet(keys, testNow, nil, func(i int, value []byte) {
		got = append(got, pairs[i]+"="+string(value))
	})
	return strings.Join(got, " "), status
}

func TestBatchGet(t *testing.T) {
	p := openPartition(t)
	put(t, p, "h", "a", "1", 0)
	put(t, p, "g", "b", "2", 0)
	put(t, p, "g", "old", "3", testNow)
	for _, tc := range []struct {
		keys   string
		want   string
		status Status
	}{
		{"g/b h/a", "g/b=2 h/a=1", OK},
		{"h/a", "h/a=1", OK},
		{"h/a h/x h/a g/old", "h/a=1 h/a=1", OK},
		{"h/x", "", OK},
		{"", "", InvalidArgument},
		{"h/a " + strings.Repeat("k", schema.MaxHashKeyLen+1) + "/a", "", InvalidArgument},
	} {
		got, status := batchGet(p, strings.Fields(tc.keys)...)
		if got != tc.want || status != tc.status {
			t.Errorf("%.40q: %q, %d; want %q, %d", tc.keys, got, status, tc.want, tc.status)
		}
	}
}
