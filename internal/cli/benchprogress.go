package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/bench"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// benchProgress tells how the load goes: in one line on a terminal, and with a line each
// half minute elsewhere.
type benchProgress struct {
	streams ui.Streams
	quiet   bool
	of      time.Duration
	width   int // of the line on the terminal
}

const plainEvery = 30 // seconds

func (p *benchProgress) show(seconds []bench.Second) {
	n := seconds[0].Second
	live := p.streams.Animated()
	if p.quiet || !live && n%plainEvery != 0 {
		return
	}
	var s strings.Builder
	fmt.Fprintf(&s, "bench %3ds of %.0fs", n, p.of.Seconds())
	for _, x := range seconds {
		fmt.Fprintf(&s, "  %s %7s/s p50 %6s p99 %6s", x.Op, bench.Thousands(float64(x.Count)), bench.Round(x.P50), bench.Round(x.P99))
		if x.Errors > 0 {
			fmt.Fprintf(&s, " %d errors", x.Errors)
		}
	}
	if !live {
		fmt.Fprintf(p.streams.Err, "%s %s\n", time.Now().UTC().Format(time.RFC3339), s.String())
		return
	}
	line := s.String()
	fmt.Fprintf(p.streams.Err, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-len(line))))
	p.width = max(p.width, len(line))
}

// end takes the line away.
func (p *benchProgress) end() {
	if p.width > 0 {
		fmt.Fprintf(p.streams.Err, "\r%s\r", strings.Repeat(" ", p.width))
	}
}
