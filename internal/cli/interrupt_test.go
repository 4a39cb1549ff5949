package cli

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// A command that waits for a silent meta server when it is interrupted does not say that
// the cluster cannot be reached.
func TestInterruptedWithoutAnswer(t *testing.T) {
	for _, args := range [][]string{{"status"}, {"ping"}, {"doctor"}, {"table", "list"}} {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// Whoever connects interrupts, once it has asked something; ping connects to measure first.
		accepted := make(chan struct{})
		go func() {
			defer close(accepted)
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				if n, _ := nc.Read(make([]byte, 1)); n > 0 {
					defer nc.Close()
					cancel()
				}
			}
		}()
		var out, talk bytes.Buffer
		if status := Run(ctx, append(args, "--meta", l.Addr().String()), ui.Streams{Out: &out, Err: &talk}); status != int(exit.Interrupted) {
			t.Errorf("%q: status %d, %s%s", args, status, &out, &talk)
		}
		l.Close()
		<-accepted
		cancel()
	}
}
