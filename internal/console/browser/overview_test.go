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
	"github.com/pegasus-go/pegasus/onebox"
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

	// The plots as numbers.
	w.click("summary", "As a table")
	w.wait(`document.querySelectorAll(".numbers tbody tr").length >= 2`)

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

	// Rows by node: every cell is in that of its primary.
	w.fill("What a row of the map is", "node")
	w.wait(`document.querySelectorAll(".map .line").length === 3 && document.querySelectorAll(".map .cell").length === 24`)
	w.waitText(".map .name", c.box.ReplicaServers()[0])
	w.run(chromedp.Focus(`.map .cell[tabindex="0"]`))
	w.key(kb.ArrowDown + kb.Home + kb.Enter)
	w.wait(`document.querySelector(".map .cell.chosen").closest(".line").querySelector(".name").textContent === [...document.querySelectorAll(".side dd")][3].textContent`)
	w.fill("What a row of the map is", "table")
	w.wait(`document.querySelectorAll(".map .line").length === 2`)

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

// The plots are those of the table and the operation that are chosen: rates, and times by
// percentile.
func TestPlots(t *testing.T) {
	c := start(t, settings{})
	traffic(t, c.table(t, "orders"))
	w := open(t, c.url, 1280, 900)
	w.ready(3)
	legend := func(plot int, names string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("figure")[%d].querySelectorAll(".series")].map((e) => e.firstChild.textContent.trim()).join() === %q`, plot, names))
	}
	values := func(plot int, condition string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("figure")[%d].querySelectorAll("output")].map((o) => Number(o.textContent)).every((v, i, all) => %s)`, plot, condition))
	}
	drawn := func(plot int) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("figure")[%d].querySelectorAll("path")].every((p) => p.getAttribute("d").includes("L"))`, plot))
	}
	legend(0, "read,write")
	legend(1, "read,write")
	values(0, "v > 0")
	values(1, "v > 0")

	w.fill("Operation that is plotted", "get")
	legend(0, "get")
	legend(1, "p50,p99,p999")
	values(0, "v > 0")
	values(1, "v > 0 && (!i || v >= all[i - 1])")
	drawn(0)
	drawn(1)
	w.click("summary", "As a table")
	w.wait(`[...document.querySelectorAll(".numbers th")].map((e) => e.textContent).join() === "Time,get/s,p50 ms,p99 ms,p999 ms,Errors/s"`)
	w.wait(`Number(document.querySelector(".numbers tbody tr td:nth-child(4)").textContent) > 0`)

	// The table that is chosen, with its own times; another one has none.
	w.fill("Table that is plotted", "orders")
	w.waitText("h2", "Operations now, of orders")
	values(0, "v > 0")
	values(1, "v > 0")
	w.fill("Table that is plotted", "sessions")
	w.wait(`document.querySelector("figure output").textContent === "0"`)
	w.wait(`[...document.querySelectorAll("figure")[1].querySelectorAll("output")].every((o) => o.textContent === "-")`)

	// What is chosen stays when one comes back.
	w.fill("Table that is plotted", "orders")
	w.key("gt")
	w.waitText("nav a[aria-current]", "Tables")
	w.key("go")
	legend(1, "p50,p99,p999")
	w.wait(`document.querySelector("[aria-label='Operation that is plotted']").value === "get" && document.querySelector("[aria-label='Table that is plotted']").value === "orders"`)

	// Tables tell their size before anything is flushed, and their times.
	w.wait(`[...document.querySelectorAll("tr")].some((r) => r.cells[0].textContent === "orders" && /^[1-9].* (B|KiB)$/.test(r.cells[3].textContent) && Number(r.cells[7].textContent) > 0 && Number(r.cells[8].textContent) > 0)`)
}

// The cursor of the plots follows the arrow keys, and a reader is not told of every sample.
func TestPlotsByKeyboard(t *testing.T) {
	c := start(t, settings{})
	traffic(t, c.table(t, "orders"))
	w := open(t, c.url, 1280, 900)
	w.ready(4)
	w.key("p")
	cursors := func(visibility string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("line.cursor")].every((l) => l.getAttribute("visibility") === %q)`, visibility))
	}
	at := func() (x float64) {
		w.run(chromedp.Evaluate(`Number(document.querySelector("line.cursor").getAttribute("x1"))`, &x))
		return x
	}
	cursors("hidden")
	w.run(chromedp.Focus("figure svg"))
	w.key(kb.ArrowLeft)
	cursors("visible")
	last := at()
	w.key(kb.ArrowLeft)
	before := at()
	w.key(kb.ArrowRight + kb.ArrowRight)
	if before >= last || at() != last {
		t.Errorf("the cursor is at %v, before %v, and at %v in the end", last, before, at())
	}
	w.key(kb.Escape)
	cursors("hidden")
	w.wait(`[...document.querySelectorAll("output")].every((o) => o.getAttribute("aria-live") === "off")`)
}

// Errors are told by code and table, and there is nothing to see when there are none.
func TestErrors(t *testing.T) {
	c := start(t, settings{})
	traffic(t, c.table(t, "orders"))
	w := open(t, c.url, 1280, 900)
	w.ready(2)
	w.waitText(".empty", "None in the last 5 minutes.")
	row := func(code, table, condition string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("tr")].some((r) => { const [code, table, now, all, means] = [...r.cells].map((c) => c.textContent); return code === %q && table === %q && %s; })`, code, table, condition))
	}
	if err := c.admin.SetEnvs(t.Context(), "orders", map[string]string{"replica.write_throttling": "1*reject*0"}); err != nil {
		t.Fatal(err)
	}
	row("ERR_BUSY", "orders", `Number(now) > 0 && Number(all) > 0 && means.includes("throttling")`)
	row("writes rejected by throttling", "orders", `Number(now) > 0`)
	w.wait(`Number(document.querySelector(".series.errors output").textContent) > 0`)
	if err := c.admin.DelEnvs(t.Context(), "orders", "replica.write_throttling"); err != nil {
		t.Fatal(err)
	}
	row("ERR_BUSY", "orders", `now === "0" && Number(all) > 0`) // what was stays for as long as it is plotted

	c.box.Intercept(func(r onebox.Request) onebox.Action {
		if r.Table == "sessions" && !r.Meta {
			return onebox.Action{Error: "ERR_INVALID_STATE"}
		}
		return onebox.Action{}
	})
	traffic(t, c.table(t, "sessions"))
	row("ERR_INVALID_STATE", "sessions", `Number(now) > 0 && means.includes("primary")`)
	w.fill("Table that is plotted", "orders")
	w.wait(`![...document.querySelectorAll("td")].some((e) => e.textContent === "ERR_INVALID_STATE")`)
	row("ERR_BUSY", "orders", `Number(all) > 0`)
}

// Meta servers are among the nodes, with their roles.
func TestMetas(t *testing.T) {
	c := start(t, settings{metas: 2})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	row := func(i int, role, state string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("tr")].some((r) => r.cells[0].textContent === %q && r.cells[1].textContent === %q && r.cells[2].textContent === %q)`, c.box.MetaServers()[i], role, state))
	}
	row(0, "meta, leader", "alive")
	row(1, "meta", "alive")
	c.box.Meta(1).Stop()
	row(1, "meta", "silent")
	w.waitText(".verdict", "WARN  1 meta server does not answer")
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
	if err := c.admin.SetEnvs(t.Context(), "orders", map[string]string{"replica.write_throttling": "1*reject*0"}); err != nil {
		t.Fatal(err)
	}
	traffic(t, c.table(t, "orders"))
	w := open(t, c.url, 1280, 900)
	w.ready(2)
	busy := func(condition string) {
		t.Helper()
		w.wait(fmt.Sprintf(`[...document.querySelectorAll("tr")].some((r) => r.cells[0].textContent === "ERR_BUSY" && ((now) => %s)(r.cells[2].textContent))`, condition))
	}
	busy("Number(now) > 0")
	c.box.Close()
	w.waitText(".trouble", "The cluster does not answer")
	w.waitText(".verdict", "CRIT  the cluster does not answer; what follows is of ")
	w.waitText("#live", "stale")
	w.wait(`[...document.querySelectorAll("tr")].some((r) => r.cells[0].textContent === "orders" && r.cells[5].textContent === "-")`)
	busy(`now === "-"`)
}

func TestWithoutToken(t *testing.T) {
	c := start(t, settings{})
	w := open(t, "about:blank", 1280, 900)
	w.allow("Failed to load resource: the server responded with a status of 401")
	w.run(chromedp.Navigate(c.url[:len(c.url)-len("#token=")-len(c.token)]))
	w.waitText(".trouble", "token")
	w.wait(`document.querySelectorAll("main *").length === 0`)
}
