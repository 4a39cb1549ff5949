package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/internal/argument"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Counters are what a server counts, as of one moment.
type Counters struct {
	// Sampled is when the server has looked, by its own clock and in whole seconds. One
	// of a cluster looks every 10 s.
	Sampled time.Time
	Values  []Counter
}

// Counter is one of them.
type Counter struct {
	// Name is the name that Pegasus has for it, such as
	// "replica*app.pegasus*get_qps@1.0". One about a partition ends with its gpid.
	Name string
	// Value is the number, per second for a rate, and the 99th percentile in nanoseconds
	// for a latency.
	Value float64
}

// Counters returns what a server, meta or replica, counts under the names that begin with
// one of prefixes, or all of it without prefixes, which may be megabytes. node is
// "host:port". It is asked once. The error has ErrNoCounters for a server that has other
// metrics in place of the counters, as those after 2.5 have.
func (c *Client) Counters(ctx context.Context, node string, prefixes ...string) (Counters, error) {
	const op, command = "Counters", "perf-counters-by-prefix"
	if err := argument.Address("node", node); err != nil {
		return Counters{}, refuse(op, "", err)
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	text, _, err := c.remoteCommand(ctx, node, command, prefixes)
	if err != nil {
		return Counters{}, &Error{Op: op, Server: node, Err: rpc.WithoutAddr(err)}
	}
	counters, err := parseCounters(text)
	if err != nil {
		return Counters{}, &Error{Op: op, Server: node, Err: err}
	}
	return counters, nil
}

// parseCounters reads the answer to a question for counters.
func parseCounters(text string) (Counters, error) {
	var parsed struct {
		Result    string
		Timestamp int64
		Counters  []Counter
	}
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return Counters{}, fmt.Errorf("%w: it answers %.60q", ErrNoCounters, text)
	}
	if parsed.Result != "OK" {
		return Counters{}, fmt.Errorf("%w: the result is %.60q", ErrNoCounters, parsed.Result)
	}
	return Counters{Sampled: unix(parsed.Timestamp), Values: parsed.Counters}, nil
}
