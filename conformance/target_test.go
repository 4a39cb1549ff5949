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
		target := Target{Meta: strings.Split(*metaAddresses, ","), Version: os.Getenv("PEGASUS_VERSION")}
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
