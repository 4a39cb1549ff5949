package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// An import is interrupted while it waits for more, and has stored what had come.
func TestImportThatWaits(t *testing.T) {
	srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp", Partitions: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	defer out.Close()
	go func() {
		_, _ = io.WriteString(out, "{\"hk\":\"h\",\"sk\":\"s\",\"value\":\"v\"}\n")
		_, _ = io.WriteString(out, "{") // it has taken the line before
		cancel()
	}()
	var stderr bytes.Buffer
	code := Run(ctx, []string{"import", "temp", "-", "--meta", srv.MetaServers()[0]}, ui.Streams{In: in, Err: &stderr})
	if code != int(exit.Interrupted) || !strings.Contains(stderr.String(), "interrupted after 1 row") {
		t.Errorf("status %d: %s", code, &stderr)
	}
}
