// Package console serves a page that shows a cluster in a browser: its nodes, tables,
// partitions and rows, and changes them if that is allowed. It uses what any client
// can use: packages pegasus and admin, and the statistics that servers publish.
package console

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// Options of a Console. Zero fields are their default.
type Options struct {
	// MetaServers are those of the cluster. Required.
	MetaServers []string
	// Auth authenticates it at the servers: pegasus.Config.Auth.
	Auth pegasus.Authenticator
	// Name is what the page calls the cluster. Default: the name that it has itself.
	Name string
	// AllowWrites lets the page change rows and tables. Without it the server refuses
	// every change.
	AllowWrites bool
	// Token is what a browser has to show: 16 or more letters, digits, _ and -. Default: a
	// random one.
	Token string
	// Hosts are names by which the page may be asked for, beside those of this machine's
	// loopback interface and the address that the listener has.
	Hosts []string
	// Clock tells the time of the cluster. Default: time.Now.
	Clock func() time.Time
	// Rehearsal adds what can only be done to a cluster that this process owns. Without
	// it the page has no such part, and the server no such calls.
	Rehearsal Rehearsal
}

// Rehearsal is what breaks a cluster on purpose.
type Rehearsal interface {
	// Calls are its calls by name.
	Calls() map[string]Call
	// Close ends what goes on, such as a load.
	Close()
}

// minToken is the length of the shortest token that is taken.
const minToken = 16

// goodToken are the tokens that need no escapes in an address.
var goodToken = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{%d,}$`, minToken))

// Console serves the page of one cluster. New makes one, Close ends it.
type Console struct {
	opts    Options
	token   string
	client  *pegasus.Cluster
	admin   *admin.Client
	sampler *sampler
	calls   map[string]Call
	rows    chan struct{} // held by those that read rows, whose memory is bounded so

	// ctx ends when the console does, and with it the calls that are under way.
	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex // of what follows
	closed  bool
	pending sync.WaitGroup // calls
}

// New returns a Console. It asks the cluster nothing before somebody looks.
func New(o Options) (*Console, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Token == "" {
		b := make([]byte, minToken)
		rand.Read(b)
		o.Token = base64.RawURLEncoding.EncodeToString(b)
	}
	if !goodToken.MatchString(o.Token) {
		return nil, fmt.Errorf("console: a token is %d or more of the characters A-Z a-z 0-9 _ -, and this one is not", minToken)
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: o.MetaServers, Auth: o.Auth, Clock: o.Clock})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	manager, err := admin.New(admin.Config{MetaServers: o.MetaServers, Auth: o.Auth, OperationTimeout: callTimeout})
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("console: %w", err)
	}
	c := &Console{
		opts: o, token: o.Token, client: client, admin: manager,
		rows: make(chan struct{}, readers),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.sampler = newSampler(manager, o.MetaServers)
	c.calls = map[string]Call{
		"about":   CallOf(c.about),
		"samples": CallOf(c.sampler.since),
	}
	c.addRowCalls()
	c.addTableCalls()
	if o.Rehearsal != nil {
		for name, call := range o.Rehearsal.Calls() {
			c.calls[name] = call
		}
	}
	return c, nil
}

// Close ends what the console does with the cluster. Calls that are under way fail.
func (c *Console) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.pending.Wait()
	c.sampler.close()
	if c.opts.Rehearsal != nil {
		c.opts.Rehearsal.Close()
	}
	return errors.Join(c.client.Close(), c.admin.Close())
}

// URL returns the address of the page on a listener, with the token, which browsers
// send nowhere: it is behind a #.
func (c *Console) URL(addr net.Addr) string { return fmt.Sprintf("http://%s/#token=%s", addr, c.token) }

// Serve serves the page on l until ctx ends, and closes l.
func (c *Console) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           c.Handler(l.Addr()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Cancelled when the server stops, so that no call keeps it.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := context.AfterFunc(ctx, func() { srv.Close() })
	defer stopped()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

//go:embed page
var page embed.FS

// Handler returns the handler for the listener with that address.
func (c *Console) Handler(addr net.Addr) http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the directory is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("POST /api/{call}", c.serveCall)
	return guard(mux, allowedHosts(addr, c.opts.Hosts))
}

// About is what the page has to know before anything else.
type About struct {
	Name        string   `json:"name"`
	MetaServers []string `json:"meta_servers"`
	AllowWrites bool     `json:"allow_writes"`
	Rehearse    bool     `json:"rehearse"`
}

func (c *Console) about(ctx context.Context, _ struct{}) (any, error) {
	a := About{c.opts.Name, c.opts.MetaServers, c.opts.AllowWrites, c.opts.Rehearsal != nil}
	if a.Name == "" {
		a.Name = strings.Join(c.opts.MetaServers, ",")
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if info, err := c.admin.ClusterInfo(ctx); err == nil && info["cluster_name"] != "" {
			a.Name = info["cluster_name"]
		}
	}
	return a, nil
}
