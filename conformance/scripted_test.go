package conformance

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// serveScript starts a server for tests of the suite itself and returns its address. It reads requests of any framing and
// answers what handle returns, nothing for nil; handle is called by one connection at a time. It is stopped with the test.
func serveScript(t *testing.T, handle func(*Request) *Response) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				for {
					frame, err := readRequestFrame(nc)
					if err != nil {
						return
					}
					mu.Lock()
					err = answer(t, nc, frame, handle)
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		running.Wait()
	})
	return ln.Addr().String()
}

func answer(t *testing.T, nc net.Conn, frame []byte, handle func(*Request) *Response) error {
	q, err := DecodeRequest(frame)
	if err != nil {
		t.Errorf("the suite sent %x: %v", frame, err)
		return err
	}
	p := handle(q)
	if p == nil {
		return nil
	}
	p.Framing, p.ID, p.Code = q.Framing, q.ID, q.Code
	out, err := AppendResponse(nil, p)
	if err != nil {
		t.Errorf("%s: %v", q.Code, err)
		return err
	}
	_, err = nc.Write(out)
	return err
}

// readRequestFrame reads one request frame of any framing.
func readRequestFrame(rd io.Reader) ([]byte, error) {
	head := make([]byte, 20)
	if _, err := io.ReadFull(rd, head); err != nil {
		return nil, err
	}
	var size int
	switch {
	case [4]byte(head) == magicRDSN:
		size = rdsnHeaderLength + int(binary.LittleEndian.Uint32(head[16:]))
	case binary.BigEndian.Uint32(head[4:]) == 1:
		size = 16 + int(binary.BigEndian.Uint32(head[8:])) + int(binary.BigEndian.Uint32(head[12:]))
	default:
		size = thftHeaderLength + int(binary.BigEndian.Uint32(head[16:]))
	}
	frame := make([]byte, size)
	copy(frame, head)
	_, err := io.ReadFull(rd, frame[len(head):])
	return frame, err
}

// metaOfOneTable answers meta requests for a cluster that has one table at most, all of it on the server at addr.
func metaOfOneTable(q *Request, addr Address, appID int64, partitions *int64, name *string) Struct {
	arg, _ := q.Arg.(Struct)
	ok := Struct{"err": "ERR_OK"}
	switch q.Code {
	case "RPC_CM_CREATE_APP":
		*name, *partitions = arg["app_name"].(string), arg["options"].(Struct)["partition_count"].(int64)
		ok["appid"] = appID
	case "RPC_CM_DROP_APP":
		*name = ""
	case "RPC_CM_LIST_APPS":
		info := completed(iface.types["app_info"].def, Struct{"app_name": *name, "app_id": appID})
		ok["infos"] = []any{info}
	case "RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX":
		ok["app_id"], ok["partition_count"], ok["is_stateful"] = appID, *partitions, true
		list := []any{}
		for i := range *partitions {
			list = append(list, completed(iface.types["partition_configuration"].def, Struct{
				"pid": GPID{AppID: int32(appID), PartitionIndex: int32(i)}, "ballot": int64(1), "primary": addr,
			}))
		}
		ok["partitions"] = list
	}
	return completed(iface.rpcs[q.Code].result.def, ok)
}

func wireAddress(t *testing.T, addr string) Address {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return Address(uint64(binary.BigEndian.Uint32(a.IP.To4()))<<32 | uint64(a.Port)<<16 | 1)
}

func TestPeerRefusesWhatIsNoAnswer(t *testing.T) {
	for name, reply := range map[string]string{
		"HTTP":          "HTTP/1.1 400 Bad Request\r\n\r\n",
		"closed":        "",
		"short length":  "\x00\x00\x00\x02xx",
		"huge length":   "\x7f\xff\xff\xff",
		"not a message": "\x00\x00\x00\x10abcdefghijkl",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			served := make(chan struct{})
			go func() {
				defer close(served)
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				if _, err := readRequestFrame(nc); err == nil {
					io.WriteString(nc, reply)
				}
			}()
			p, err := Dial(context.Background(), ln.Addr().String(), THFTv0)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			resp, err := p.Call(context.Background(), &Request{Code: "RPC_RRDB_RRDB_GET", AppID: 1, Arg: []byte("\x00\x00")})
			if err == nil {
				t.Errorf("%q was taken for %v", reply, resp)
			}
			<-served
		})
	}
}
