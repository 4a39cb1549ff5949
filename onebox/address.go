package onebox

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/server"
)

// DefaultPort is the conventional port of a meta server.
const DefaultPort = 34601

// replicaPortOffset is the distance of the conventional ports of the first meta
// and the first replica server.
const replicaPortOffset = 200

// advertiseReached is the value of Options.Advertise that is no address.
const advertiseReached = "auto"

// lookupTime is the time that the lookup of a host name may take.
const lookupTime = 10 * time.Second

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// listenAddr returns what the first meta server listens on.
func (o *Options) listenAddr() (netip.AddrPort, error) {
	none := netip.AddrPort{}
	host, portText, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return none, badOption("Listen", "%v", err)
	}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" {
		ip, err = loopback, nil
	}
	if err != nil {
		return none, badOption("Listen", "%q is not an IP address", host)
	}
	ip = ip.Unmap()
	port, err := strconv.ParseUint(portText, 10, 16)
	switch {
	case err != nil:
		return none, badOption("Listen", "%q is not a port", portText)
	case !ip.Is4():
		return none, badOption("Listen", "%v is not an IPv4 address, the only kind that the protocol knows", ip)
	case !ip.IsLoopback() && !o.AllowNonLoopback:
		return none, badOption("Listen", "%v can be reached from other machines; set AllowNonLoopback if that is intended", ip)
	case ip.IsUnspecified() && o.Advertise == "":
		return none, badOption("Advertise", "is needed: clients cannot be told %v", ip)
	case port != 0 && int(port)+replicaPortOffset+o.ReplicaServers > 1<<16:
		return none, badOption("Listen", "no ports for replica servers above %d", port)
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// listenAddrs returns what n servers listen on whose ports begin at a distance
// from that of the first meta server.
func listenAddrs(first netip.AddrPort, offset, n int) (addrs []string) {
	for i := range n {
		port := uint16(0)
		if first.Port() != 0 {
			port = first.Port() + uint16(offset+i)
		}
		addrs = append(addrs, netip.AddrPortFrom(first.Addr(), port).String())
	}
	return addrs
}

// advertise returns what clients are told instead of what is listened on.
func (o *Options) advertise(listen netip.Addr) (a server.Advertise, err error) {
	switch o.Advertise {
	case "":
		return a, nil
	case advertiseReached:
		if listen.IsUnspecified() {
			a.IP = loopback // for us, and who came without an address
		}
		a.Reached = true
		return a, nil
	}
	host, port := o.Advertise, ""
	if strings.Contains(host, ":") {
		if host, port, err = net.SplitHostPort(o.Advertise); err != nil {
			return a, badOption("Advertise", "%q is not an IPv4 address or a host name, alone or with a port: %v", o.Advertise, err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		switch {
		case err != nil || n == 0:
			return a, badOption("Advertise", "%q is not a port", port)
		case host == advertiseReached:
			return a, badOption("Advertise", "%q takes no port: who maps ports knows the address", advertiseReached)
		case o.MetaServers > 1:
			return a, badOption("Advertise", "a port, which is that of the replica server, needs a single meta server, whose clients know its port")
		case int(n)+o.ReplicaServers > 1<<16:
			return a, badOption("Advertise", "no ports for %d replica servers from %d on", o.ReplicaServers, n)
		}
		a.ReplicaPort = uint16(n)
	}
	a.IP, err = o.lookUp(host)
	return a, err
}

// lookUp returns the IPv4 address of a host, the first one if it has several.
func (o *Options) lookUp(host string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
		defer cancel()
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		if err != nil || len(ips) == 0 {
			return ip, badOption("Advertise", "%q is not an IPv4 address, nor a host that has one: %v", o.Advertise, err)
		}
		ip = ips[0]
	}
	if ip = ip.Unmap(); !ip.Is4() || ip.IsUnspecified() {
		return ip, badOption("Advertise", "%q is not an IPv4 address that clients can connect to", o.Advertise)
	}
	return ip, nil
}
