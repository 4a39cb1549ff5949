package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// hexBytes is a byte string written in hex in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

type vectors struct {
	CRC64 []struct {
		In   hexBytes `json:"in_hex"`
		Hash uint64   `json:"hash,string"`
		Of8  uint64   `json:"partition_of_8"`
		Of3  uint64   `json:"partition_of_3"`
	} `json:"crc64"`
	Keys []struct {
		HashKey   hexBytes `json:"hash_key_hex"`
		SortKey   hexBytes `json:"sort_key_hex"`
		Key       hexBytes `json:"key_hex"`
		Hash      uint64   `json:"partition_hash,string"`
		Partition uint64   `json:"partition_of_8"`
	} `json:"keys"`
	NextKeys []struct {
		HashKey hexBytes `json:"hash_key_hex"`
		Prefix  hexBytes `json:"sort_key_prefix_hex"`
		Key     hexBytes `json:"key_hex"`
		Bound   hexBytes `json:"upper_bound_exclusive_hex"`
	} `json:"next_keys"`
}

func loadVectors(t *testing.T) *vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	if len(v.CRC64) == 0 || len(v.Keys) == 0 || len(v.NextKeys) == 0 {
		t.Fatal("testdata/vectors.json: a list is empty")
	}
	return v
}

func TestKeyVectors(t *testing.T) {
	for _, v := range loadVectors(t).Keys {
		key := AppendKey(nil, v.HashKey, v.SortKey)
		if !bytes.Equal(key, v.Key) {
			t.Errorf("AppendKey(%x, %x) = %x, want %x", v.HashKey, v.SortKey, key, v.Key)
		}
		hashKey, sortKey, ok := SplitKey(v.Key)
		if !ok || !bytes.Equal(hashKey, v.HashKey) || !bytes.Equal(sortKey, v.SortKey) {
			t.Errorf("SplitKey(%x) = %x, %x, %v", v.Key, hashKey, sortKey, ok)
		}
		if h := PartitionHash(v.HashKey, v.SortKey); h != v.Hash || h%8 != v.Partition {
			t.Errorf("PartitionHash(%x, %x) = %d, want %d", v.HashKey, v.SortKey, h, v.Hash)
		}
		if h := KeyHash(v.Key); h != v.Hash {
			t.Errorf("KeyHash(%x) = %d, want %d", v.Key, h, v.Hash)
		}
	}
}

func TestNextVectors(t *testing.T) {
	for _, v := range loadVectors(t).NextKeys {
		key := AppendKey(nil, v.HashKey, v.Prefix)
		if !bytes.Equal(key, v.Key) {
			t.Errorf("AppendKey(%x, %x) = %x, want %x", v.HashKey, v.Prefix, key, v.Key)
		}
		if next := AppendNext([]byte("x"), key); !bytes.Equal(next[1:], v.Bound) || next[0] != 'x' {
			t.Errorf("AppendNext(x, %x) = %x, want x and %x", key, next, v.Bound)
		}
	}
}

func TestNextUnbounded(t *testing.T) {
	for _, key := range []string{"", "\xff", "\xff\xff\xff"} {
		if next := AppendNext([]byte("dst"), []byte(key)); string(next) != "dst" {
			t.Errorf("AppendNext(dst, %x) = %q, want dst alone", key, next)
		}
	}
	if next := AppendNext(nil, AppendKey(nil, nil, nil)); !bytes.Equal(next, []byte{0, 1}) {
		t.Errorf("bound of the empty hash key = %x, want 0001", next)
	}
}

func TestSplitKeyMalformed(t *testing.T) {
	tooLong := append([]byte{0xff, 0xff}, make([]byte, MaxHashKeyLen+1)...)
	for _, key := range [][]byte{nil, {0}, {0, 1}, {0, 2, 'a'}, {0xff, 0xfe, 1}, tooLong} {
		if hashKey, sortKey, ok := SplitKey(key); ok || hashKey != nil || sortKey != nil {
			t.Errorf("SplitKey of %d bytes %.4x = %x, %x, %v; want malformed", len(key), key, hashKey, sortKey, ok)
		}
		if h := KeyHash(key); h != 0 {
			t.Errorf("KeyHash of %d bytes %.4x = %d, want 0", len(key), key, h)
		}
	}
}

func TestAppendKeyLongest(t *testing.T) {
	hashKey := bytes.Repeat([]byte("h"), MaxHashKeyLen)
	h, s, ok := SplitKey(AppendKey(nil, hashKey, []byte("s")))
	if !ok || !bytes.Equal(h, hashKey) || string(s) != "s" {
		t.Errorf("longest hash key came back as %d bytes, sort key %q, %v", len(h), s, ok)
	}
	defer func() {
		if recover() == nil {
			t.Error("AppendKey took a hash key that is too long")
		}
	}()
	AppendKey(nil, append(hashKey, 'h'), nil)
}

// Appending to one of SplitKey's results must not write into the key.
func TestSplitKeyCapacity(t *testing.T) {
	key := AppendKey(nil, []byte("hash"), []byte("sort"))
	hashKey, _, _ := SplitKey(key)
	_ = append(hashKey, '!')
	if want := "\x00\x04hashsort"; string(key) != want {
		t.Errorf("key became %q, want %q", key, want)
	}
}

// smallBytes draws byte strings that often share prefixes and end in 0xff.
func smallBytes() *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0xfe, 0xff}), 0, 6)
}

func TestKeyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h1, s1 := smallBytes().Draw(t, "h1"), smallBytes().Draw(t, "s1")
		h2, s2 := smallBytes().Draw(t, "h2"), smallBytes().Draw(t, "s2")
		k1, k2 := AppendKey(nil, h1, s1), AppendKey(nil, h2, s2)

		order := bytes.Compare(k1, k2)
		want := len(h1) - len(h2)
		if want == 0 {
			want = bytes.Compare(h1, h2)
		}
		if want == 0 {
			want = bytes.Compare(s1, s2)
		}
		if (order < 0) != (want < 0) || (order > 0) != (want > 0) {
			t.Fatalf("order of %x and %x is %d, of their parts %d", k1, k2, order, want)
		}

		// The bound of h1 separates exactly the keys of h1 from the greater ones.
		bound := AppendNext(nil, AppendKey(nil, h1, nil))
		if bytes.Equal(h1, h2) {
			if bytes.Compare(k2, bound) >= 0 {
				t.Fatalf("key %x is not below the bound %x of its hash key", k2, bound)
			}
		} else if order < 0 && bytes.Compare(k2, bound) < 0 {
			t.Fatalf("key %x of another hash key is below the bound %x", k2, bound)
		}
	})
}

func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := smallBytes().Draw(t, "a"), smallBytes().Draw(t, "b")
		next := AppendNext(nil, a)
		if len(next) == 0 {
			return // no bound; TestNextUnbounded says when
		}
		if inside := bytes.Compare(b, next) < 0 && bytes.Compare(b, a) >= 0; inside != bytes.HasPrefix(b, a) {
			t.Fatalf("%x within [%x, %x) is %v", b, a, next, inside)
		}
	})
}

func FuzzSplitKey(f *testing.F) {
	f.Add([]byte("\x00\x04hashsort"))
	f.Add([]byte{0})
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, key []byte) {
		hashKey, sortKey, ok := SplitKey(key)
		if !ok {
			return
		}
		if again := AppendKey(nil, hashKey, sortKey); !bytes.Equal(again, key) {
			t.Fatalf("SplitKey(%x) and AppendKey give %x", key, again)
		}
		if len(AppendNext(nil, key)) == 0 {
			t.Fatalf("full key %x has no bound", key)
		}
	})
}
