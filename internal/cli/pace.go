package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pace is the value of --rate: the most rows a second. Its zero value is no limit.
type pace struct {
	rate  float64
	text  string
	began time.Time
	rows  float64
}

// Set takes a number such as 500, 20k or 1.5M.
func (p *pace) Set(s string) error {
	digits, factor := s, 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, factor = rest, f
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n*factor > 0) || n*factor > 1e9 {
		return fmt.Errorf("%q is no number of rows a second such as 500, 20k or 1.5M", s)
	}
	p.rate, p.text = n*factor, s
	return nil
}

// Type names the kind of value in the help.
func (p *pace) Type() string { return "rows/s" }

// String returns what Set takes, "" for no limit.
func (p *pace) String() string { return p.text }

// share is how many rows are for a tenth of a second, so that they do not come all at once; 0
// for no limit.
func (p *pace) share() int {
	if p.rate == 0 {
		return 0
	}
	return max(1, int(p.rate/10))
}

// burst is for how long rows may come at once after a pause.
const burst = 20 * time.Millisecond

// wait waits until another row may come.
func (p *pace) wait(ctx context.Context) error {
	if p.rate == 0 {
		return nil
	}
	due := p.began.Add(time.Duration(p.rows / p.rate * float64(time.Second)))
	now := time.Now()
	if late := now.Sub(due); late > burst { // also at the first row
		p.began, p.rows, due = now.Add(-burst), 0, now.Add(-burst)
	}
	p.rows++
	if due.Sub(now) <= time.Millisecond {
		return ctx.Err()
	}
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
