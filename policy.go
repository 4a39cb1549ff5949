package pegasus

import (
	"context"
	"math/rand/v2"
	"time"
)

// RetryPolicy says how often, and after which pauses, an operation is tried
// again after a failure that may pass. The zero value of a field is its default.
//
// It is set for a client by Config.Retry, and for single operations by
// WithRetryPolicy. Whatever it says, an operation ends with its time, and what
// must not be repeated is not: see the package documentation.
type RetryPolicy struct {
	// MaxAttempts bounds how often a request is tried, the first time and
	// attempts to connect included. 1 means that nothing is tried again, negative
	// that the time is the only bound, which is the default.
	MaxAttempts int

	// MinPause is the pause after the first answer that is an error, such as
	// ErrBusy. It doubles with each further one up to MaxPause, and is shorter by
	// up to a half at random. News of another server ends it. Defaults 4 ms and
	// 200 ms, also for what is negative.
	MinPause, MaxPause time.Duration
}

var defaultPolicy = RetryPolicy{MinPause: 4 * time.Millisecond, MaxPause: 200 * time.Millisecond}

// or returns p with the fields of q in place of those that are not set.
func (p RetryPolicy) or(q RetryPolicy) RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = q.MaxAttempts
	}
	if p.MinPause <= 0 {
		p.MinPause = q.MinPause
	}
	if p.MaxPause <= 0 {
		p.MaxPause = max(q.MaxPause, p.MinPause)
	}
	p.MinPause = min(p.MinPause, p.MaxPause)
	return p
}

func (p *RetryPolicy) exhausted(attempts int) bool {
	return p.MaxAttempts > 0 && attempts >= p.MaxAttempts
}

// pause returns the pause before attempt n+1, shorter when little time is left.
func (p *RetryPolicy) pause(ctx context.Context, n int) time.Duration {
	d := p.MaxPause
	if n := n - 1; n < 30 && p.MinPause<<n>>n == p.MinPause {
		d = min(d, p.MinPause<<n)
	}
	d = d/2 + rand.N(d/2+1)
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left > p.MinPause {
			d = min(d, left/2)
		}
	}
	return d
}

type policyKey struct{}

// WithRetryPolicy returns a context with which operations follow the policy: its
// fields that are set replace those of Config.Retry.
func WithRetryPolicy(ctx context.Context, policy RetryPolicy) context.Context {
	return context.WithValue(ctx, policyKey{}, policy)
}

// policy returns the policy of an operation with the given context.
func (c *Cluster) policy(ctx context.Context) RetryPolicy {
	if p, ok := ctx.Value(policyKey{}).(RetryPolicy); ok {
		return p.or(c.retries)
	}
	return c.retries
}
