package wire

import (
	"testing"

	"pgregory.net/rapid"
)

// The short forms of decoding agree with the long ones, on good and bad bytes.
func TestShortDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		if rapid.Bool().Draw(t, "other order") {
			b = appendI64Field(b, 9, 1)
		}
		b = ReadResponse{
			Error: rapid.Int32().Draw(t, "error"),
			Value: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value"),
		}.AppendValue(b)
		fields := countFields(b)
		if rapid.Bool().Draw(t, "flipped") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		}
		if countFields(b) != fields {
			return // a field that comes twice is the one case in which they may differ
		}
		var read, readLong ReadResponse
		short, long := NewReader(b), NewReader(b)
		read.ReadValue(&short)
		readLong.Read(&long)
		if long.Err() == nil && (short.Err() != nil || read.Error != readLong.Error || string(read.Value) != string(readLong.Value)) {
			t.Fatalf("get: %x: got %d %x (%v), want %d %x", b, read.Error, read.Value, short.Err(), readLong.Error, readLong.Value)
		}

		var update, updateLong UpdateResponse
		short, long = NewReader(b), NewReader(b)
		update.ReadError(&short)
		updateLong.Read(&long)
		if long.Err() == nil && (short.Err() != nil || update.Error != updateLong.Error) {
			t.Fatalf("put: %x: got %d (%v), want %d", b, update.Error, short.Err(), updateLong.Error)
		}
	})
}

// countFields returns the number of different fields of the struct in b.
func countFields(b []byte) int {
	ids := map[int16]bool{}
	r := NewReader(b)
	for {
		typ, id := r.Field()
		if typ == TypeStop {
			return len(ids)
		}
		ids[id] = true
		if typ == TypeStruct {
			r.Blob()
		} else {
			r.Skip(typ)
		}
	}
}

// A record in the plain form is read as any other, and one that is nearly in
// that form is left alone.
func TestReadPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.Byte(), 0, 20)
		b := KeyValue{Key: blob.Draw(t, "key"), Value: blob.Draw(t, "value")}.AppendValue(nil)
		if rapid.Bool().Draw(t, "flipped") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		}
		if rapid.Bool().Draw(t, "cut") {
			b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
		}
		var plain, long KeyValue
		rp, rl := NewReader(b), NewReader(b)
		isPlain := plain.readPlain(&rp)
		long.read(&rl)
		switch {
		case isPlain && (rl.Err() != nil || rp.pos != rl.pos || string(plain.Key) != string(long.Key) || string(plain.Value) != string(long.Value)):
			t.Fatalf("%x: plain %+v, want %+v (%v)", b, plain, long, rl.Err())
		case !isPlain && rp.pos != 0:
			t.Fatalf("%x: not plain, but %d bytes read", b, rp.pos)
		}
	})
}
