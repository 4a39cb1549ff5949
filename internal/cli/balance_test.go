package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// An interrupted balance that cannot set the level back says so.
func TestInterruptedBalanceStaysLively(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv.Intercept(func(r onebox.Request) onebox.Action {
		switch {
		case r.Task == onebox.TaskClusterInfo:
			cancel()
		case r.Task == onebox.TaskControlMeta && ctx.Err() != nil:
			return onebox.Action{Error: "ERR_ACL_DENY"}
		}
		return onebox.Action{}
	})
	var out, talk bytes.Buffer
	status := Run(ctx, []string{"balance", "--run", "--yes", "--meta", strings.Join(srv.MetaServers(), ",")}, ui.Streams{Out: &out, Err: &talk})
	if status != int(exit.Interrupted) || !strings.Contains(talk.String(), "the level may stay lively: ") {
		t.Errorf("status %d, %s", status, &talk)
	}
}
