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
	if out, err := pegasus("table", "create", "other", "--meta", r.meta).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	defer out.Close()
	for _, tc := range []struct {
		args   []string
		status int
		silent bool
	}{
		{[]string{"scan", "temp"}, 0, true},
		{[]string{"count", "temp", "--exact"}, 0, true},
		{[]string{"diff", "temp", "other", "--settle", "0s", "--quiet"}, 3, true}, // it has found a difference
		{[]string{"diff", "temp", "temp2", "--settle", "0s", "--quiet"}, 1, false},
		{[]string{"export", "temp", "-", "--quiet"}, 1, false}, // the reader has not got all
	} {
		cmd := pegasus(append(tc.args, "--meta", r.meta)...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = out, &stderr
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != tc.status || tc.silent != (stderr.Len() == 0) {
			t.Errorf("%q: status %d, stderr %q", tc.args, status, &stderr)
		}
	}
}
