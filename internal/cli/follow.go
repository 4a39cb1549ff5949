package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

// followAgain is the pause between two looks at what goes on in the cluster.
const followAgain = 500 * time.Millisecond

// withLongAdmin is withAdmin for what takes as long as it does: --timeout is for each
// request.
func (a *app) withLongAdmin(ctx context.Context, f func(context.Context, *admin.Client) error) error {
	c, err := a.here().administer(a.timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	return a.reach(ctx, a.metaServers(), func(ctx context.Context) error { return f(ctx, c) })
}

// follow watches what goes on in the cluster whether it is watched or not. again is the command
// that shows it later, for those who stop waiting.
func (a *app) follow(ctx context.Context, quiet bool, what, again string, look func(context.Context) (text string, over bool, err error)) error {
	err := a.watch(ctx, quiet, what, look)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exit.Errorf(exit.Interrupted, "%s goes on in the cluster; see: %s", what, again)
	}
	return fmt.Errorf("%w; it may go on, see: %s", err, again)
}

// watch tells on standard error how far something is, whenever that has changed, until look
// says that it is over, or ctx ends.
func (a *app) watch(ctx context.Context, quiet bool, what string, look func(context.Context) (text string, over bool, err error)) error {
	last := ""
	for {
		text, over, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		if text != last && !quiet {
			fmt.Fprintf(a.streams.Err, "%s  %s  %s\n", stamp(time.Now()), esc.Text(what), esc.Text(text))
			last = text
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

// quietFlag adds the flag of commands that follow something.
func quietFlag(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVar(quiet, "quiet", false, "do not say how far it is")
}

// exclusive refuses flags of which one leaves no room for another.
func exclusive(cmd *cobra.Command, flags ...string) error {
	first := ""
	for _, name := range flags {
		switch changed := cmd.Flags().Changed(name); {
		case changed && first != "":
			return exit.Errorf(exit.Usage, "--%s and --%s exclude each other", first, name)
		case changed:
			first = name
		}
	}
	return nil
}
