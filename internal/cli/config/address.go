package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// With returns the names of the clusters that have one of addresses among theirs, sorted.
// Addresses that are written differently and mean the same are one; names are not looked up.
func (f File) With(addrs []string) []string {
	wanted := make(map[string]bool)
	for _, a := range addrs {
		wanted[normal(a)] = true
	}
	return slices.DeleteFunc(f.Names(), func(name string) bool {
		return !slices.ContainsFunc(f.Cluster[name].Meta, func(a string) bool { return wanted[normal(a)] })
	})
}

// normal writes an address in one way: names in small letters, IP addresses as short as they can
// be, and localhost as what it stands for.
func normal(addr string) string {
	addr = strings.TrimSpace(addr)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	return net.JoinHostPort(host, port)
}
