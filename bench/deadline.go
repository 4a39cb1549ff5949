package main

import (
	"context"
	"fmt"
	"time"
)

// Variants whose callers make a context with a deadline for each call, as
// services do: some pass it on, and the call ends with it, others do not.
const (
	withDeadline = "+d"
	withContext  = "+c"
)

var deadlineVariants = []string{"floor", "null", "floor" + withContext, "floor" + withDeadline, "null" + withDeadline}

func deadlines(f work) work {
	return func(ctx context.Context, caller, n int) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return f(ctx, caller, n)
	}
}

func contexts(f work) work {
	return func(ctx context.Context, caller, n int) error {
		_, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return f(ctx, caller, n)
	}
}

// noteShares says what the client takes beside each of the floors.
func (r *result) noteShares() {
	at := make(map[string]*variant)
	for i := range r.Variants {
		at[r.Variants[i].Name] = &r.Variants[i]
	}
	null, deadline := at["null"], at["null"+withDeadline]
	floor, made, kept := at["floor"], at["floor"+withContext], at["floor"+withDeadline]
	if null == nil || deadline == nil || floor == nil || made == nil || kept == nil {
		return
	}
	for _, m := range []struct {
		name string
		of   func(sample) float64
	}{{"time", nsPerOp}, {"CPU time", cpuPerOp}} {
		own, spread := null.above(floor, m.of)
		share := func(floor *variant) string {
			d, spread := deadline.above(floor, m.of)
			return fmt.Sprintf("%.0f ns ± %.0f%% (%.2f times)", d, 100*spread, d/own)
		}
		r.Notes = append(r.Notes, fmt.Sprintf("the client's own %s: %.0f ns ± %.0f%%; with a deadline %s above floor+c, %s above floor+d",
			m.name, own, 100*spread, share(made), share(kept)))
	}
}

// above returns the median over the rounds of what v takes more than base in the
// same round, and how far the rounds are apart.
func (v *variant) above(base *variant, of func(sample) float64) (mid, spread float64) {
	var differences []float64
	for i := range min(len(v.Samples), len(base.Samples)) {
		differences = append(differences, of(v.Samples[i])-of(base.Samples[i]))
	}
	return median(differences)
}
