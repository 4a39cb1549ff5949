package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/internal/console/rehearse"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/spf13/cobra"
)

// consoleListen is where a console listens unless it was told otherwise.
const consoleListen = "127.0.0.1:8080"

// consoleFlags are the flags of pegasus console.
type consoleFlags struct {
	listen      string
	hosts       []string
	tokenFile   string
	allowWrites bool
}

func newConsoleCommand(a *app) *cobra.Command {
	var o consoleFlags
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve a page that shows a cluster in a browser, until interrupted",
		Long: `Serve a page that shows a cluster in a browser, until interrupted: nodes,
tables, partitions, rates, and the rows of tables. It changes nothing unless
--allow-writes is given.

The address that it prints has a token behind the #; without the token the page
shows nothing. It listens on this machine only. To listen elsewhere give it a
token of your own with --token-file, and put something with TLS in front: what
the page shows is sent as it is.`,
		Example: `  pegasus console --meta 10.0.0.1:34601
  pegasus console --meta 10.0.0.1:34601 --allow-writes --listen 127.0.0.1:9000
  pegasus onebox --console ` + consoleListen + `        # that of a onebox`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsCluster: "yes", answersItself: "yes", useless: "table timeout output"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.serveConsole(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", consoleListen, "`ip:port` of the page; port 0 is a free one")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` with the token that browsers have to show: 16 or more letters, digits, _ and -. The page\nis then at http://ip:port/#token=TOKEN (default a random one, which is printed)")
	f.StringSliceVar(&o.hosts, "host", nil, "`name` by which browsers may ask for the page, beside the address; can be repeated")
	f.BoolVar(&o.allowWrites, "allow-writes", false, "let the page change rows and tables")
	return changesWith(cmd, "allow-writes")
}

func (a *app) serveConsole(ctx context.Context, o consoleFlags) error {
	addr, err := consoleAddress("--listen", o.listen)
	if err != nil {
		return err
	}
	if !addr.Addr().IsLoopback() && o.tokenFile == "" {
		return &usageError{fmt.Sprintf("--listen %s can be reached from other machines; add --token-file if that is intended", o.listen)}
	}
	token := ""
	if o.tokenFile != "" {
		b, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		token = strings.TrimSpace(string(b))
		if token == "" {
			return &usageError{"--token-file: " + o.tokenFile + " is empty"}
		}
	}
	auth, err := a.here().auth()
	if err != nil {
		return err
	}
	c, err := console.New(console.Options{MetaServers: a.metaServers(), Auth: auth, AllowWrites: o.allowWrites, Token: token, Hosts: o.hosts})
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer l.Close()
	url := c.URL(l.Addr())
	if token != "" {
		url, _, _ = strings.Cut(url, "#") // the owner of the file knows it
	}
	if _, err := fmt.Fprintf(a.streams.Out, "console  %s\n", url); err != nil {
		return err
	}
	return c.Serve(ctx, l)
}

// consoleAddress parses the value of a flag that says where to listen.
func consoleAddress(flag, text string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(text, "localhost:"); ok {
		text = "127.0.0.1:" + port
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return addr, &usageError{fmt.Sprintf("%s %q is not ip:port", flag, text)}
	}
	return addr, nil
}

// oneboxConsole is the console of a onebox in this process. A nil one is none.
type oneboxConsole struct {
	listener net.Listener
	readOnly bool
	time     rehearse.Clock
	console  *console.Console
	serving  sync.WaitGroup
}

// newOneboxConsole listens already, so that a port that is taken is found before there
// is a onebox.
func newOneboxConsole(o oneboxOptions) (*oneboxConsole, error) {
	if o.console == "" {
		return nil, nil
	}
	addr, err := consoleAddress("--console", o.console)
	if err != nil {
		return nil, err
	}
	if !addr.Addr().IsLoopback() {
		return nil, &usageError{fmt.Sprintf("--console %s can be reached from other machines; 'pegasus console --listen' can serve there, with a token of your own", o.console)}
	}
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("--console: %w", err)
	}
	return &oneboxConsole{listener: l, readOnly: o.readOnly}, nil
}

// clock returns what the onebox takes for the time, nil for that of the machine.
func (p *oneboxConsole) clock() func() time.Time {
	if p == nil {
		return nil
	}
	return p.time.Now
}

// serve begins to serve, and returns the address of the page, "" without one.
func (p *oneboxConsole) serve(ctx context.Context, srv *onebox.Server) (url string, err error) {
	if p == nil {
		return "", nil
	}
	o := console.Options{MetaServers: srv.MetaServers(), AllowWrites: !p.readOnly, Clock: p.time.Now}
	if !p.readOnly {
		if o.Rehearsal, err = rehearse.New(srv, &p.time); err != nil {
			return "", err
		}
	}
	if p.console, err = console.New(o); err != nil {
		if o.Rehearsal != nil {
			o.Rehearsal.Close()
		}
		return "", err
	}
	p.serving.Go(func() {
		_ = p.console.Serve(ctx, p.listener) // the listener was closed: it ends
	})
	return p.console.URL(p.listener.Addr()), nil
}

// close may be called more than once.
func (p *oneboxConsole) close() {
	if p == nil {
		return
	}
	p.listener.Close()
	p.serving.Wait()
	if p.console != nil {
		p.console.Close()
		p.console = nil
	}
}
