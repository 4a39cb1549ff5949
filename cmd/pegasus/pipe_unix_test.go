//go:build unix

package main

import (
	"bytes"
	"os"
	"testing"
)

// A reader that has gone, as after "| head -1", is no failure of a query.
func TestOutputThatNobodyReads(t *testing.T) {
	r := startOnebox(t, "--table", "temp")
	if out, err := pegasus("set", "temp", "h", "s", "v", "--meta", r.meta).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	defer out.Close()
	cmd := pegasus("scan", "temp", "--meta", r.meta)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v; stderr %q", err, &stderr)
	}
}
