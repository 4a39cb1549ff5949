package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
	"go.uber.org/goleak"
)

// A server of net/http gives connections that it has refused half a second more, in which it
// sleeps.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const testToken = "0123456789abcdef"

// served is a console of a onebox, and how to ask it.
type served struct {
	t    *testing.T
	box  *onebox.Server
	c    *Console
	base string // "http://127.0.0.1:port"
}

func serve(t *testing.T, o Options, tables ...onebox.Table) *served {
	t.Helper()
	if tables == nil {
		tables = []onebox.Table{{Name: "temp", Partitions: 4}}
	}
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: tables, Clock: o.Clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() })
	o.MetaServers, o.Token = box.MetaServers(), testToken
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := c.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return &served{t, box, c, "http://" + l.Addr().String()}
}

// request sends a request as a browser would, after change.
func (s *served) request(method, path, body string, change func(*http.Request)) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set(tokenHeader, testToken)
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

// call makes a call and decodes its answer into out.
func (s *served) call(name string, arg, out any) (status int, text string) {
	s.t.Helper()
	b, err := json.Marshal(arg)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, text := s.request("POST", "/api/"+name, string(b), nil)
	if resp.StatusCode == http.StatusOK && out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			s.t.Fatalf("%s: %v in %s", name, err, text)
		}
	}
	return resp.StatusCode, text
}

// must is a call that succeeds.
func (s *served) must(name string, arg, out any) {
	s.t.Helper()
	if status, text := s.call(name, arg, out); status != http.StatusOK {
		s.t.Fatalf("%s: status %d, %s", name, status, text)
	}
}

func TestWhoMayAsk(t *testing.T) {
	s := serve(t, Options{})
	port := s.base[strings.LastIndex(s.base, ":"):]
	for name, tc := range map[string]struct {
		method, path string
		change       func(*http.Request)
		status       int
	}{
		"the page":       {"GET", "/", nil, 200},
		"localhost":      {"GET", "/", func(r *http.Request) { r.Host = "localhost" + port }, 200},
		"IPv6":           {"GET", "/", func(r *http.Request) { r.Host = "[::1]" + port }, 200},
		"capitals":       {"GET", "/", func(r *http.Request) { r.Host = "LOCALHOST" + port }, 200},
		"a rebound name": {"GET", "/", func(r *http.Request) { r.Host = "evil.example" + port }, 403},
		"no port":        {"GET", "/", func(r *http.Request) { r.Host = "127.0.0.1" }, 403},
		"another port":   {"GET", "/", func(r *http.Request) { r.Host = "127.0.0.1:1" }, 403},
		"rebound, with origin": {"POST", "/api/about", func(r *http.Request) {
			r.Host = "evil.example" + port
			r.Header.Set("Origin", "http://evil.example"+port)
		}, 403},
		"a call":               {"POST", "/api/about", nil, 200},
		"our origin":           {"POST", "/api/about", func(r *http.Request) { r.Header.Set("Origin", s.base) }, 200},
		"another origin":       {"POST", "/api/about", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		"another port's page":  {"POST", "/api/about", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		"cross-site":           {"POST", "/api/about", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"same-site":            {"POST", "/api/about", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"no token":             {"POST", "/api/about", func(r *http.Request) { r.Header.Del(tokenHeader) }, 401},
		"another token":        {"POST", "/api/about", func(r *http.Request) { r.Header.Set(tokenHeader, "fedcba9876543210") }, 401},
		"part of the token":    {"POST", "/api/about", func(r *http.Request) { r.Header.Set(tokenHeader, testToken[:8]) }, 401},
		"a call by GET":        {"GET", "/api/about", nil, 404},
		"no such call":         {"POST", "/api/none", nil, 404},
		"no such file":         {"GET", "/none.js", nil, 404},
		"out of the directory": {"GET", "/../console.go", nil, 404},
		"a POST to the page":   {"POST", "/", nil, 405},
	} {
		resp, body := s.request(tc.method, tc.path, "{}", tc.change)
		if resp.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d: %s", name, resp.StatusCode, tc.status, body)
		}
		for header, want := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if got := resp.Header.Get(header); got != want && (header != "Cache-Control" || tc.status != 404) {
				t.Errorf("%s: %s: %q", name, header, got)
			}
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read the answer", name)
		}
	}
}

func TestBadBodies(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	for body, status := range map[string]int{
		"":                              400,
		"null{}":                        400,
		"[1]":                           400,
		`{"no_such_field":1}`:           400,
		`{"table":"temp","hash":"+/"}`:  400, // not base64url
		`{"table":"temp"} {}`:           400,
		`{"table":"temp","hash":"YQ="}`: 400,
		`{"table":"` + strings.Repeat("x", maxBody) + `"}`: 413,
	} {
		if resp, text := s.request("POST", "/api/row", body, nil); resp.StatusCode != status {
			t.Errorf("%.40s: status %d, want %d: %s", body, resp.StatusCode, status, text)
		}
	}
}

// Whatever changes something is refused by a console that is read-only, and by name, so
// that a new call is not forgotten.
func TestReadOnly(t *testing.T) {
	s := serve(t, Options{})
	reads := map[string]bool{"about": true, "samples": true, "rows": true, "row": true, "where": true, "tables": true, "table": true}
	for name := range s.c.calls {
		status, text := s.call(name, map[string]any{}, nil)
		if refused := status == http.StatusForbidden && strings.Contains(text, "read-only"); refused == reads[name] {
			t.Errorf("%s: status %d, %s", name, status, text)
		}
	}
	for name := range reads {
		if s.c.calls[name] == nil {
			t.Errorf("there is no call %s", name)
		}
	}
}

// A cluster that is not of this process has nothing that could break it.
func TestNoRehearsal(t *testing.T) {
	s := serve(t, Options{AllowWrites: true})
	var about About
	s.must("about", map[string]any{}, &about)
	if about.Rehearse || !about.AllowWrites || about.Name != "onebox" {
		t.Errorf("%+v", about)
	}
	for name := range s.c.calls {
		if strings.Contains(name, "rehearse") {
			t.Errorf("there is a call %s", name)
		}
	}
}

func TestTokens(t *testing.T) {
	for token, good := range map[string]bool{testToken: true, "short": false, "0123456789abcde ": false, "0123456789abcde#": false} {
		c, err := New(Options{MetaServers: []string{"127.0.0.1:1"}, Token: token})
		if (err == nil) != good {
			t.Errorf("%q: %v", token, err)
		}
		if c != nil {
			c.Close()
		}
	}
	seen := make(map[string]bool)
	for range 3 {
		c, err := New(Options{MetaServers: []string{"127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		url := c.URL(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080})
		if !regexp.MustCompile(`^http://127\.0\.0\.1:8080/#token=[\w-]{22}$`).MatchString(url) || seen[url] {
			t.Errorf("the address is %s", url)
		}
		seen[url] = true
		c.Close()
	}
}

func TestAllowedHosts(t *testing.T) {
	h := guard(http.NotFoundHandler(), allowedHosts(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}, []string{"Console.example"}))
	for host, want := range map[string]int{
		"10.0.0.1": 404, "10.0.0.1:80": 404, "console.example": 404, "console.example:80": 404, "localhost": 404,
		"10.0.0.2": 403, "": 403, "console.example.evil": 403, "console.example:81": 403,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

// What comes from a cluster is never markup: the files have no way to make it that.
func TestPageHasNoWayToMarkup(t *testing.T) {
	banned := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\sstyle=|\son[a-z]+=|javascript:|setAttribute\("style|https?://[^w]`)
	n := 0
	err := fs.WalkDir(page, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		b, err := page.ReadFile(name)
		if err != nil {
			return err
		}
		for i, line := range bytes.Split(b, []byte("\n")) {
			if found := banned.Find(line); found != nil {
				t.Errorf("%s:%d has %q", name, i+1, found)
			}
		}
		if kind := path.Ext(name); !strings.Contains(".html .css .js .svg", kind) {
			t.Errorf("%s is of another kind", name)
		}
		return nil
	})
	if err != nil || n < 10 {
		t.Errorf("%d files, %v", n, err)
	}
}

// The sampler works only while somebody asks.
func TestSamplerSleeps(t *testing.T) {
	s := serve(t, Options{})
	var n news
	s.must("samples", map[string]any{"since": 0}, &n)
	if n.Snapshot == nil || len(n.Snapshot.Nodes) != 3 || len(n.Snapshot.Tables) != 1 || len(n.Snapshot.Tables[0].Cells) != 4 {
		t.Fatalf("the first snapshot is %+v", n.Snapshot)
	}
	primaries := 0
	for _, node := range n.Snapshot.Nodes {
		primaries += node.Primaries
	}
	if primaries != 4 || n.Snapshot.Rates != "metrics" {
		t.Errorf("%d primaries, rates by %q", primaries, n.Snapshot.Rates)
	}
	s.c.sampler.mu.Lock()
	s.c.sampler.asked = time.Now().Add(-idleAfter - time.Second)
	s.c.sampler.mu.Unlock()
	s.c.sampler.done.Wait() // ends by itself
	var again news
	s.must("samples", map[string]any{"since": n.Seq + 1000}, &again) // of another console
	if again.Snapshot == nil {
		t.Error("no snapshot for a page that has seen another console")
	}
}

func TestSampleOfACluster(t *testing.T) {
	s := serve(t, Options{})
	s.box.Replica(1).Stop()
	if err := s.box.MovePrimary("temp", 0, onebox.NoPrimary); err != nil {
		t.Fatal(err)
	}
	var n news
	s.must("samples", map[string]any{}, &n)
	if cell := n.Snapshot.Tables[0].Cells[0]; cell.Primary != -1 {
		t.Errorf("partition 0 is %+v", cell)
	}
	alive := 0
	for _, node := range n.Snapshot.Nodes {
		if node.Alive {
			alive++
		}
	}
	if alive != 2 {
		t.Errorf("%d nodes live, want 2", alive)
	}
	s.box.Close()
	s.c.sampler.take()
	s.must("samples", map[string]any{"since": n.Seq}, &n)
	if last := n.Samples[len(n.Samples)-1]; last.Error == "" || last.Ops != nil {
		t.Errorf("a sample of a cluster that is gone is %+v", last)
	}
}

func TestChanges(t *testing.T) {
	node := func(addr string, alive bool) Node { return Node{Address: addr, Alive: alive} }
	table := func(id int, name string, cells ...Cell) TableState {
		return TableState{ID: id, Name: name, Partitions: len(cells), Cells: cells}
	}
	before := &Snapshot{
		Nodes: []Node{node("a", true), node("b", false), node("c", true)},
		Tables: []TableState{
			table(1, "t", Cell{Primary: 0, Ballot: 1}, Cell{Primary: 0, Ballot: 1}, Cell{Primary: 2, Ballot: 1}, Cell{Primary: -1, Ballot: 1}),
			table(2, "old", Cell{Ballot: 1}), table(4, "gone"), table(5, "s", Cell{Ballot: 1}, Cell{Primary: -1, Ballot: -1}),
		},
	}
	now := &Snapshot{
		Nodes: []Node{node("c", true), node("a", false), node("b", true)}, // in another order
		Tables: []TableState{
			table(1, "t", Cell{Primary: 0, Ballot: 2}, Cell{Primary: 0, Ballot: 2}, Cell{Primary: -1, Ballot: 2}, Cell{Primary: 2, Ballot: 2}),
			table(2, "new", Cell{Primary: 1, Ballot: 1}), table(3, "made", Cell{}), table(5, "s", Cell{Primary: 1, Ballot: 1}, Cell{Primary: 1, Ballot: 1}),
		},
	}
	var got []string
	for _, e := range changes(before, now) {
		got = append(got, e.Kind+": "+e.Text)
	}
	want := []string{
		"lost: node a is lost", "back: node b is back", "dropped: table gone was dropped",
		"unserved: table t: 1 partition has no primary", "served: table t: 1 partition has a primary again", "moved: table t: 2 primaries moved from a to c",
		"created: table old is called new now", "created: table made was made, with 1 partition", "split: table s: 1 partition of the split serve now",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(changes(nil, now)) != 0 {
		t.Error("the first snapshot changes something")
	}
}

// blocking is a Rehearsal with a call that goes on until it is ended.
type blocking struct {
	begun   chan struct{}
	running atomic.Bool
}

func (b *blocking) Calls() map[string]Call {
	return map[string]Call{"block": func(ctx context.Context, _ []byte) (any, error) {
		b.running.Store(true)
		defer b.running.Store(false)
		close(b.begun)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
}

func (b *blocking) Close() {}

// Close ends the calls that are under way before it ends what they use.
func TestCloseEndsCalls(t *testing.T) {
	b := &blocking{begun: make(chan struct{})}
	c, err := New(Options{MetaServers: []string{"127.0.0.1:1"}, Token: testToken, Rehearsal: b})
	if err != nil {
		t.Fatal(err)
	}
	h := c.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})
	ask := func() int {
		r := httptest.NewRequest("POST", "/api/block", strings.NewReader("{}"))
		r.Host = "127.0.0.1"
		r.Header.Set(tokenHeader, testToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	answered := make(chan int, 1)
	go func() { answered <- ask() }()
	<-b.begun
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if b.running.Load() {
		t.Error("a call outlives the console")
	}
	if status := <-answered; status == http.StatusOK {
		t.Errorf("the call was answered with %d", status)
	}
	if status := ask(); status != http.StatusServiceUnavailable {
		t.Errorf("a call of a console that is closed: %d", status)
	}
}
