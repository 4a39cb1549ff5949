package reliability

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A throttled table answers ERR_BUSY: callers with time get through, and nothing
// is carried out twice.
func TestThrottling(t *testing.T) {
	for name, env := range map[string]string{"rejected": "400*reject*0", "delayed": "400*delay*100", "both": "200*delay*50,800*reject*200"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
				if err := c.Admin().SetEnvs(t.Context(), pegasustest.DefaultTable, map[string]string{"replica.write_throttling": env}); err != nil {
					t.Fatal(err)
				}
				l := startLoad(t, c.Table, time.Minute, loadPause)
				time.Sleep(5 * time.Second)
				l.finish()
				writes := l.all(func(call call) bool { return call.name != "Get" && call.name != "MultiGet" })
				waited := 0
				for _, call := range writes {
					if call.ended.Sub(call.begun) > 0 {
						waited++
					}
				}
				if waited < len(writes)/10 {
					t.Errorf("only %d of %d writes had to wait", waited, len(writes))
				}
			})
		})
	}
}

// Codes that may pass, a half of all answers: callers with time do not notice.
// Codes that are final are reported at once, and do no harm to others.
func TestErrorCodesUnderLoad(t *testing.T) {
	for _, tc := range []struct {
		code  pegasus.ErrorCode
		final bool
		doubt bool // a write may have been carried out
	}{
		{pegasus.ErrBusy, false, false},
		{pegasus.ErrCapacityExceeded, false, false},
		{pegasus.ErrNotEnoughMember, false, false},
		{pegasus.ErrSplitting, false, false},
		{pegasus.ErrInvalidState, false, false},
		{pegasus.ErrObjectNotFound, false, false},
		{pegasus.ErrDiskIOError, true, false},
		{pegasus.ErrDiskInsufficient, true, false},
		{"ERR_FROM_THE_FUTURE", true, true},
	} {
		t.Run(string(tc.code), func(t *testing.T) {
			bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
				c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
					if r.Meta || rand.N(2) == 0 {
						return onebox.Action{}
					}
					return onebox.Action{Error: string(tc.code)}
				})
				l := startLoad(t, c.Table, 10*time.Second, loadPause)
				if tc.final {
					l.tolerated = func(err error) bool { return errors.Is(err, tc.code) }
				}
				time.Sleep(time.Second)
				l.halt()
				c.Onebox().Intercept(nil)
				l.finish()
				failed, doubted := 0, 0
				for _, call := range l.all(func(call call) bool { return call.err != nil }) {
					failed++
					if errors.Is(call.err, pegasus.ErrInDoubt) {
						doubted++
					}
					if d := call.ended.Sub(call.begun); d > 0 {
						t.Errorf("%v came after %v", call.err, d)
					}
				}
				if (failed > 0) != tc.final || (doubted > 0) != tc.doubt {
					t.Errorf("%d calls failed, %d of them in doubt", failed, doubted)
				}
			})
		})
	}
}

// A full disk of one server: its writes are refused, reads and other servers'
// writes go on, and so do its own when there is room again.
func TestDiskFull(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		full := inPartitions(pegasustest.DefaultPartitions, ofReplica(t, c, 0))
		l := startLoad(t, c.Table, 10*time.Second, loadPause)
		l.tolerated = func(err error) bool { return errors.Is(err, pegasus.ErrDiskInsufficient) }
		time.Sleep(500 * time.Millisecond)
		c.Onebox().Replica(0).FillDisk(true)
		time.Sleep(500 * time.Millisecond)
		c.Onebox().Replica(0).FillDisk(false)
		room := time.Now()
		time.Sleep(500 * time.Millisecond)
		l.finish()
		failed := l.all(func(call call) bool { return call.err != nil })
		for _, call := range failed {
			if !full(call) || call.begun.After(room) || call.name == "Get" || call.name == "MultiGet" || errors.Is(call.err, pegasus.ErrInDoubt) {
				t.Errorf("%s: %v", call.name, call.err)
			}
		}
		if len(failed) == 0 {
			t.Error("no write was refused")
		}
	}, pegasustest.WithReplicaServers(2))
}
