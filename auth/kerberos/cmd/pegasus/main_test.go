package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/kdctest"
	"github.com/pegasus-go/pegasus/internal/cli"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The exit statuses that are looked at.
const (
	ok          = 0
	failed      = 1
	usage       = 2
	unreachable = 4
)

// person has an environment, and files of clusters in it.
type person struct {
	t   *testing.T
	env map[string]string
}

func somebody(t *testing.T, clusters string) person {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(clusters), 0o600); err != nil {
		t.Fatal(err)
	}
	return person{t, map[string]string{"PEGASUS_CONFIG": file}}
}

// runs runs a program and makes sure of its exit status, and of what is in its output or its errors.
func (p person) runs(program *cli.Kerberos, status int, says string, args ...string) {
	p.t.Helper()
	var out, talk bytes.Buffer
	got := program.Run(p.t.Context(), args, ui.Streams{Out: &out, Err: &talk, Env: func(name string) string { return p.env[name] }})
	all := out.String() + talk.String()
	if got != status || !strings.Contains(all, says) {
		p.t.Errorf("pegasus %s: status %d, want %d and %q\n%s", strings.Join(args, " "), got, status, says, all)
	}
}

// secured starts a onebox whose tables are changed by root, and written by everybody who has a ticket.
func secured(t *testing.T, k *kdctest.KDC) (meta string) {
	t.Helper()
	accept, err := acceptor.New(acceptor.Config{Keytab: k.Keytab(kdctest.Service)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := onebox.Start(onebox.Options{
		Auth:   &onebox.Auth{Acceptor: accept, ACL: true, SuperUsers: []string{"root"}},
		Tables: []onebox.Table{{Name: "hers", Envs: map[string]string{"replica_access_controller.allowed_users": "alice"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.MetaServers()[0]
}

// clusters is a file in which the cluster of meta is known as that of some principals, and of their caches.
func clusters(k *kdctest.KDC, meta string, caches map[string]string, principals ...string) string {
	var s strings.Builder
	for _, p := range principals {
		fmt.Fprintf(&s, "[cluster.%[1]s]\nmeta = [%[2]q]\n[cluster.%[1]s.kerberos]\nservice = %[3]q\nprincipal = %[1]q\nkeytab = %[4]q\nkrb5_conf = %[5]q\n",
			p, meta, kdctest.Service, k.Keytab(p), k.Conf)
	}
	for name, cache := range caches {
		fmt.Fprintf(&s, "[cluster.%s]\nmeta = [%q]\nkerberos = {service = %q, ccache = %q, krb5_conf = %q}\n", name, meta, kdctest.Service, cache, k.Conf)
	}
	return s.String()
}

func TestSecuredCluster(t *testing.T) {
	k := kdctest.Start(t, "root", "alice", "bob")
	meta := secured(t, k)
	p := somebody(t, clusters(k, meta, map[string]string{"cached": k.Kinit(t, "alice")}, "root", "alice", "bob"))
	with := program()
	for _, c := range []struct {
		status int
		says   string
		args   string
	}{
		{ok, "", "table create temp --partitions 4 --cluster root"},
		{ok, "", "set temp h s v --cluster alice"},
		{ok, "v", "get temp h s --cluster alice"},
		{ok, "v", "get temp h s --cluster cached"},
		{ok, "v", "scan temp --cluster alice"},
		{ok, "1", "count temp --exact --cluster alice"},
		{ok, "", "status --cluster alice"},
		{ok, "", "doctor --cluster root"},
		{ok, "", "ping temp -n 1 --cluster alice"},
		{ok, "keytab=", "cluster show --cluster alice"},
		{ok, "", "set hers h s v --cluster cached"},
		{ok, "", "copy hers root:temp --cluster alice"},
		{ok, "", "diff hers alice:temp --cluster alice"},
		{failed, "ERR_ACL_DENY", "get hers h s --cluster bob"},
		{failed, "ERR_ACL_DENY", "table create more --cluster bob"},
	} {
		p.runs(with, c.status, c.says, strings.Fields(c.args)...)
	}
	p.runs(with, ok, "v", "shell", "--cluster", "alice", "-c", "get temp h s")

	// In one line, which may be in the environment, too, and counts more than the file.
	line := "service=" + kdctest.Service + ",principal=alice,keytab=" + k.Keytab("alice") + ",krb5_conf=" + k.Conf
	p.runs(with, ok, "v", "get", "temp", "h", "s", "--meta", meta, "--kerberos", line)
	p.runs(with, ok, "v", "get", "hers", "h", "s", "--cluster", "bob", "--kerberos", line)
	p.runs(with, ok, "v", "shell", "--meta", meta, "--kerberos", line, "-c", "get temp h s")
	p.env["PEGASUS_KERBEROS"] = line
	p.runs(with, ok, "v", "get", "temp", "h", "s", "--meta", meta)
	p.env["PEGASUS_KERBEROS"] = "principal=alice"
	p.runs(with, usage, "PEGASUS_KERBEROS: service: is required", "get", "temp", "h", "s", "--meta", meta)
}

func TestWhatIsWrong(t *testing.T) {
	k := kdctest.Start(t, "alice", "dave")
	k.Admin(t, "delprinc -force dave")
	meta := secured(t, k)
	p := somebody(t, clusters(k, meta, map[string]string{"none": filepath.Join(t.TempDir(), "none"), "yesterday": k.At(t, "-24h").Kinit(t, "alice")}, "alice", "dave", "nobody"))
	get := func(status int, says string, args ...string) {
		t.Helper()
		p.runs(program(), status, says, append([]string{"get", "hers", "h", "s"}, args...)...)
	}
	get(unreachable, "no ticket: open ", "--cluster", "none")
	get(unreachable, "the ticket has expired: that of alice@PEGASUS.TEST", "--cluster", "yesterday")
	get(unreachable, "wrong principal: the KDC of PEGASUS.TEST says", "--cluster", "dave")
	get(usage, "Kerberos, from cluster nobody, --cluster: keytab: open ", "--cluster", "nobody")
	get(unreachable, "--kerberos or the file of clusters says how", "--meta", meta)

	// --kerberos says nothing of another cluster than that of the command.
	const other = "If it is secured with Kerberos, its section kerberos in the file of clusters says how; --kerberos is for the cluster of the command"
	p.runs(program(), unreachable, other, "copy", "hers", meta+":temp", "--cluster", "alice")
	p.runs(program(), unreachable, other, "diff", meta+":temp", "hers", "--cluster", "alice")

	// The program of the main module refuses what it would not do.
	var without *cli.Kerberos
	const install = "'go install github.com/pegasus-go/pegasus/auth/kerberos/cmd/pegasus@latest'"
	p.runs(without, usage, install, "get", "hers", "h", "s", "--cluster", "alice")
	p.runs(without, usage, install, "table", "list", "--meta", meta, "--kerberos", kdctest.Service)
	p.runs(without, usage, install, "copy", "alice:hers", "temp", "--meta", meta)
	p.runs(without, usage, install, "console", "--cluster", "alice")
	p.runs(without, usage, install, "onebox", "--keytab", k.Keytab(kdctest.Service))
	p.runs(without, unreachable, install, "get", "hers", "h", "s", "--meta", meta)
	p.runs(without, ok, "keytab=", "cluster", "show", "--cluster", "alice")
}

func TestOnebox(t *testing.T) {
	k := kdctest.Start(t, "alice", "root")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	told := make(announcement, 1)
	ended := make(chan int)
	go func() {
		var talk bytes.Buffer
		ended <- program().Run(ctx, []string{"onebox", "--listen", "127.0.0.1:0", "--keytab", k.Keytab(kdctest.Service), "--super-user", "root"}, ui.Streams{Out: told, Err: &talk})
	}()
	select {
	case meta := <-told:
		p := somebody(t, clusters(k, meta, nil, "alice", "root"))
		p.runs(program(), ok, "", "set", "temp", "h", "s", "v", "--cluster", "alice")
		p.runs(program(), failed, "ERR_ACL_DENY", "table", "drop", "temp", "--yes", "--cluster", "alice")
		p.runs(program(), ok, "", "table", "drop", "temp", "--yes", "--cluster", "root")
		stop()
		if status := <-ended; status != ok {
			t.Errorf("it ended with status %d", status)
		}
	case status := <-ended:
		t.Errorf("it does not start: status %d", status)
	}
	p := somebody(t, "")
	p.runs(program(), usage, "--super-user needs --keytab", "onebox", "--super-user", "root")
	p.runs(program(), usage, "--super-user: ", "onebox", "--keytab", k.Keytab(kdctest.Service), "--super-user", "root@R")
	p.runs(program(), usage, "--keytab: "+k.Conf+": it is no keytab", "onebox", "--keytab", k.Conf)
	p.runs(program(), usage, "--console: the page cannot authenticate", "onebox", "--keytab", k.Keytab(kdctest.Service), "--console", "127.0.0.1:0")
}

// announcement gets what a onebox says when it is there: the address of its meta server.
type announcement chan string

func (a announcement) Write(b []byte) (int, error) {
	a <- strings.Fields(string(b))[2]
	return len(b), nil
}
