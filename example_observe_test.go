package pegasus_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// An observer sees what no error tells: that a Get was sent twice.
func ExampleObserver_retrying() {
	box, _, users, done := newCluster("users", pegasus.Observer{
		Retrying: func(_ context.Context, e pegasus.Retrying) {
			fmt.Printf("%s of %s: attempt %d, because: %s\n", e.Operation, e.Table, e.Attempt, e.Reason)
		},
		OperationEnded: func(_ context.Context, e pegasus.OperationEnded) {
			fmt.Printf("%s of %s: %s after %d attempts\n", e.Operation, e.Table, pegasus.ClassOf(e.Err), e.Attempts)
		},
	})
	defer done()
	busy := true
	box.Intercept(func(onebox.Request) (a onebox.Action) {
		if busy {
			busy, a.Error = false, "ERR_BUSY"
		}
		return a
	})
	if _, err := users.Get(context.Background(), []byte("user_1"), []byte("name")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Open of users: ok after 0 attempts
	// Get of users: attempt 2, because: busy
	// Get of users: ok after 2 attempts
}

// A logger is given changes of state, and warnings that are rare.
func ExampleConfig_logger() {
	cluster, err := pegasus.New(pegasus.Config{
		MetaServers: []string{"10.0.0.1:34601"},
		Logger:      slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
}

// A probe of readiness asks all servers of a table.
func ExampleTable_Ping() {
	_, cluster, users, done := newCluster("users")
	defer done()
	pongs := users.Ping(context.Background())
	for _, p := range pongs {
		fmt.Println(p.Role, p.Err)
	}
	fmt.Println(pongs.Err())
	fmt.Println(cluster.Stats().Tables[0].Table)
	// Output:
	// meta <nil>
	// replica <nil>
	// <nil>
	// users
}
