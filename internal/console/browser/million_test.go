package browser

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// million fills a table with a million rows: a thousand of each of a thousand hash keys.
func million(t *testing.T, table *pegasus.Table) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var sortKeys, values [][]byte
	for i := range 1000 {
		sortKeys, values = append(sortKeys, fmt.Appendf(nil, "s%03d", i)), append(values, []byte("v"))
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < 1000; i = next.Add(1) - 1 {
				if err := table.MultiSet(ctx, fmt.Appendf(nil, "h%03d", i), sortKeys, values); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// size returns how many bytes and nodes the page has, without what is garbage.
func (w *window) size() (bytes, nodes float64) {
	w.t.Helper()
	w.run(performance.Enable(), heapprofiler.CollectGarbage(), chromedp.ActionFunc(func(ctx context.Context) error {
		metrics, err := performance.GetMetrics().Do(ctx)
		for _, m := range metrics {
			switch m.Name {
			case "JSHeapUsedSize":
				bytes = m.Value
			case "Nodes":
				nodes = m.Value
			}
		}
		return err
	}))
	if bytes == 0 || nodes == 0 {
		w.t.Fatal("the browser does not tell the size of the page")
	}
	return bytes, nodes
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million rows are browsed, jumped into and searched. The page stays small, and so does its
// server, in whose process the onebox is, too.
func TestMillionRows(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "many", Partitions: 8}}})
	table := c.table(t, "many")
	million(t, table)
	w := rowsPage(t, c, "many")
	w.waitText(".bottom .note", "100 rows shown")
	before := heap()
	var bytes, nodes []float64 // of the page when it has as many rows as it keeps
	for i := 2; i <= 41; i++ {
		w.click(".bottom button", "Next page")
		shown, others := 100*i, 0
		for shown > 2000 {
			shown, others = shown-2000, others+2000
		}
		want := fmt.Sprint(shown, " rows shown")
		if others > 0 {
			want += fmt.Sprint(", after ", others, " others")
		}
		w.waitText(".bottom .note", want)
		if shown == 2000 {
			b, n := w.size()
			bytes, nodes = append(bytes, b), append(nodes, n)
		}
	}
	w.wait(`document.querySelectorAll("tbody tr[data-row]").length === 100`)

	// To a hash key, a range of it, and what keys begin with.
	w.fill("Hash key begins with", "h777")
	w.fill("Sort key begins with", "s99")
	w.click("button", "Show")
	w.waitText(".bottom .note", "10 rows shown, no more behind them.")
	w.wait(`[...document.querySelectorAll("button.key")].every((b) => b.textContent === "h777")`)
	w.fill("Rows", "hash")
	w.fill("Hash key", "h500")
	w.fill("Sort key begins with", "")
	w.fill("Sort key from", "s200")
	w.fill("Sort key before", "s350")
	w.click("button", "Show")
	w.waitText(".bottom .note", "100 rows shown")
	w.wait(`document.querySelector("tbody td.clip").textContent === "s200"`)
	w.click(".bottom button", "Next page")
	w.waitText(".bottom .note", "150 rows shown, no more behind them.")

	// What matches nothing is looked for until the end, or until one has enough of it.
	w.fill("Rows", "table")
	w.fill("Hash key begins with", "none")
	held := make(chan struct{})
	var scans, pass atomic.Int64 // so many scans pass, the others are held
	pass.Store(4)
	c.box.Intercept(func(r onebox.Request) (a onebox.Action) {
		if (r.Task == onebox.TaskScan || r.Task == onebox.TaskGetScanner) && scans.Add(1) > pass.Load() {
			a.Until = held
		}
		return a
	})
	patience := func(ms int) {
		w.run(chromedp.Evaluate(fmt.Sprintf(`import("/rows.js").then((m) => { m.rows.patience = %d })`, ms), nil, awaitPromise))
	}
	patience(0)
	w.click("button", "Show")
	w.waitText(".bottom .note", "None found in the part scanned so far, about")
	patience(600_000)
	pass.Store(scans.Load() + 1)
	w.click(".bottom button", "Look on")
	w.waitText(".bottom .note", "None found yet, about")
	w.wait(`document.querySelector(".bottom progress").value > 0`)
	w.click(".bottom button", "Stop")
	w.waitText(".bottom .note", "None found in the part scanned so far, about")
	w.wait(`document.querySelector(".bottom progress").hidden`)
	c.box.Intercept(nil)
	close(held)
	w.click(".bottom button", "Look on")
	w.waitText(".bottom .note", "No rows.")

	after := heap()
	t.Logf("page with 2000 rows: %.1f MB and %.0f nodes, and again %.1f MB and %.0f; process: %d MB, then %d MB", bytes[0]/1e6, nodes[0], bytes[1]/1e6, nodes[1], before>>20, after>>20)
	if bytes[1] > 1.2*bytes[0]+1e6 || nodes[1] > 1.2*nodes[0] || nodes[0] > 60_000 {
		t.Errorf("the page grew from %.1f MB and %.0f nodes to %.1f MB and %.0f", bytes[0]/1e6, nodes[0], bytes[1]/1e6, nodes[1])
	}
	if after > before+(64<<20) {
		t.Errorf("the process grew from %d MB to %d MB", before>>20, after>>20)
	}
}
