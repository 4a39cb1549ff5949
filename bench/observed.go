package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/pegasus-go/pegasus"
)

// The variant of a client with an observer that counts operations and attempts.
const withObserver = "+o"

var observedVariants = []string{"null", "null" + withObserver}

func countingObserver() pegasus.Observer {
	var operations, attempts, nanoseconds, bytes atomic.Int64
	return pegasus.Observer{
		OperationStarted: func(ctx context.Context, _ pegasus.OperationStarted) context.Context {
			operations.Add(1)
			return ctx
		},
		OperationEnded: func(_ context.Context, e pegasus.OperationEnded) { nanoseconds.Add(int64(e.Duration)) },
		AttemptStarted: func(context.Context, pegasus.AttemptStarted) { attempts.Add(1) },
		AttemptEnded:   func(_ context.Context, e pegasus.AttemptEnded) { bytes.Add(int64(e.BytesIn)) },
	}
}

// noteObserver says what an observer costs, by the rounds side by side.
func (r *result) noteObserver() {
	plain, observed := r.index("null"), r.index("null"+withObserver)
	if plain < 0 || observed < 0 {
		return
	}
	for _, m := range []struct {
		name string
		of   func(sample) float64
	}{{"time", nsPerOp}, {"CPU time", cpuPerOp}} {
		d, spread := r.Variants[observed].above(&r.Variants[plain], m.of)
		base, _ := r.Variants[plain].median(m.of)
		r.Notes = append(r.Notes, fmt.Sprintf("an observer takes %.0f ns ± %.0f%% of %s, %.1f%% of %.0f ns", d, 100*spread, m.name, 100*d/base, base))
	}
}
