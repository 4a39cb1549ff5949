package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/load"
	"github.com/spf13/cobra"
)

// paces are --rate and --bytes-rate.
type paces struct{ rows, bytes pace }

const flagRate, flagBytesRate = "rate", "bytes-rate"

func (p *paces) addFlags(cmd *cobra.Command) {
	p.rows.addFlag(cmd)
	p.bytes.of = bytesASecond
	cmd.Flags().Var(&p.bytes, flagBytesRate, "the most `bytes` of keys and values a second, such as 32MiB")
}

// wait waits until a row may come.
func (p *paces) wait(ctx context.Context, row *pegasus.Row) error {
	if err := p.rows.wait(ctx, 1); err != nil {
		return err
	}
	return p.bytes.wait(ctx, len(row.HashKey)+len(row.SortKey)+len(row.Value))
}

// atOnce is how much may be sent at once.
func (p *paces) atOnce() load.AtOnce {
	return load.AtOnce{Rows: p.rows.share(), Bytes: p.bytes.share()}
}

// pace is the most of something a second. Its zero value is no limit, of rows.
type pace struct {
	of    *quantity // nil: rowsASecond
	rate  float64
	text  string
	began time.Time
	done  float64
}

// quantity is what comes in a second, and how numbers of it are written.
type quantity struct {
	kind, example string
	units         map[string]float64
	most          float64
}

var (
	rowsASecond  = &quantity{"rows", "500, 20k or 1.5M", map[string]float64{"k": 1e3, "M": 1e6}, 1e9}
	bytesASecond = &quantity{"bytes", "500000, 512KiB or 32MiB", map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}, 1 << 40}
)

func (p *pace) quantity() *quantity {
	if p.of == nil {
		return rowsASecond
	}
	return p.of
}

func (p *pace) addFlag(cmd *cobra.Command) {
	cmd.Flags().Var(p, flagRate, "the most rows a second, such as 20k")
}

// Set takes a number of its quantity.
func (p *pace) Set(s string) error {
	q := p.quantity()
	digits, factor := s, 1.0
	for suffix, f := range q.units {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, factor = rest, f
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n*factor > 0) || n*factor > q.most {
		return fmt.Errorf("%q is no number of %s a second such as %s", s, q.kind, q.example)
	}
	p.rate, p.text = n*factor, s
	return nil
}

// Type names the kind of value in the help.
func (p *pace) Type() string { return p.quantity().kind + "/s" }

// String returns what Set takes, "" for no limit.
func (p *pace) String() string { return p.text }

// share is what is for a tenth of a second, so that it does not come all at once; 0 for no
// limit.
func (p *pace) share() int {
	if p.rate == 0 {
		return 0
	}
	return max(1, int(p.rate/10))
}

// burst is for how long there may be more at once after a pause.
const burst = 20 * time.Millisecond

// wait waits until n more may come.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return nil
	}
	due := p.began.Add(time.Duration(p.done / p.rate * float64(time.Second)))
	now := time.Now()
	if late := now.Sub(due); late > burst { // also at the first
		p.began, p.done, due = now.Add(-burst), 0, now.Add(-burst)
	}
	p.done += float64(n)
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
