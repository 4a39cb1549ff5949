package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Blob is the custom type blob: bytes, never absent.
type Blob []byte

// GPID names a partition: the id of its table and its index.
type GPID struct {
	AppID          int32
	PartitionIndex int32
}

// String returns the conventional form, such as "2.5".
func (g GPID) String() string { return fmt.Sprintf("%d.%d", g.AppID, g.PartitionIndex) }

// ThreadHash is the value that servers expect in the header beside the gpid:
// a real server that finds another one in a write ends its process.
func (g GPID) ThreadHash() int32 { return g.AppID*7919 + g.PartitionIndex }

func (g GPID) pack() int64 { return int64(g.PartitionIndex)<<32 | int64(uint32(g.AppID)) }

func unpackGPID(v int64) GPID { return GPID{AppID: int32(v), PartitionIndex: int32(v >> 32)} }

// Address is the custom type rpc_address: an IPv4 address and a port, packed.
// The zero value is the invalid address, which stands for "none".
type Address uint64

const addressTypeIPv4 = 1

// AddressFrom returns the Address of ap, or the invalid address if ap is not
// IPv4 (an IPv4 address mapped into IPv6 is).
func AddressFrom(ap netip.AddrPort) Address {
	ip := ap.Addr().Unmap()
	if !ip.Is4() {
		return 0
	}
	b := ip.As4()
	return Address(uint64(binary.BigEndian.Uint32(b[:]))<<32 | uint64(ap.Port())<<16 | addressTypeIPv4)
}

// Valid reports whether a names a host.
func (a Address) Valid() bool { return a&3 == addressTypeIPv4 && a>>16 != 0 }

// AddrPort returns the address in the form of package netip.
func (a Address) AddrPort() netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(a>>32))
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(a>>16))
}

// String returns "ip:port", or "invalid address".
func (a Address) String() string {
	if !a.Valid() {
		return "invalid address"
	}
	return a.AddrPort().String()
}

// HostPort is the custom type host_port of servers after 2.5.
type HostPort struct {
	Host string
	Port uint16
	Type byte
}
