package main

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

var update = flag.Bool("update", false, "write the scrape into docs/observing.md")

// What a scrape of the service returns is in docs/observing.md:
//
//	go -C examples/service test -run TestScrape . -update
func TestScrape(t *testing.T) {
	cluster := pegasustest.Start(t, pegasustest.WithReplicaServers(3), pegasustest.WithTable("users", 8))
	a, err := newApp(t.Context(), options{meta: strings.Join(cluster.MetaServers(), ","), table: "users", limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	server := httptest.NewServer(a.handler())
	defer server.Close()
	c := client{t, server.URL}
	var puts atomic.Int64
	for i := range 200 {
		if i == 100 {
			cluster.Kill(0)
			cluster.Onebox().Intercept(func(r onebox.Request) (a onebox.Action) {
				if r.Task == onebox.TaskPut {
					switch puts.Add(1) {
					case 1:
						a.Error = "ERR_BUSY"
					case 2:
						a.Error = "ERR_ACL_DENY"
					}
				}
				return a
			})
		}
		path := fmt.Sprintf("/profiles/user%d", i)
		want := 200
		if i == 100 { // the value of this one cannot be written
			want = 503
		}
		c.do("PUT", path, fmt.Sprintf(`{"mail":"%d@b"}`, i), want, nil)
		if want == 200 {
			c.do("GET", path, "", 200, nil)
		}
	}
	var page strings.Builder
	for line := range strings.Lines(c.page("/metrics")) {
		if matters(line) {
			page.WriteString(line)
		}
	}
	const docs = "../../docs/observing.md"
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)(<!-- scrape -->\n\n```\n).*?(```)")
	found := block.FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no scrape", docs)
	}
	if *update {
		text = block.ReplaceAll(text, []byte("${1}"+page.String()+"${2}"))
		if err := os.WriteFile(docs, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, want := series(page.String()), series(string(block.Find(text)))
	if !slices.Equal(got, want) {
		t.Errorf("a scrape has\n%s\n%s has\n%s", strings.Join(got, "\n"), docs, strings.Join(want, "\n"))
	}
}

// matters reports whether a line is worth showing: no comment, no bucket, no failure or retry
// that was not, and of operations two, which stand for all.
func matters(line string) bool {
	if strings.HasPrefix(line, "#") || strings.Contains(line, "_bucket") {
		return false
	}
	if zero := strings.HasSuffix(line, " 0\n"); zero && (strings.Contains(line, "outcome=") || strings.Contains(line, "reason=")) {
		return false
	}
	for _, name := range []string{`operation="`, `db_operation_name="`} {
		if _, op, ok := strings.Cut(line, name); ok && !strings.HasPrefix(op, `AppendGet"`) && !strings.HasPrefix(op, `Set"`) {
			return false
		}
	}
	return true
}

// series returns the lines without their values. How the death of a server is noticed is
// chance, and so are the reasons of retries because of it.
func series(page string) []string {
	var all []string
	for line := range strings.Lines(page) {
		name, _, ok := strings.Cut(line, "} ")
		if !ok {
			name, _, ok = strings.Cut(line, " ")
		}
		if ok && strings.Contains(name, "pegasus") && (!strings.Contains(name, "reason") || strings.Contains(name, "busy")) {
			all = append(all, name)
		}
	}
	return all
}
