package pegasustest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// remember and recall stand for a program that uses a table.
func remember(ctx context.Context, table pegasus.TableConnector, name, value string) error {
	return table.SetTTL(ctx, []byte(name), []byte("value"), []byte(value), time.Hour)
}

func recall(ctx context.Context, table pegasus.TableConnector, name string) (string, error) {
	value, err := table.Get(ctx, []byte(name), []byte("value"))
	return string(value), err
}

func TestRemember(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	ctx := t.Context()
	if err := remember(ctx, c.Table, "answer", "42"); err != nil {
		t.Fatal(err)
	}

	// A server dies, and the first request to another one is answered with an error.
	c.Kill(0)
	var answered atomic.Bool
	c.Onebox().Intercept(func(onebox.Request) onebox.Action {
		if !answered.Swap(true) {
			return onebox.Action{Error: "ERR_BUSY"}
		}
		return onebox.Action{}
	})
	if v, err := recall(ctx, c.Table, "answer"); v != "42" || err != nil {
		t.Errorf("after a failover: %q, %v", v, err)
	}

	c.AdvanceClock(2 * time.Hour)
	if v, err := recall(ctx, c.Table, "answer"); v != "" || err != nil {
		t.Errorf("after two hours: %q, %v", v, err)
	}
}
