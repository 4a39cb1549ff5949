package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a command that ends by itself.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = Run(t.Context(), args, Streams{Out: &out, Err: &err})
	return status, out.String(), err.String()
}

func TestStatus(t *testing.T) {
	file := t.TempDir() + "/file"
	writeFile(t, file)
	for _, tc := range []struct {
		args   []string
		status int
		stderr string // part of it
	}{
		{[]string{}, exitOK, ""},
		{[]string{"--help"}, exitOK, ""},
		{[]string{"help", "onebox"}, exitOK, ""},
		{[]string{"version"}, exitOK, ""},
		{[]string{"oneboks"}, exitUsage, "onebox"}, // suggested
		{[]string{"--no-such-flag"}, exitUsage, "--no-such-flag"},
		{[]string{"version", "argument"}, exitUsage, "pegasus version --help"},
		{[]string{"onebox", "argument"}, exitUsage, "pegasus onebox --help"},
		{[]string{"onebox", "--durability", "none"}, exitUsage, "neither sync nor os"},
		{[]string{"onebox", "--table", ":8"}, exitUsage, "no name"},
		{[]string{"onebox", "--table", "a:b"}, exitUsage, "as in a:b:8"},
		{[]string{"onebox", "--table", "a:0"}, exitUsage, "not a number of partitions"},
		{[]string{"onebox", "--table", "a:1000000"}, exitUsage, "--table: partitions: 1000000"},
		{[]string{"onebox", "--table", "a:8,b:4"}, exitUsage, `"b:4" is not variable=value; another table needs another --table`},
		{[]string{"onebox", "--table", "a:8,"}, exitUsage, "is not variable=value"},
		{[]string{"onebox", "--table", "a:8,=1"}, exitUsage, "is not variable=value"},
		{[]string{"onebox", "--table", "a,default_ttl=1,default_ttl=2"}, exitUsage, "default_ttl is given twice"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a", "--table", "a:4"}, exitUsage, `--table: name: "a" is given twice`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a,default_ttl=soon"}, exitUsage, `--table: envs: default_ttl: "soon"`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a,ttl=1"}, exitUsage, `--table: envs: ttl: app_env "ttl" is not supported`},
		{[]string{"onebox", "--table", "a", "--read-only"}, exitUsage, "--read-only"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--dir", ""}, exitUsage, "--dir: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--from", ""}, exitUsage, "--from: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--backup-dir", ""}, exitUsage, "--backup-dir: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--advertise", ""}, exitUsage, "--advertise: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--advertise", "auto:1"}, exitUsage, `--advertise: "auto" takes no port`},
		{[]string{"onebox", "--read-only"}, exitUsage, "--read-only needs --dir"},
		{[]string{"onebox", "--from", filepath.Join(t.TempDir(), "none"), "--listen", "127.0.0.1:0"}, exitFailed, "there is no store"},
		{[]string{"onebox", "--read-only", "--dir", filepath.Join(t.TempDir(), "none"), "--listen", "127.0.0.1:0"}, exitFailed, "there is no store"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--meta-servers", "6"}, exitUsage, "--meta-servers: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-servers", "0"}, exitUsage, "--replica-servers: 0"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-count", "6"}, exitUsage, "--replica-count: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--cache-size", "-1"}, exitUsage, "--cache-size: "},
		{[]string{"onebox", "--listen", "nonsense"}, exitUsage, "--listen"},
		{[]string{"onebox", "--listen", "localhost:x"}, exitUsage, "--listen"},
		{[]string{"onebox", "--listen", "[::1]:34601"}, exitUsage, "--listen: ::1 is not an IPv4 address"},
		{[]string{"onebox", "--listen", "0.0.0.0:34601"}, exitUsage, "--allow-remote"},
		{[]string{"onebox", "--listen", "0.0.0.0:34601", "--allow-remote"}, exitUsage, "--advertise"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-servers", "6"}, exitUsage, "--replica-servers: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--dir", file}, exitFailed, file},
	} {
		status, stdout, stderr := run(t, tc.args...)
		if status != tc.status || !strings.Contains(stderr, tc.stderr) {
			t.Errorf("pegasus %q: status %d, want %d; stderr %q", tc.args, status, tc.status, stderr)
		}
		if (status == exitOK) != (stdout != "") {
			t.Errorf("pegasus %q: status %d and %q on stdout", tc.args, status, stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	if _, stdout, _ := run(t, "version"); !strings.HasPrefix(stdout, "pegasus ") || !strings.Contains(stdout, " go1.") {
		t.Errorf("pegasus version prints %q", stdout)
	}
}

// failingWriter fails like a closed pipe.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, context.Canceled }

func TestOutputThatFails(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"onebox", "--listen", "127.0.0.1:0"}} {
		var stderr bytes.Buffer
		if status := Run(t.Context(), args, Streams{Out: failingWriter{}, Err: &stderr}); status != exitFailed {
			t.Errorf("pegasus %q: status %d, want %d", args, status, exitFailed)
		}
	}
}
