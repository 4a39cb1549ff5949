package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/bench"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// A line that is drawn anew on a terminal that can, a line each half minute elsewhere.
func TestBenchProgress(t *testing.T) {
	second := func(n int) []bench.Second {
		return []bench.Second{{Second: n, Op: "read", Count: 1234, P50: 80, P99: 1500}, {Second: n, Op: "write", Errors: 2}}
	}
	const line = "bench   1s of 60s  read   1,234/s p50  80 µs p99 1.5 ms  write       0/s p50   0 µs p99   0 µs 2 errors"
	for _, tc := range []struct {
		terminal bool
		term     string
		quiet    bool
		lines    int
		redrawn  bool
	}{
		{true, "xterm", false, 0, true},
		{true, "dumb", false, 1, false},
		{false, "", false, 1, false},
		{true, "xterm", true, 0, false},
	} {
		var out bytes.Buffer
		env := func(name string) string { return map[string]string{"TERM": tc.term}[name] }
		p := benchProgress{streams: ui.Streams{Err: &out, ErrTerminal: tc.terminal, Env: env}, quiet: tc.quiet, of: time.Minute}
		for n := range 30 {
			p.show(second(n + 1))
		}
		p.end()
		got := out.String()
		if strings.Count(got, "\n") != tc.lines || strings.Contains(got, "\r"+line) != tc.redrawn || strings.Contains(got, "\r") != tc.redrawn {
			t.Errorf("%+v: %q", tc, got)
		}
		if tc.redrawn && !strings.HasSuffix(got, "\r") {
			t.Errorf("%+v: the line is left: %q", tc, got)
		}
	}
}
