package reliability

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// The client is closed under load, with calls, scans and an OpenTable under way,
// and with a server that hangs. It ends all goroutines; calls end at once, or with
// the pause before their next attempt.
func TestCloseUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		slow(c)
		client := pegasus.NewClient(c.Config())
		table, err := client.OpenTable(t.Context(), pegasustest.DefaultTable)
		if err != nil {
			t.Fatal(err)
		}
		fillRows(t, table, 2000, []byte("v"))
		l := startLoad(t, table, 10*time.Second, loadPause)
		l.tolerated = func(err error) bool { return errors.Is(err, pegasus.ErrClosed) }
		time.Sleep(500 * time.Millisecond)
		c.Onebox().Replica(1).Pause()
		c.Onebox().SetMetaLeader(onebox.NoPrimary)
		ended := make(chan error)
		go func() {
			_, err := client.OpenTable(context.Background(), "another")
			ended <- err
		}()
		go func() {
			_, err := countAll(context.Background(), table, 4)
			ended <- err
		}()
		time.Sleep(500 * time.Millisecond)
		closed := time.Now()
		client.Close()
		if d := time.Since(closed); d > 0 {
			t.Errorf("Close took %v", d)
		}
		synctest.Wait()
		// The cluster's own client has asked a meta server. No other connection is left.
		if n := goroutines("internal/rpc.(*Conn).run.func"); n != 2 {
			t.Errorf("%d goroutines of connections", n)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, pegasus.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		}
		l.halt()
		failed := 0
		for _, call := range l.all(func(call call) bool { return call.begun.Before(closed) && !call.ended.Before(closed) }) {
			if d := call.ended.Sub(closed); d > backoff {
				t.Errorf("%s ended %v later", call.name, d)
			}
			if call.err != nil {
				failed++ // with ErrClosed, see below
			}
		}
		if failed < callers/4 {
			t.Errorf("only %d calls were under way", failed)
		}
		l.checkErrors()
		c.Onebox().Replica(1).Resume()
		c.Onebox().SetMetaLeader(0)
		c.Onebox().Intercept(nil)
		l.checkStored(c.Table)
	}, pegasustest.WithReplicaServers(2))
}

// goroutines returns how many have a text in their stacks.
func goroutines(text string) int {
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			return strings.Count(string(stacks[:n]), text)
		}
		stacks = make([]byte, 2*len(stacks))
	}
}
