// Package reliability tests client and onebox under faults, restarts, overload
// and hostile input. docs/reliability.md says which test shows what.
//
// go test runs the short form, which takes less than a minute. -long runs all
// of it:
//
//	go test ./reliability -long -timeout 1h
package reliability

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

var long = flag.Bool("long", false, "more rounds, more calls, longer runs")

func TestMain(m *testing.M) {
	child.Main()
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// scaled returns short, or with -long its second argument.
func scaled[T any](short, full T) T {
	if *long {
		return full
	}
	return short
}

// startProcess starts a onebox in a process of its own, which is killed at the
// end of the test.
func startProcess(t *testing.T, opts child.Options) *child.Process {
	t.Helper()
	p, err := child.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}
