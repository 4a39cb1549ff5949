package conformance

import (
	"encoding/hex"
	"strconv"
	"testing"
)

func TestKeyVectors(t *testing.T) {
	var v struct {
		CRC64 []struct {
			In   string `json:"in_hex"`
			Hash string
			Of8  uint64 `json:"partition_of_8"`
			Of3  uint64 `json:"partition_of_3"`
		}
		Keys []struct {
			HashKey string `json:"hash_key_hex"`
			SortKey string `json:"sort_key_hex"`
			Key     string `json:"key_hex"`
			Hash    string `json:"partition_hash"`
		}
		NextKeys []struct {
			Key  string `json:"key_hex"`
			Next string `json:"upper_bound_exclusive_hex"`
		} `json:"next_keys"`
		Addresses []struct {
			Address string
			Wire    string `json:"wire_hex"`
		} `json:"rpc_address"`
	}
	readJSON(t, "testdata/vectors.json", &v)
	if len(v.CRC64) == 0 || len(v.Keys) == 0 || len(v.NextKeys) == 0 || len(v.Addresses) == 0 {
		t.Fatal("vectors are missing")
	}
	for _, c := range v.CRC64 {
		h := keyHash(unhex(t, c.In), nil)
		if strconv.FormatUint(h, 10) != c.Hash || h%8 != c.Of8 || h%3 != c.Of3 {
			t.Errorf("hash of %s is %d, want %s", c.In, h, c.Hash)
		}
	}
	for _, c := range v.Keys {
		hashKey, sortKey := unhex(t, c.HashKey), unhex(t, c.SortKey)
		raw := rawKey(hashKey, sortKey)
		if hex.EncodeToString(raw) != c.Key || strconv.FormatUint(rawKeyHash(raw), 10) != c.Hash {
			t.Errorf("key of %s, %s is %x with hash %d, want %s, %s", c.HashKey, c.SortKey, raw, rawKeyHash(raw), c.Key, c.Hash)
		}
		if h, s, ok := splitRawKey(raw); !ok || string(h) != string(hashKey) || string(s) != string(sortKey) {
			t.Errorf("%x splits into %x, %x, %v", raw, h, s, ok)
		}
	}
	for _, c := range v.NextKeys {
		if got := hex.EncodeToString(nextKey(unhex(t, c.Key))); got != c.Next {
			t.Errorf("next of %s is %s, want %s", c.Key, got, c.Next)
		}
	}
	for _, c := range v.Addresses {
		wire, err := strconv.ParseUint(c.Wire, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := Address(wire).String(); got != c.Address {
			t.Errorf("address %s is %q, want %q", c.Wire, got, c.Address)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
