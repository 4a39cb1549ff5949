package ui

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestInput(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	for name, r := range map[string]io.Reader{
		"plain": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "end with data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := io.ReadAll(iotest.HalfReader(Streams{In: r}.Input(t.Context())))
		if err != nil || string(got) != text {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(Streams{In: iotest.ErrReader(broken)}.Input(t.Context())); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// An end of the context ends a read of a pipe, and takes nothing from who reads it next.
func TestInputEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	in := Streams{In: r}
	cancel()
	if _, err := in.Input(ctx).Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("a read ends with %v", err)
	}
	if !canWait {
		return
	}
	if _, err := w.WriteString("next"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := in.Input(t.Context()).Read(b); err != nil || string(b[:n]) != "next" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
