package pegasustest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A test passes its *testing.T. An example has none and makes do with this.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatalf(format string, args ...any) { log.Panicf(format, args...) }
func (t *exampleT) Errorf(format string, args ...any) { log.Panicf(format, args...) }

func (t *exampleT) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		t.cleanups[last]()
		t.cleanups = t.cleanups[:last]
	}
}

// Failover: a server dies, others become the primaries of its partitions, and the
// client finds them.
func ExampleCluster_Kill() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	ctx := context.Background()
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	if err := remember(ctx, c.Table, "answer", "42"); err != nil {
		t.Fatalf("%v", err)
	}

	c.Kill(0)
	fmt.Println(recall(ctx, c.Table, "answer"))
	c.Revive(0)
	fmt.Println(recall(ctx, c.Table, "answer"))
	// Output:
	// 42 <nil>
	// 42 <nil>
}

// A lost answer: the write was carried out, and then its connection broke. The
// client cannot know, and must not count a second time by itself.
func ExampleCluster_Onebox_lostAnswer() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	ctx := context.Background()
	c := pegasustest.Start(t)

	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskIncr && r.Table == pegasustest.DefaultTable {
			return onebox.Action{LoseAnswer: true, Close: true}
		}
		return onebox.Action{}
	})
	_, err := c.Table.Incr(ctx, []byte("visitors"), []byte("today"), 1)
	fmt.Println("in doubt:", errors.Is(err, pegasus.ErrInDoubt))

	c.Onebox().Intercept(nil)
	value, err := c.Table.Get(ctx, []byte("visitors"), []byte("today"))
	fmt.Println("counted:", string(value), err)
	// Output:
	// in doubt: true
	// counted: 1 <nil>
}

// Expiry: time passes for the servers and for nobody else.
func ExampleCluster_AdvanceClock() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	ctx := context.Background()
	c := pegasustest.Start(t)
	if err := remember(ctx, c.Table, "answer", "42"); err != nil { // for an hour
		t.Fatalf("%v", err)
	}

	for range 2 {
		c.AdvanceClock(40 * time.Minute)
		there, err := c.Table.Exist(ctx, []byte("answer"), []byte("value"))
		fmt.Println(there, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

// Split: a table gets twice as many partitions while the client uses it.
func ExampleCluster_Split() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	ctx := context.Background()
	c := pegasustest.Start(t, pegasustest.WithTable("users", 4))
	if err := remember(ctx, c.Table, "answer", "42"); err != nil {
		t.Fatalf("%v", err)
	}

	c.Split("users")
	partitions, err := c.Admin().Partitions(ctx, "users")
	fmt.Println(len(partitions), err)
	fmt.Println(recall(ctx, c.Table, "answer"))
	// Output:
	// 8 <nil>
	// 42 <nil>
}

// Full disk: a server refuses writes and answers reads.
func ExampleCluster_Onebox_fullDisk() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	ctx := context.Background()
	c := pegasustest.Start(t)
	if err := remember(ctx, c.Table, "answer", "42"); err != nil {
		t.Fatalf("%v", err)
	}

	c.Onebox().Replica(0).FillDisk(true)
	err := remember(ctx, c.Table, "answer", "43")
	fmt.Println("refused:", errors.Is(err, pegasus.ErrDiskInsufficient))
	fmt.Println(recall(ctx, c.Table, "answer"))

	c.Onebox().Replica(0).FillDisk(false)
	fmt.Println(remember(ctx, c.Table, "answer", "43"))
	// Output:
	// refused: true
	// 42 <nil>
	// <nil>
}
