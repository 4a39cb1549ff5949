//go:build !race

package pegasus

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"
)

// A Get allocates the frame of the answer and nothing else; no goroutine, timer
// or channel is made for a call.
func TestGetAllocations(t *testing.T) {
	c := NewClient(Config{
		MetaServers:      []string{"127.0.0.1:34601"},
		OperationTimeout: time.Minute,
		Dial:             func(context.Context, string, string) (net.Conn, error) { return newEchoConn(), nil },
	})
	defer c.Close()
	tb, err := c.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	hashKey, sortKey := []byte("user_00000001"), []byte("profile")
	withDeadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": context.Background(), "deadline": withDeadline} {
		t.Run(name, func(t *testing.T) {
			got := testing.AllocsPerRun(2000, func() {
				v, err := tb.Get(ctx, hashKey, sortKey)
				if err != nil || !bytes.Equal(v, make([]byte, 100)) {
					t.Fatal(v, err)
				}
			})
			if got > 2 {
				t.Errorf("%v allocations per Get, want at most 2", got)
			}
		})
	}
}
