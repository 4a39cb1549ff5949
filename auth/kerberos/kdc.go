package kerberos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
)

const (
	// maxReply is the size of the largest answer of a KDC, in bytes.
	maxReply = 1 << 20
	// kdcTime is what one KDC of several has to answer.
	kdcTime = time.Second
)

// ask sends a message to a KDC of a realm and returns the answer. It asks the one that has
// answered last, then the others. That a KDC says no is an error of type
// messages.KRBError, that none answers is a net.Error.
func (s *source) ask(ctx context.Context, realm string, request []byte) ([]byte, error) {
	kdcs, err := s.kdcs(ctx, realm)
	if err != nil {
		return nil, err
	}
	err = errors.New("DNS has none")
	if i := slices.Index(kdcs, s.lastKDC[realm]); i > 0 {
		kdcs[0], kdcs[i] = kdcs[i], kdcs[0]
	}
	for i, kdc := range kdcs {
		limited, cancel := ctx, context.CancelFunc(func() {})
		if i < len(kdcs)-1 {
			limited, cancel = context.WithTimeout(ctx, kdcTime)
		}
		var reply []byte
		reply, err = s.exchange(limited, kdc, request)
		cancel()
		if err == nil {
			s.lastKDC[realm] = kdc
			var refused messages.KRBError
			if refused.Unmarshal(reply) == nil {
				return nil, refused
			}
			return reply, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("no KDC of %s answers: %w", realm, err)
}

// kdcs returns the addresses of the KDCs: those in krb5.conf, else those that DNS has.
func (s *source) kdcs(ctx context.Context, realm string) ([]string, error) {
	var kdcs []string
	for _, r := range s.conf.Realms {
		if r.Realm == realm {
			for _, addr := range r.KDC {
				kdcs = append(kdcs, withPort(addr))
			}
		}
	}
	if len(kdcs) > 0 {
		return kdcs, nil
	}
	if !s.conf.LibDefaults.DNSLookupKDC {
		return nil, fmt.Errorf("krb5.conf has no KDC of realm %s, and no dns_lookup_kdc", realm)
	}
	_, found, err := net.DefaultResolver.LookupSRV(ctx, "kerberos", "tcp", realm)
	if err != nil {
		return nil, fmt.Errorf("no KDC of realm %s: %w", realm, err)
	}
	for _, srv := range found {
		kdcs = append(kdcs, net.JoinHostPort(strings.TrimSuffix(srv.Target, "."), strconv.Itoa(int(srv.Port))))
	}
	return kdcs, nil
}

// withPort adds the port of a KDC to an address without one.
func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return net.JoinHostPort(strings.Trim(addr, "[]"), "88")
	}
	return addr
}

// exchange sends a message to one KDC and returns the answer.
func exchange(ctx context.Context, addr string, request []byte) ([]byte, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })()
	failed := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Addr: nc.RemoteAddr(), Err: err}
	}
	if _, err := nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, failed("write", err)
	}
	var head [4]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return nil, failed("read", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxReply {
		return nil, failed("read", fmt.Errorf("an answer of %d bytes", n))
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(nc, reply); err != nil {
		return nil, failed("read", err)
	}
	return reply, nil
}
