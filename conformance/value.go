package conformance

import (
	"fmt"
	"net/netip"
)

// Struct is the dynamic form of a Thrift struct: field name -> value. A field that was not on the wire is not in the
// map, and a field that is not in the map is not written. Values are
//
//	bool                          bool
//	i32, i64, enum                int64
//	string, error_code            string
//	blob                          []byte
//	gpid, rpc_address, host_port  GPID, Address, HostPort
//	list, set                     []any
//	map                           []Pair, in wire order
//	struct                        Struct
type Struct map[string]any

// Pair is one entry of a Thrift map.
type Pair struct{ Key, Value any }

// GPID names a partition: global partition id.
type GPID struct{ AppID, PartitionIndex int32 }

func (g GPID) String() string { return fmt.Sprintf("%d.%d", g.AppID, g.PartitionIndex) }

// Address is an rpc_address as it travels: IPv4 address in the upper half, then port, then two type bits.
type Address uint64

// String returns "ip:port", or "" for the invalid address.
func (a Address) String() string {
	if a == 0 {
		return ""
	}
	ip := netip.AddrFrom4([4]byte{byte(a >> 56), byte(a >> 48), byte(a >> 40), byte(a >> 32)})
	return netip.AddrPortFrom(ip, uint16(a>>16)).String()
}

// HostPort is the host_port type that servers after 2.5 send beside addresses.
type HostPort struct {
	Host string
	Port uint16
	Type byte // 0 invalid, 1 host, 2 group
}

func (h HostPort) String() string { return fmt.Sprintf("%s:%d", h.Host, h.Port) }

// zeroValue returns the value a reader assumes for a missing field of type t.
func zeroValue(t *typ) any {
	switch t.kind {
	case kindBool:
		return false
	case kindString:
		return ""
	case kindErrorCode:
		return "ERR_OK"
	case kindBlob:
		return []byte{}
	case kindGPID:
		return GPID{}
	case kindAddress:
		return Address(0)
	case kindHostPort:
		return HostPort{}
	case kindStruct:
		return completed(t.def, Struct{})
	case kindList, kindSet:
		return []any{}
	case kindMap:
		return []Pair{}
	default:
		return int64(0)
	}
}

// completed fills in s what an official writer never leaves out: every field that is not optional.
func completed(def *structDef, s Struct) Struct {
	for _, f := range def.fields {
		if _, ok := s[f.name]; !ok && !f.optional {
			s[f.name] = zeroValue(f.typ)
		}
	}
	return s
}
