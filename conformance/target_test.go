package conformance

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
)

var metaAddresses = flag.String("meta", os.Getenv("PEGASUS_META"), "meta servers of the cluster to test, host:port[,host:port...]; empty: a onebox in this process")

// startTarget returns the cluster under test: the one given by flag or environment, or a onebox that is stopped with the
// test.
func startTarget(t *testing.T) Target {
	t.Helper()
	if *metaAddresses != "" {
		target := Target{Meta: strings.Split(*metaAddresses, ","), Version: os.Getenv("PEGASUS_VERSION"), Risky: os.Getenv("PEGASUS_RISKY") != ""}
		if n := os.Getenv("PEGASUS_REPLICAS"); n != "" {
			var err error
			if target.Replicas, err = strconv.Atoi(n); err != nil {
				t.Fatalf("PEGASUS_REPLICAS: %v", err)
			}
		}
		return target
	}
	box, err := onebox.Start(onebox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return Target{Meta: box.MetaServers(), Embedded: true}
}

// modelBox is the onebox that the model test restarts.
type modelBox = onebox.Server

// startModelBox starts a onebox on a directory. Its writes are not synced: no test here pulls the plug.
func startModelBox(dir string, clock *manualClock) (*modelBox, Target, error) {
	box, err := onebox.Start(onebox.Options{Dir: dir, Durability: onebox.OS, Clock: clock.Now})
	if err != nil {
		return nil, Target{}, err
	}
	return box, Target{Meta: box.MetaServers(), Embedded: true}, nil
}

// manualClock stands still until it is advanced.
type manualClock struct{ nanos atomic.Int64 }

func newManualClock() *manualClock {
	c := &manualClock{}
	c.nanos.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *manualClock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *manualClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// A real server serves the old name for a while after it has answered a rename.
func TestRenameTakesTime(t *testing.T) {
	box, err := onebox.Start(onebox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	runner, err := NewRunner(t.Context(), Target{Meta: box.MetaServers(), Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close(t.Context())
	var renamed, late atomic.Bool
	box.Intercept(func(r onebox.Request) onebox.Action {
		switch r.Task {
		case "RPC_CM_RENAME_APP":
			renamed.Store(true)
		case onebox.TaskQueryConfig:
			if renamed.Load() && !late.Swap(true) {
				return onebox.Action{Error: "ERR_OBJECT_NOT_FOUND"}
			}
		}
		return onebox.Action{}
	})
	for _, c := range readCases(t) {
		if c.ID == "meta/rename/ok" {
			if err := runner.Run(t.Context(), &c); err != nil || !late.Load() {
				t.Errorf("%v, late %v", err, late.Load())
			}
		}
	}
}
