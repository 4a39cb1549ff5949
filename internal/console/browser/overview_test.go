package browser

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pegasus-go/pegasus"
)

// traffic reads and writes a table until the test ends.
func traffic(t *testing.T, table *pegasus.Table) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			key := fmt.Append(nil, "user-", i%100)
			if i%3 == 0 {
				_ = table.Set(ctx, key, []byte("name"), []byte("value")) // servers may be down
			} else {
				_, _ = table.Get(ctx, key, []byte("name"))
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func TestOverview(t *testing.T) {
	c := start(t, settings{})
	traffic(t, c.table(t, "orders"))
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.waitText("#cluster", "onebox")
	w.waitText(".verdict", "OK  3 nodes serve 24 partitions of 2 tables")
	w.wait(`!location.href.includes("token")`)
	w.wait(`document.querySelectorAll(".map .cell").length === 24`)

	// Rates and times appear.
	w.wait(`[...document.querySelectorAll(".series.read output")].every((o) => Number(o.textContent) > 0)`)
	w.waitText("section td", "put")
	w.wait(`document.querySelector("path.read").getAttribute("d").includes("L")`)

	// The plots as numbers, and what throttling turns away.
	w.click("summary", "As a table")
	w.wait(`document.querySelectorAll(".numbers tbody tr").length >= 2`)
	if err := c.admin.SetEnvs(t.Context(), "orders", map[string]string{"replica.write_throttling": "1*reject*0"}); err != nil {
		t.Fatal(err)
	}
	w.waitText("td", "throttled write reject")
	if err := c.admin.DelEnvs(t.Context(), "orders", "replica.write_throttling"); err != nil {
		t.Fatal(err)
	}

	// A dead node, before and after the meta server has noticed.
	c.box.Replica(1).Stop()
	w.waitText(".verdict", "CRIT")
	w.wait(`document.querySelectorAll(".map .cell.dead").length > 0`)
	w.waitText(".events", "is lost")
	if err := c.box.Failover(1); err != nil {
		t.Fatal(err)
	}
	w.waitText(".verdict", "WARN  1 node lost; 24 partitions have too few copies")
	w.wait(`document.querySelectorAll(".map .cell.dead").length === 0`)
	w.waitText(".events", "moved from")
	w.waitText("tr.lost td", "lost")
	if err := c.box.Replica(1).Start(); err != nil {
		t.Fatal(err)
	}
	w.waitText(".verdict", "OK")
	w.waitText(".events", "is back")

	// The map by keyboard.
	w.run(chromedp.Focus(`.map .cell[tabindex="0"]`))
	w.key(kb.ArrowRight + kb.ArrowRight + kb.ArrowDown + kb.Enter)
	w.waitText(".side", "sessions")
	w.waitText(".side", "Primary")
	w.fill("What the colours", "node")
	w.wait(`document.querySelectorAll(".map .node0").length > 0`)
	w.fill("What the colours", "rate")
	w.wait(`document.querySelectorAll(".map .heat1, .map .heat2, .map .heat3, .map .heat4").length > 0`)

	// A split is seen.
	c.box.HoldSplits(true)
	if err := c.box.Split("sessions"); err != nil {
		t.Fatal(err)
	}
	w.fill("What the colours", "health")
	w.wait(`document.querySelectorAll(".map .cell.child").length === 8`)
	w.waitText(".verdict", "a split goes on")
	c.box.HoldSplits(false)
	w.wait(`document.querySelectorAll(".map .cell.child").length === 0 && document.querySelectorAll(".map .cell.ok").length === 32`)
}

// Keys lead everywhere, and Pause stops the questions.
func TestKeys(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.key("?")
	w.waitText("dialog", "move in the partition map")
	w.key(kb.Escape)
	w.wait(`!document.querySelector("dialog")`)
	for key, title := range map[string]string{"t": "Tables", "r": "Rows", "o": "Overview", "h": "Rehearse"} {
		w.key("g" + key)
		w.waitText("nav a[aria-current]", title)
	}
	w.key("p")
	w.waitText("#live", "paused")
	w.key("p")
	w.waitText("#live", "live")
}

// A server that dies while one looks: the page says so, keeps what it has, and goes on
// when there is one again.
func TestServerDies(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(2)
	w.allow("Failed to load resource")
	c.stop()
	w.waitText(".trouble", "does not answer")
	w.waitText("#live", "stale")
	w.waitText(".verdict", "OK")
}

// The cluster may die, too.
func TestClusterDies(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(2)
	c.box.Close()
	w.waitText(".trouble", "The cluster does not answer")
}

func TestWithoutToken(t *testing.T) {
	c := start(t, settings{})
	w := open(t, "about:blank", 1280, 900)
	w.allow("Failed to load resource: the server responded with a status of 401")
	w.run(chromedp.Navigate(c.url[:len(c.url)-len("#token=")-len(c.token)]))
	w.waitText(".trouble", "token")
	w.wait(`document.querySelectorAll("main *").length === 0`)
}
