package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	completionTime = 5 * time.Second
	goleak.VerifyTestMain(m)
}

// run runs a command that ends by itself.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = Run(t.Context(), args, ui.Streams{Out: &out, Err: &err})
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
		{[]string{}, int(exit.OK), ""},
		{[]string{"--help"}, int(exit.OK), ""},
		{[]string{"help", "onebox"}, int(exit.OK), ""},
		{[]string{"version"}, int(exit.OK), ""},
		{[]string{"oneboks"}, int(exit.Usage), "onebox"}, // suggested
		{[]string{"--no-such-flag"}, int(exit.Usage), "--no-such-flag"},
		{[]string{"version", "argument"}, int(exit.Usage), "pegasus version --help"},
		{[]string{"onebox", "argument"}, int(exit.Usage), "pegasus onebox --help"},
		{[]string{"onebox", "--durability", "none"}, int(exit.Usage), "neither sync nor os"},
		{[]string{"onebox", "--table", ":8"}, int(exit.Usage), "no name"},
		{[]string{"onebox", "--table", "a:b"}, int(exit.Usage), "as in a:b:8"},
		{[]string{"onebox", "--table", "a:0"}, int(exit.Usage), "not a number of partitions"},
		{[]string{"onebox", "--table", "a:1000000"}, int(exit.Usage), "--table: partitions: 1000000"},
		{[]string{"onebox", "--table", "a:8,b:4"}, int(exit.Usage), `"b:4" is not variable=value; another table needs another --table`},
		{[]string{"onebox", "--table", "a:8,"}, int(exit.Usage), "is not variable=value"},
		{[]string{"onebox", "--table", "a:8,=1"}, int(exit.Usage), "is not variable=value"},
		{[]string{"onebox", "--table", "a,default_ttl=1,default_ttl=2"}, int(exit.Usage), "default_ttl is given twice"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a", "--table", "a:4"}, int(exit.Usage), `--table: name: "a" is given twice`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a,default_ttl=soon"}, int(exit.Usage), `--table: envs: default_ttl: "soon"`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--table", "a,ttl=1"}, int(exit.Usage), `--table: envs: ttl: app_env "ttl" is not supported`},
		{[]string{"onebox", "--table", "a", "--read-only"}, int(exit.Usage), "--read-only"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--dir", ""}, int(exit.Usage), "--dir: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--from", ""}, int(exit.Usage), "--from: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--backup-dir", ""}, int(exit.Usage), "--backup-dir: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--advertise", ""}, int(exit.Usage), "--advertise: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--advertise", "auto:1"}, int(exit.Usage), `--advertise: "auto" takes no port`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--console", ""}, int(exit.Usage), "--console: is empty"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--console", "8080"}, int(exit.Usage), `--console "8080" is not ip:port`},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--console", "0.0.0.0:0"}, int(exit.Usage), "--console 0.0.0.0:0 can be reached from other machines"},
		{[]string{"console", "--listen", "0.0.0.0:0"}, int(exit.Usage), "add --token-file"},
		{[]string{"console", "--listen", "nonsense"}, int(exit.Usage), "--listen"},
		{[]string{"console", "--token-file", file}, int(exit.Usage), "is empty"},
		{[]string{"console", "--token-file", file + ".none"}, int(exit.Failed), "--token-file"},
		{[]string{"console", "--table", "t"}, int(exit.Usage), "--table"},
		{[]string{"onebox", "--read-only"}, int(exit.Usage), "--read-only needs --dir"},
		{[]string{"onebox", "--from", filepath.Join(t.TempDir(), "none"), "--listen", "127.0.0.1:0"}, int(exit.Failed), "there is no store"},
		{[]string{"onebox", "--read-only", "--dir", filepath.Join(t.TempDir(), "none"), "--listen", "127.0.0.1:0"}, int(exit.Failed), "there is no store"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--meta-servers", "6"}, int(exit.Usage), "--meta-servers: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-servers", "0"}, int(exit.Usage), "--replica-servers: 0"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-count", "6"}, int(exit.Usage), "--replica-count: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--cache-size", "-1"}, int(exit.Usage), "--cache-size: "},
		{[]string{"onebox", "--listen", "nonsense"}, int(exit.Usage), "--listen"},
		{[]string{"onebox", "--listen", "localhost:x"}, int(exit.Usage), "--listen"},
		{[]string{"onebox", "--listen", "[::1]:34601"}, int(exit.Usage), "--listen: ::1 is not an IPv4 address"},
		{[]string{"onebox", "--listen", "0.0.0.0:34601"}, int(exit.Usage), "--allow-remote"},
		{[]string{"onebox", "--listen", "0.0.0.0:34601", "--allow-remote"}, int(exit.Usage), "--advertise"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--replica-servers", "6"}, int(exit.Usage), "--replica-servers: 6"},
		{[]string{"onebox", "--listen", "127.0.0.1:0", "--dir", file}, int(exit.Failed), file},
	} {
		status, stdout, stderr := run(t, tc.args...)
		if status != tc.status || !strings.Contains(stderr, tc.stderr) {
			t.Errorf("pegasus %q: status %d, want %d; stderr %q", tc.args, status, tc.status, stderr)
		}
		if (status == int(exit.OK)) != (stdout != "") {
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
		if status := Run(t.Context(), args, ui.Streams{Out: failingWriter{}, Err: &stderr}); status != int(exit.Failed) {
			t.Errorf("pegasus %q: status %d, want %d", args, status, int(exit.Failed))
		}
	}
}
