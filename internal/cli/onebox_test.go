package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"

	"github.com/pegasus-go/pegasus"
)

func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
}

// running is a pegasus onebox that runs.
type running struct {
	meta   string   // address
	output []string // of the announcement, by line
	stop   func()   // interrupts it, and waits until it has ended
}

// runOneboxCommand runs pegasus onebox with args and a free port until it is
// ready.
func runOneboxCommand(t *testing.T, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- Run(ctx, append([]string{"onebox", "--listen", "127.0.0.1:0"}, args...), ui.Streams{Out: in, Err: &stderr})
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	var r running
	wanted := 3
	if slices.Contains(args, "--console") {
		wanted++
	}
	for len(r.output) < wanted && lines.Scan() {
		r.output = append(r.output, lines.Text())
	}
	if len(r.output) < wanted {
		t.Fatalf("status %d: %s", <-status, &stderr)
	}
	r.meta = strings.TrimSpace(strings.TrimPrefix(r.output[0], "meta server"))
	r.stop = func() {
		t.Helper()
		cancel()
		if s := <-status; s != int(exit.OK) {
			t.Errorf("status %d after an interrupt: %s", s, &stderr)
		}
	}
	return r
}

// withTable opens a table and calls f with it.
func withTable(t *testing.T, meta, name string, f func(pegasus.TableConnector)) {
	t.Helper()
	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{meta}})
	defer client.Close()
	table, err := client.OpenTable(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	f(table)
}

func TestOneboxInMemory(t *testing.T) {
	r := runOneboxCommand(t, "--replica-servers", "3")
	withTable(t, r.meta, defaultTable, func(table pegasus.TableConnector) {
		if err := table.Set(t.Context(), []byte("h"), []byte("s"), []byte("v")); err != nil {
			t.Error(err)
		}
	})
	if got := len(strings.Fields(strings.TrimPrefix(r.output[1], "replica servers"))); got != 3 {
		t.Errorf("%q names %d replica servers, want 3", r.output[1], got)
	}
	if !strings.HasSuffix(r.output[2], "in memory") {
		t.Errorf("the last line is %q", r.output[2])
	}
	r.stop()
	if nc, err := net.Dial("tcp", r.meta); err == nil {
		nc.Close()
		t.Error("the port is still open")
	}
}

func TestOneboxInDirectory(t *testing.T) {
	dir := t.TempDir()
	key, value := []byte("k"), []byte("v")
	r := runOneboxCommand(t, "--dir", dir, "--durability", "os", "--table", "a:2", "--table", "b")
	for _, name := range []string{"a", "b"} {
		withTable(t, r.meta, name, func(table pegasus.TableConnector) {
			if err := table.Set(t.Context(), key, key, value); err != nil {
				t.Error(err)
			}
		})
	}

	status, _, stderr := run(t, "onebox", "--listen", "127.0.0.1:0", "--dir", dir)
	if status != int(exit.Failed) || !strings.Contains(stderr, dir) {
		t.Errorf("a second onebox in the directory: status %d, %s", status, stderr)
	}
	_, port, _ := net.SplitHostPort(r.meta)
	status, _, stderr = run(t, "onebox", "--listen", "localhost:"+port)
	if status != int(exit.Failed) || !strings.Contains(stderr, r.meta) || !strings.Contains(stderr, "--listen takes another port") {
		t.Errorf("a second onebox on the port: status %d, %s", status, stderr)
	}
	r.stop()

	r = runOneboxCommand(t, "--dir", dir, "--read-only")
	defer r.stop()
	withTable(t, r.meta, "a", func(table pegasus.TableConnector) {
		if got, err := table.Get(t.Context(), key, key); err != nil || !bytes.Equal(got, value) {
			t.Errorf("Get after a restart = %q, %v", got, err)
		}
		if err := table.Set(t.Context(), key, key, value); !errors.Is(err, pegasus.ErrOperationDisabled) {
			t.Errorf("Set on a read-only onebox: %v", err)
		}
	})
}

// A table is made with the environment that the flag gives it, and with others
// than it has the command refuses to start.
func TestOneboxTables(t *testing.T) {
	dir := t.TempDir()
	key := []byte("k")
	r := runOneboxCommand(t, "--dir", dir, "--table", "a:4,default_ttl=1d,replica.write_throttling=20000*delay*100,30000*reject*100")
	withTable(t, r.meta, "a", func(table pegasus.TableConnector) {
		if err := table.Set(t.Context(), key, key, key); err != nil {
			t.Error(err)
		}
		if ttl, err := table.TTL(t.Context(), key, key); err != nil || ttl < 86000 || ttl > 86400 {
			t.Errorf("a TTL of %d, %v, want a day", ttl, err)
		}
	})
	r.stop()
	for table, want := range map[string]string{
		"a:8":               `--table: partitions: table "a" has 4, not 8`,
		"a,default_ttl=2d":  `--table: envs: table "a" has default_ttl="86400", not "172800"`,
		"a,business.info=x": `--table: envs: table "a" has business.info="", not "x"`,
		"a,replica.write_throttling=20000*reject*100": `--table: envs: table "a" has replica.write_throttling="20000*delay*100,30000*reject*100"`,
	} {
		status, _, stderr := run(t, "onebox", "--listen", "127.0.0.1:0", "--dir", dir, "--table", "b:2", "--table", table)
		if status != int(exit.Usage) || !strings.Contains(stderr, want) {
			t.Errorf("--table %s: status %d, %s, want %s", table, status, stderr, want)
		}
	}
	for _, table := range []string{"a", "a:4", "a,default_ttl=24h", "b:4"} { // b was not made when a was refused
		runOneboxCommand(t, "--dir", dir, "--table", table).stop()
	}
}

// askConsole asks the console with that address what it is.
func askConsole(t *testing.T, base, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/api/about", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Console-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// The page of a onebox shows it to whoever has the token. A port that is taken is found
// before the onebox starts.
func TestOneboxConsole(t *testing.T) {
	r := runOneboxCommand(t, "--console", "127.0.0.1:0")
	base, token, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(r.output[3], "console")), "/#token=")
	if !ok {
		t.Fatalf("the announcement is %q", r.output)
	}
	if status, body := askConsole(t, base, token); status != http.StatusOK || !strings.Contains(body, `"rehearse":true`) || !strings.Contains(body, r.meta) {
		t.Errorf("status %d, %s", status, body)
	}
	if status, _ := askConsole(t, base, "another"); status != http.StatusUnauthorized {
		t.Errorf("status %d without the token", status)
	}
	status, _, stderr := run(t, "onebox", "--listen", "127.0.0.1:0", "--console", strings.TrimPrefix(base, "http://"))
	if status != int(exit.Failed) || !strings.Contains(stderr, "--console") {
		t.Errorf("a second console on the port: status %d, %s", status, stderr)
	}
	r.stop()
}

// The console of a cluster is read-only unless it is told otherwise, and cannot break it.
func TestConsole(t *testing.T) {
	r := runOneboxCommand(t)
	defer r.stop()
	file := t.TempDir() + "/token"
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args  []string
		token string // "" if it is printed
		want  string
	}{
		{nil, "", `"allow_writes":false,"rehearse":false`},
		{[]string{"--allow-writes", "--token-file", file}, "0123456789abcdef", `"allow_writes":true,"rehearse":false`},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		var stderr bytes.Buffer
		status := make(chan int, 1)
		go func() {
			status <- Run(ctx, append([]string{"console", "--meta", r.meta, "--listen", "127.0.0.1:0"}, tc.args...), ui.Streams{Out: in, Err: &stderr})
			in.Close()
		}()
		lines := bufio.NewScanner(out)
		lines.Scan()
		base, token, printed := strings.Cut(strings.TrimSpace(strings.TrimPrefix(lines.Text(), "console")), "/#token=")
		if printed != (tc.token == "") {
			t.Fatalf("%q: the announcement is %q, %s", tc.args, lines.Text(), &stderr)
		}
		if status, body := askConsole(t, strings.TrimSuffix(base, "/"), token+tc.token); status != http.StatusOK || !strings.Contains(body, tc.want) {
			t.Errorf("%q: status %d, %s", tc.args, status, body)
		}
		cancel()
		if s := <-status; s != int(exit.OK) {
			t.Errorf("%q: status %d, %s", tc.args, s, &stderr)
		}
	}
}
