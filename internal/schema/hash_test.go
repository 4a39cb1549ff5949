package schema

import (
	"fmt"
	"hash/crc64"
	"testing"
)

func TestHashVectors(t *testing.T) {
	for _, v := range loadVectors(t).CRC64 {
		h := Hash(v.In)
		if h != v.Hash || h%8 != v.Of8 || h%3 != v.Of3 {
			t.Errorf("Hash(%x) = %x, want %x", v.In, h, v.Hash)
		}
	}
	if h := Hash([]byte("123456789")); h != 0xae8b14860a799888 {
		t.Errorf("check value = %x", h)
	}
}

// The standard library is the oracle: every length around the eight-byte step, every alignment.
func TestHashAgainstStandardLibrary(t *testing.T) {
	table := crc64.MakeTable(crcPoly)
	b := make([]byte, 300)
	for i := range b {
		b[i] = byte(i*i + i>>3)
	}
	for start := range 9 {
		for end := start; end <= len(b); end++ {
			if got, want := Hash(b[start:end]), crc64.Checksum(b[start:end], table); got != want {
				t.Fatalf("Hash of %d bytes = %x, want %x", end-start, got, want)
			}
		}
	}
}

func TestPartitionHash(t *testing.T) {
	if PartitionHash([]byte("h"), []byte("s")) != Hash([]byte("h")) {
		t.Error("a hash key must decide alone")
	}
	if PartitionHash(nil, []byte("s")) != Hash([]byte("s")) {
		t.Error("without a hash key the sort key must decide")
	}
}

func FuzzHash(f *testing.F) {
	table := crc64.MakeTable(crcPoly)
	f.Add([]byte("123456789"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Hash(b), crc64.Checksum(b, table); got != want {
			t.Fatalf("Hash(%x) = %x, want %x", b, got, want)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	for _, n := range []int{8, 16, 32, 128} {
		b.Run(fmt.Sprintf("size=%d", n), func(b *testing.B) {
			key := make([]byte, n)
			b.ReportAllocs()
			for b.Loop() {
				Hash(key)
			}
		})
	}
}
