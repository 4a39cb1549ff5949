package cli

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// A command that is interrupted while its meta server does not answer says so by its status, and
// not that the cluster cannot be reached.
func TestInterruptedWithoutAnswer(t *testing.T) {
	silent := func(_ net.Listener, nc net.Conn) (asked bool) { // ping connects to measure before it asks
		n, _ := nc.Read(make([]byte, 1))
		return n > 0
	}
	goes := func(l net.Listener, nc net.Conn) bool {
		l.Close()
		nc.Close()
		return true
	}
	for _, tc := range []struct {
		args   []string
		server func(net.Listener, net.Conn) (interrupts bool)
	}{
		{[]string{"status"}, silent},
		{[]string{"ping"}, silent},
		{[]string{"doctor"}, silent},
		{[]string{"table", "list"}, silent},
		{[]string{"get", "temp", "h", "s"}, silent},
		{[]string{"get", "temp", "h", "s"}, goes},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				if tc.server(l, nc) {
					cancel()
				}
			}
		}()
		var out, talk bytes.Buffer
		if status := Run(ctx, append(tc.args, "--meta", l.Addr().String()), ui.Streams{Out: &out, Err: &talk}); status != int(exit.Interrupted) {
			t.Errorf("%q: status %d, %s%s", tc.args, status, &out, &talk)
		}
		l.Close()
		<-served
		cancel()
	}
}
