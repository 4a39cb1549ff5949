package wire

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// The decoder of a partition decodes what the one of all structs does, also what is
// damaged.
func TestPartitionIsReadAsAnyStruct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addresses := rapid.SliceOfN(rapid.Map(rapid.Uint64(), func(n uint64) Address { return Address(n) }), 0, 3)
		hosts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) HostPort {
			return HostPort{Host: rapid.StringN(0, 5, 5).Draw(t, "host"), Port: rapid.Uint16().Draw(t, "port"), Type: rapid.Byte().Draw(t, "type")}
		}), 0, 2)
		p := PartitionConfiguration{
			PID:                 GPID{AppID: rapid.Int32().Draw(t, "app"), PartitionIndex: rapid.Int32().Draw(t, "partition")},
			Ballot:              rapid.Int64().Draw(t, "ballot"),
			MaxReplicaCount:     rapid.Int32().Draw(t, "replicas"),
			Primary:             Address(rapid.Uint64().Draw(t, "primary")),
			Secondaries:         addresses.Draw(t, "secondaries"),
			LastDrops:           addresses.Draw(t, "drops"),
			LastCommittedDecree: rapid.Int64().Draw(t, "decree"),
			PartitionFlags:      rapid.Int32().Draw(t, "flags"),
		}
		if rapid.Bool().Draw(t, "hosts") {
			all := hosts.Draw(t, "named")
			p.HPSecondaries, p.HPLastDrops = &all, &all
			p.HPPrimary = &HostPort{Host: "h"}
		}
		b := appendValue(nil, reflect.ValueOf(p))
		for range rapid.IntRange(0, 3).Draw(t, "damages") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "size")]

		var fast, slow PartitionConfiguration
		fr, sr := NewReader(b), NewReader(b)
		fast.read(&fr)
		readStruct(&sr, reflect.ValueOf(&slow).Elem(), false)
		if (fr.Err() == nil) != (sr.Err() == nil) || fr.pos != sr.pos {
			t.Fatalf("%v at %d, want %v at %d", fr.Err(), fr.pos, sr.Err(), sr.pos)
		}
		if fr.Err() == nil && !reflect.DeepEqual(fast, slow) {
			t.Fatalf("%+v, want %+v", fast, slow)
		}
	})
}
