package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestEveryMessageStyle asks for the same record in every framing and style of message header that clients use.
func TestEveryMessageStyle(t *testing.T) {
	target := startTarget(t)
	prefix := runPrefix()
	for _, framing := range []Framing{THFTv0, THFTv1, RDSN} {
		for _, oldStyle := range []bool{false, true} {
			if framing == RDSN && oldStyle {
				continue // it has no message header
			}
			name := framing.String() + map[bool]string{true: " old style"}[oldStyle]
			t.Run(name, func(t *testing.T) {
				target.Framing = framing
				c, tbl := ownTable(t, target, prefix+name)
				q := tbl.header("RPC_RRDB_RRDB_CLEAR_SCANNER", 0)
				q.OldStyle, q.Oneway, q.Arg = oldStyle, true, int64(1)
				if _, err := c.call(t.Context(), tbl.node(0), q); err != nil {
					t.Fatal(err)
				}
				key := rawKey([]byte("h"), []byte("s"))
				q = tbl.header("RPC_RRDB_RRDB_PUT", 0)
				q.OldStyle, q.Arg = oldStyle, Struct{"key": key, "value": []byte("v"), "expire_ts_seconds": int64(0)}
				if resp, err := c.call(t.Context(), tbl.node(0), q); err != nil || resp.Error != "ERR_OK" {
					t.Fatalf("put: %v, %v", resp, err)
				}
				q = tbl.header("RPC_RRDB_RRDB_GET", 0)
				q.OldStyle, q.Arg = oldStyle, key
				resp, err := c.call(t.Context(), tbl.node(0), q)
				if err != nil || resp.Error != "ERR_OK" {
					t.Fatalf("get: %v, %v", resp, err)
				}
				if result := resp.Result.(Struct); !equal(result["value"], []byte("v")) {
					t.Errorf("get: %s", show(result))
				}
			})
		}
	}
}

// TestReplyAsRequestClosesConnection sends a message type that no client sends.
func TestReplyAsRequestClosesConnection(t *testing.T) {
	target := startTarget(t)
	_, tbl := ownTable(t, target, runPrefix()+"reply")
	q := tbl.header("RPC_RRDB_RRDB_GET", 0)
	q.Arg = rawKey([]byte("h"), nil)
	frame, err := AppendRequest(nil, q)
	if err != nil {
		t.Fatal(err)
	}
	frame[thftHeaderLength+3] = msgReply
	nc, err := net.Dial("tcp", tbl.node(0))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(defaultCallTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(frame); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(nc); len(b) > 0 || isTimeout(err) {
		t.Errorf("answered %x, %v", b, err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// ownTable creates a table of one partition that is dropped with the test.
func ownTable(t *testing.T, target Target, name string) (*cluster, *table) {
	t.Helper()
	c, err := openCluster(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.dropTables(context.Background(), name); err != nil {
			t.Error(err)
		}
		c.close()
	})
	tbl, err := c.createTable(t.Context(), name, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c, tbl
}
