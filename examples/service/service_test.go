package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type client struct {
	t   *testing.T
	url string
}

func start(t *testing.T, c *pegasustest.Cluster) (*service, client) {
	t.Helper()
	s := newService(c.Table)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	return s, client{t, server.URL}
}

// do sends a request, expects a status, and decodes the answer into v unless that is nil.
func (c client) do(method, path, body string, want int, v any) {
	c.t.Helper()
	text := c.send(method, path, body, want)
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
	}
}

// page returns a page as it is.
func (c client) page(path string) string { return string(c.send("GET", path, "", 200)) }

func (c client) send(method, path, body string, want int) []byte {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		c.t.Fatalf("%s %s: %d %s, %v", method, path, resp.StatusCode, text, err)
	}
	return text
}

func TestSessions(t *testing.T) {
	cluster := pegasustest.Start(t)
	_, c := start(t, cluster)
	var made, got session
	c.do("POST", "/sessions", `{"user":"ann"}`, 200, &made)
	cluster.AdvanceClock(20 * time.Minute)
	c.do("GET", "/sessions/"+made.ID, "", 200, &got)
	cluster.AdvanceClock(20 * time.Minute) // it was used meanwhile
	c.do("GET", "/sessions/"+made.ID, "", 200, &got)
	if got != made || got.User != "ann" {
		t.Errorf("%+v, made %+v", got, made)
	}
	cluster.AdvanceClock(40 * time.Minute)
	c.do("GET", "/sessions/"+made.ID, "", 404, nil)
	c.do("POST", "/sessions", `{"user":"bob"}`, 200, &made)
	c.do("DELETE", "/sessions/"+made.ID, "", 200, nil)
	c.do("GET", "/sessions/"+made.ID, "", 404, nil)
	c.do("POST", "/sessions", `{`, 400, nil)
}

// A service that is told to stop answers the requests under way, whose client works until then.
func TestStop(t *testing.T) {
	cluster := pegasustest.Start(t, pegasustest.WithTable("users", 4))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	taken := options{listen: listen, meta: strings.Join(cluster.MetaServers(), ","), table: "users", limit: 100}
	if err := run(t.Context(), taken); err == nil {
		t.Error("a service on a port that is taken")
	}
	l.Close()

	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cluster.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
		if r.Task == onebox.TaskPut {
			once.Do(func() { close(begun) })
			a.Until = goOn
		}
		return a
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, taken) }()
	answers := func() bool {
		nc, err := net.Dial("tcp", listen)
		if err == nil {
			nc.Close()
		}
		return err == nil
	}
	until := func(up bool) {
		t.Helper()
		for answers() != up {
			if t.Context().Err() != nil || len(ended) > 0 {
				t.Fatal("the service has ended")
			}
		}
	}
	until(true)
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Post("http://"+listen+"/sessions", "application/json", strings.NewReader(`{"user":"ann"}`))
		if err != nil {
			answer <- err.Error()
			return
		}
		resp.Body.Close()
		answer <- resp.Status
	}()
	<-begun
	stop()
	until(false)
	select {
	case err := <-ended:
		t.Errorf("it has ended before its requests: %v", err)
	default:
	}
	close(goOn)
	if got := <-answer; got != "200 OK" {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestProfiles(t *testing.T) {
	_, c := start(t, pegasustest.Start(t))
	c.do("PUT", "/profiles/ann", `{"mail":"a@b","fields":{"city":"Rome"}}`, 200, nil)
	c.do("PUT", "/profiles/bob", `{"mail":"a@b"}`, 409, nil)
	c.do("PUT", "/profiles/ann", `{"mail":"a@b","fields":{"city":"Oslo"}}`, 200, nil)
	var p profile
	for range 3 {
		c.do("GET", "/profiles/ann", "", 200, &p)
	}
	if p.Mail != "a@b" || p.More["city"] != "Oslo" || p.Views != 3 {
		t.Errorf("%+v", p)
	}
	c.do("GET", "/profiles/none", "", 404, nil)
	for range 3 {
		c.do("POST", "/sessions", `{"user":"ann"}`, 200, nil)
	}
	var events []string
	for next := "/profiles/ann/events?size=2"; next != ""; {
		var page struct {
			Events []string
			Next   string
		}
		c.do("GET", next, "", 200, &page)
		events, next = append(events, page.Events...), page.Next
	}
	c.do("PUT", "/profiles/a%2Fb%3F", `{"mail":"c@d"}`, 200, nil)
	c.do("PUT", "/profiles/a%2Fb%3F", `{"mail":"c@d"}`, 200, nil)
	var first struct{ Next string }
	c.do("GET", "/profiles/a%2Fb%3F/events?size=1", "", 200, &first)
	c.do("GET", first.Next, "", 200, nil)
	if len(events) != 5 || events[0] != "logged in" || events[4] != "changed the profile" {
		t.Errorf("%q", events)
	}
	c.do("GET", "/profiles/ann/events?after=x", "", 400, nil)
}

func TestRateLimit(t *testing.T) {
	s, c := start(t, pegasustest.Start(t))
	s.limiter.Limit = 5
	for range 5 {
		c.do("GET", "/profiles/none", "", 404, nil)
	}
	c.do("GET", "/profiles/none", "", 429, nil)
}

// Operators see whether servers answer.
func TestDebug(t *testing.T) {
	cluster := pegasustest.Start(t)
	server := httptest.NewServer(debug(cluster.Client, cluster.Table))
	defer server.Close()
	c := client{t, server.URL}
	c.do("GET", "/debug/ready", "", 200, nil)
	var stats struct{ Tables []struct{ Name string } }
	c.do("GET", "/debug/pegasus", "", 200, &stats)
	if len(stats.Tables) != 1 {
		t.Errorf("%+v", stats)
	}
	var diagnosis struct {
		Steps []struct{ Step, Error string }
	}
	c.do("GET", "/debug/diagnosis.json", "", 200, &diagnosis)
	if len(diagnosis.Steps) == 0 || diagnosis.Steps[0].Error != "" {
		t.Errorf("%+v", diagnosis)
	}
	c.do("GET", "/debug/diagnosis", "", 200, nil)
	cluster.Kill(0)
	c.do("GET", "/debug/ready", "", 503, nil)
}

// Servers die, and nobody notices more than a pause.
func TestFailover(t *testing.T) {
	cluster := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	_, c := start(t, cluster)
	for i := range 20 {
		if i == 10 {
			cluster.Kill(0)
		}
		path := fmt.Sprintf("/profiles/user%d", i)
		c.do("PUT", path, fmt.Sprintf(`{"mail":"%d@b"}`, i), 200, nil)
		c.do("GET", path, "", 200, nil)
	}
}

// The job is stopped again and again, gone on with by others, and counts everything once.
func TestNightly(t *testing.T) {
	cluster := pegasustest.Start(t)
	s, _ := start(t, cluster)
	var puts []pegasus.Put
	for i := range 7000 {
		puts = append(puts, pegasus.Put{HashKey: fmt.Appendf(nil, "profile/%d", i), TTL: time.Duration(i%2*2+1) * 12 * time.Hour})
	}
	if outcomes, err := cluster.Table.SetMany(t.Context(), puts); err != nil || outcomes.Err() != nil {
		t.Fatal(err, outcomes.Err())
	}
	now := cluster.Now()
	// The first process is stopped when it has come somewhere.
	stopped, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		var st state
		for {
			if found, err := s.load(t.Context(), jobState, &st); found || err != nil {
				return
			}
		}
	}()
	if err := s.nightly(stopped, now); err != nil && stopped.Err() == nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := newService(cluster.Table).nightly(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	var r report
	if found, err := s.load(t.Context(), jobReport, &r); !found || err != nil {
		t.Fatal(found, err)
	}
	if r.Rows["profile"] != 7000 || r.Expiring != 3501 { // and the row of the lock
		t.Errorf("%+v", r)
	}
}

// The whole program starts, serves and ends.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- run(ctx, options{listen: "127.0.0.1:0", table: "users", limit: 100}) }()
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}
