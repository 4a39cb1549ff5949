package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pegasus-go/pegasus/internal/cli/ui"
)

// Main is the whole of a program: it runs the command line of the process, and ends it.
func Main(k *Kerberos) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		ends = append(ends, syscall.SIGHUP)
	}
	signal.Ignore(syscall.SIGPIPE) // writing says so, too, and a closed pager is no failure
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	os.Exit(k.Run(ctx, os.Args[1:], ui.Standard()))
}
