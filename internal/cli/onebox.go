package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/spf13/cobra"
)

// oneboxOptions are the flags of pegasus onebox.
type oneboxOptions struct {
	dir            string
	from           string
	backupDir      string
	listen         string
	advertise      string
	tables         tableFlag
	metaServers    int
	replicaServers int
	replicaCount   int
	cacheMiB       int
	durability     durabilityFlag
	allowRemote    bool
	readOnly       bool
	debug          bool
	console        string
	keytab         string
	superUsers     []string
}

func newOneboxCommand(a *app) *cobra.Command {
	o := oneboxOptions{durability: durabilityFlag(onebox.Sync)}
	cmd := &cobra.Command{
		Use:   "onebox",
		Short: "Run a whole Pegasus in this process, until interrupted",
		Long: `Run a whole Pegasus in this process: a meta server and replica servers that
speak the Pegasus protocol, over one embedded store. It runs until interrupted,
and exits with status 1 if its data could not be written. Every server answers
GET /health on its port, with status 503 when no more writes are taken.

There is no authentication, unless --keytab demands Kerberos. Servers listen on this
machine only unless --allow-remote says otherwise.`,
		Example: `  pegasus onebox                                  # in memory, table "temp"
  pegasus onebox --dir ./data --table users:16    # durable
  pegasus onebox --table users:16,default_ttl=1d --table orders
  pegasus onebox --console 127.0.0.1:8080         # with a page in the browser
  pegasus onebox --listen 0.0.0.0:34601 --allow-remote --advertise auto    # in a container`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := notEmpty(cmd, "dir", "from", "backup-dir", "advertise", "console", "keytab"); err != nil {
				return err
			}
			return a.runOnebox(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "`directory` of the data, made if there is none (default in memory)")
	f.StringVar(&o.from, "from", "", "`directory` of a backup that the data begins as a copy of; --dir must not exist yet")
	f.StringVar(&o.backupDir, "backup-dir", "", "`directory` where the remote command \"backup name [table]\" of the meta server makes backups")
	f.StringVar(&o.listen, "listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(onebox.DefaultPort)),
		"`ip:port` of the meta server; replica servers listen from port+200 on, or all on free ports with port 0")
	f.StringVar(&o.advertise, "advertise", "", "`address` that clients are told instead of the one in --listen: an IPv4 address, a host\nname that is looked up, either with the port of the replica server behind a colon if ports\nare mapped, or auto: each client the address by which it has reached the meta server")
	f.Var(&o.tables, "table", "`spec` of a table to make if there is none of its name, NAME[:PARTITIONS][,VARIABLE=VALUE]... Without PARTITIONS 8; variables are those of the table's environment, such as default_ttl=1d. Can be repeated (default temp)")
	f.IntVar(&o.metaServers, "meta-servers", 1, "`number` of meta servers, 1 to 5")
	f.IntVar(&o.replicaServers, "replica-servers", 3, "`number` of replica servers, 1 to 5; tables have no more replicas than that")
	f.IntVar(&o.replicaCount, "replica-count", 3, "`number` of replicas that clients are told of for tables that are made, 1 to 5")
	f.IntVar(&o.cacheMiB, "cache-size", 0, "`MiB` of memory for cached data and recent writes (default 8 in memory, 256 with --dir)")
	f.Var(&o.durability, "durability", "what an acknowledged write survives: sync, loss of power; os, the death of this process")
	f.BoolVar(&o.allowRemote, "allow-remote", false, "allow --listen to be reachable from other machines")
	f.BoolVar(&o.readOnly, "read-only", false, "refuse all changes of data and tables, and need a --dir that has some")
	f.StringVar(&o.console, "console", "", "`ip:port` of this machine where a page shows the onebox in a browser, and breaks it for\nrehearsals (default no page)")
	f.StringVar(&o.keytab, "keytab", "", "`file` with the key of the servers: clients have to authenticate with Kerberos")
	f.StringSliceVar(&o.superUsers, "super-user", nil, "with --keytab, `name` of a client that may change tables, which nobody else may then, and use\nthose that are kept to others; can be repeated")
	f.BoolVar(&o.debug, "debug", false, "log details, such as connections that break")
	return cmd
}

const defaultTable = "temp"

// notEmpty refuses flags that were set to an empty text, as a script does that
// passes a variable which it has not set.
func notEmpty(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return &usageError{fmt.Sprintf("--%s: is empty; leave it out if there is none", name)}
		}
	}
	return nil
}

func (a *app) runOnebox(ctx context.Context, o oneboxOptions) error {
	streams := a.streams
	if err := o.check(); err != nil {
		return err
	}
	tables := o.tables
	if len(tables) == 0 && !o.readOnly {
		tables = tableFlag{{Name: defaultTable}}
	}
	for i := range tables {
		tables[i].ReplicaCount = o.replicaCount
	}
	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	auth, err := o.auth(a.kerberos)
	if err != nil {
		return err
	}
	page, err := newOneboxConsole(o)
	if err != nil {
		return err
	}
	defer page.close()
	srv, err := onebox.Start(onebox.Options{
		Dir:              o.dir,
		From:             o.from,
		BackupDir:        o.backupDir,
		CacheSize:        int64(o.cacheMiB) << 20,
		MetaServers:      o.metaServers,
		Durability:       onebox.Durability(o.durability),
		Listen:           o.listen,
		AllowNonLoopback: o.allowRemote,
		Advertise:        o.advertise,
		ReplicaServers:   o.replicaServers,
		Tables:           tables,
		ReadOnly:         o.readOnly,
		Auth:             auth,
		Clock:            page.clock(),
		Logger:           slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return explain(err)
	}
	url, err := page.serve(ctx, srv)
	if err == nil {
		err = o.announce(streams.Out, srv, url)
	}
	if err != nil {
		srv.Close()
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(streams.Err, "pegasus: stopping")
	page.close()
	return srv.Close()
}

// auth returns what is demanded of clients, nil for nothing.
func (o *oneboxOptions) auth(k *Kerberos) (*onebox.Auth, error) {
	switch {
	case o.keytab == "" && len(o.superUsers) > 0:
		return nil, &usageError{"--super-user needs --keytab: clients have no names otherwise"}
	case o.keytab == "":
		return nil, nil
	case o.console != "":
		return nil, &usageError{"--console: the page cannot authenticate; 'pegasus console' can, with --kerberos"}
	}
	accept, err := k.server(o.keytab)
	if err != nil {
		return nil, &usageError{"--keytab: " + err.Error()}
	}
	return &onebox.Auth{Acceptor: accept, ACL: len(o.superUsers) > 0, SuperUsers: o.superUsers}, nil
}

// check explains in terms of flags what onebox.Start would refuse.
func (o *oneboxOptions) check() error {
	if o.readOnly && len(o.tables) > 0 {
		return &usageError{"--table makes a table, which --read-only forbids"}
	}
	if o.readOnly && o.dir == "" {
		return &usageError{"--read-only needs --dir: there is nothing to read otherwise"}
	}
	for name, n := range map[string]int{"meta-servers": o.metaServers, "replica-servers": o.replicaServers, "replica-count": o.replicaCount} {
		if n < 1 {
			return &usageError{fmt.Sprintf("--%s: %d is not a positive number", name, n)}
		}
	}
	listen := o.listen
	if port, ok := strings.CutPrefix(listen, "localhost:"); ok {
		listen = "127.0.0.1:" + port
	}
	addr, err := netip.ParseAddrPort(listen)
	if err != nil {
		return &usageError{fmt.Sprintf("--listen %q is not ip:port", o.listen)}
	}
	if !addr.Addr().IsLoopback() && !o.allowRemote {
		return &usageError{fmt.Sprintf("--listen %s can be reached from other machines; add --allow-remote if that is intended", o.listen)}
	}
	if addr.Addr().IsUnspecified() && o.advertise == "" {
		return &usageError{fmt.Sprintf("--listen %s needs --advertise: the address that clients are told, such as auto", o.listen)}
	}
	return nil
}

// explain names flags where onebox.Start names options, and says what to do
// about a port that is taken.
func explain(err error) error {
	var oe *onebox.OptionError
	switch {
	case errors.As(err, &oe):
		return &usageError{flagOf(oe.Field) + ": " + oe.Reason}
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; --listen takes another port, or port 0 for free ones", err)
	}
	return err
}

// flagOf returns the flag behind a field of onebox.Options: "--table:
// partitions" for "Tables[0].Partitions", "--cache-size" for "CacheSize".
func flagOf(field string) string {
	if strings.HasPrefix(field, "Auth.SuperUsers") {
		return "--super-user"
	}
	name, part, _ := strings.Cut(field, ".")
	name, _, indexed := strings.Cut(name, "[")
	switch {
	case indexed && part != "ReplicaCount":
		return "--table: " + strings.ToLower(part)
	case indexed:
		name = part
	}
	var flag strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			flag.WriteByte('-')
		}
		flag.WriteRune(unicode.ToLower(r))
	}
	return "--" + flag.String()
}

// announce says where the servers are, now that clients can connect.
func (o *oneboxOptions) announce(w io.Writer, srv *onebox.Server, console string) error {
	data := "in memory"
	if o.dir != "" {
		data = fmt.Sprintf("in %s, durability %s", o.dir, &o.durability)
	}
	if console != "" {
		console = "console          " + console + "\n"
	}
	_, err := fmt.Fprintf(w, "meta server      %s\nreplica servers  %s\ndata             %s\n%s",
		strings.Join(srv.MetaServers(), " "), strings.Join(srv.ReplicaServers(), " "), data, console)
	return err
}

// durabilityFlag is the value of --durability.
type durabilityFlag onebox.Durability

// Set takes "sync" or "os".
func (f *durabilityFlag) Set(s string) error {
	switch s {
	case "sync":
		*f = durabilityFlag(onebox.Sync)
	case "os":
		*f = durabilityFlag(onebox.OS)
	default:
		return fmt.Errorf("%q is neither sync nor os", s)
	}
	return nil
}

// Type names the kind of value in the help.
func (f *durabilityFlag) Type() string { return "sync|os" }

// String returns what Set takes.
func (f *durabilityFlag) String() string {
	if onebox.Durability(*f) == onebox.OS {
		return "os"
	}
	return "sync"
}
