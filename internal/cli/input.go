package cli

import (
	"context"
	"io"
	"os"
)

// openInput opens a file, or standard input for -.
func (a *app) openInput(ctx context.Context, name string) (io.Reader, func(), error) {
	if name == "-" {
		return a.streams.Input(ctx), func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}
