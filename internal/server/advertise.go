package server

import "net/netip"

// Advertise says which addresses of the servers clients are told. The zero value
// is those that are listened on.
type Advertise struct {
	// IP is the IPv4 address, if valid. It is needed if what is listened on is
	// 0.0.0.0.
	IP netip.Addr
	// ReplicaPort is the port of the first replica server; those of further ones
	// follow it. 0 is the ports that are listened on.
	ReplicaPort uint16
	// Reached tells each client of a meta server the IPv4 address by which it
	// has reached that, if there is one, instead of IP.
	Reached bool
}

func (a *Advertise) check(replicas int) error {
	if a.IP.IsValid() && !a.IP.Unmap().Is4() {
		return argumentError("Advertise", "%v is not an IPv4 address", a.IP)
	}
	if a.ReplicaPort != 0 && int(a.ReplicaPort)+replicas > 1<<16 {
		return argumentError("Advertise", "no ports for %d replica servers from %d on", replicas, a.ReplicaPort)
	}
	return nil
}

// meta and replica return what clients are told of a server instead of what it
// listens on: the parts that are not zero.
func (a *Advertise) meta() netip.AddrPort { return netip.AddrPortFrom(a.IP, 0) }

func (a *Advertise) replica(index int) netip.AddrPort {
	if a.ReplicaPort == 0 {
		return a.meta()
	}
	return netip.AddrPortFrom(a.IP, a.ReplicaPort+uint16(index))
}
