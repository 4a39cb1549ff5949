package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestInput(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	for name, r := range map[string]io.Reader{
		"plain": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "end with data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := io.ReadAll(iotest.HalfReader(&input{ctx: t.Context(), r: r}))
		if err != nil || string(got) != text {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(&input{ctx: t.Context(), r: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

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
	if code != int(exit.Interrupted) || !strings.Contains(stderr.String(), "interrupted after 1 rows") {
		t.Errorf("status %d: %s", code, &stderr)
	}
}
