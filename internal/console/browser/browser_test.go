// Package browser tests the console in a real browser, Chromium. It is a module of its
// own, so that nobody has to take what drives the browser with the client.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/internal/console/rehearse"
	"github.com/pegasus-go/pegasus/onebox"
)

// patience is how long a step in the browser may take.
const patience = 30 * time.Second

// chrome is the browser that all tests share, each with windows of its own.
var chrome context.Context

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path, err := browserPath()
	if err != nil {
		fmt.Fprintln(os.Stderr, "SETUP FAILED: no browser:", err)
		return 3
	}
	dir, err := os.MkdirTemp("", "console-browser")
	if err != nil {
		fmt.Fprintln(os.Stderr, "SETUP FAILED:", err)
		return 3
	}
	defer os.RemoveAll(dir)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("force-device-scale-factor", "1"), chromedp.Flag("lang", "en"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // events that it does not know
	defer end()
	if err := chromedp.Run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "SETUP FAILED: %s does not start: %v\n", path, err)
		return 3
	}
	chrome = ctx
	return m.Run()
}

// browserPath returns the browser named by CHROMIUM, or the one of the machine.
func browserPath() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("install chromium, or name it in CHROMIUM")
}

// cluster is a onebox with a console.
type cluster struct {
	box    *onebox.Server
	client *pegasus.Cluster
	admin  *admin.Client
	url    string
	token  string
	stop   func() // ends the console, not the onebox
}

// settings of a cluster.
type settings struct {
	tables   []onebox.Table
	metas    int  // 1 if it is 0
	plain    bool // as if the cluster were a real one: no rehearsal
	readOnly bool
	listen   string
}

func start(t *testing.T, o settings) *cluster {
	t.Helper()
	var clock rehearse.Clock
	if o.tables == nil {
		o.tables = []onebox.Table{{Name: "orders", Partitions: 16}, {Name: "sessions", Partitions: 8}}
	}
	box, err := onebox.Start(onebox.Options{MetaServers: max(1, o.metas), ReplicaServers: 3, Tables: o.tables, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() })
	c := &cluster{box: box}
	options := console.Options{MetaServers: box.MetaServers(), AllowWrites: !o.readOnly, Clock: clock.Now}
	if !o.plain {
		if options.Rehearsal, err = rehearse.New(box, &clock); err != nil {
			t.Fatal(err)
		}
	}
	served, err := console.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if o.listen == "" {
		o.listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := served.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
	c.stop = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
		served.Close()
	})
	t.Cleanup(c.stop)
	c.url = served.URL(l.Addr())
	_, c.token, _ = strings.Cut(c.url, "#token=")
	if c.client, err = pegasus.New(pegasus.Config{MetaServers: box.MetaServers(), Clock: clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.client.Close() })
	if c.admin, err = admin.New(admin.Config{MetaServers: box.MetaServers()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.admin.Close() })
	return c
}

func (c *cluster) table(t *testing.T, name string) *pegasus.Table {
	t.Helper()
	table, err := c.client.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// window is a window of the browser. Whatever the page writes to its console, throws or
// is refused by its policy is a failure of the test, unless the test allows it.
type window struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	allowed []string
	heard   []string // complaints that were allowed
}

func open(t *testing.T, url string, width, height int64) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chrome)
	t.Cleanup(cancel)
	w := &window{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *cdplog.EventEntryAdded:
			w.complaint(fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		case *runtime.EventConsoleAPICalled:
			var args []string
			for _, a := range e.Args {
				args = append(args, string(a.Value)+a.Description)
			}
			w.complaint(fmt.Sprintf("console.%s: %s", e.Type, strings.Join(args, " ")))
		case *runtime.EventExceptionThrown:
			w.complaint("exception: " + e.ExceptionDetails.Error())
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the window lives as long as the context of this
		t.Fatal(err)
	}
	w.run(cdplog.Enable(), chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	return w
}

// allow makes complaints with that text none.
func (w *window) allow(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = append(w.allowed, text)
}

func (w *window) complaint(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.allowed {
		if strings.Contains(text, a) {
			w.heard = append(w.heard, text)
			return
		}
	}
	w.t.Errorf("the page complains: %s", text)
}

// run carries out actions. A failure leaves a picture of the page.
func (w *window) run(actions ...chromedp.Action) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		w.picture(filepath.Join(os.TempDir(), "console-"+strings.ReplaceAll(w.t.Name(), "/", "-")+".png"))
		w.t.Fatal(err)
	}
}

// wait waits until an expression of JavaScript is true. What is not there yet makes it false.
func (w *window) wait(expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Poll("(() => { try { return "+expression+" } catch { return false } })()", nil, chromedp.WithPollingTimeout(patience))); err != nil {
		picture := filepath.Join(os.TempDir(), "console-"+strings.ReplaceAll(w.t.Name(), "/", "-")+".png")
		w.picture(picture)
		w.t.Fatalf("waiting for %s: %v; see %s; the page says:\n%s", expression, err, picture, w.text("body"))
	}
}

// text returns what an element shows.
func (w *window) text(selector string) string {
	var text string
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text))
	return text
}

func (w *window) waitText(selector, text string) {
	w.t.Helper()
	w.wait(fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))", selector, text))
}

// click clicks what the selector finds whose text is that, or the first if text is "".
func (w *window) click(selector, text string) {
	w.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll(%q)].find((e) => !e.disabled && e.getClientRects().length && (%q === '' || e.textContent.trim() === %q))", selector, text, text)
	w.wait("!!" + find)
	w.run(chromedp.Evaluate(find+".click()", nil))
}

// fill puts a text into an input that has that label.
func (w *window) fill(label, text string) {
	w.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('label, [aria-label]')].filter((e) => e.getClientRects().length).map((e) => e.matches('label') ? [e.querySelector('.label') || e, e.querySelector('input, select, textarea')] : [{ textContent: e.getAttribute('aria-label') }, e]).find(([l, i]) => i && l.textContent.trim().startsWith(%q))?.[1]", label)
	w.wait("!!(" + find + ")")
	w.run(chromedp.Evaluate(fmt.Sprintf("(() => { const i = %s; if (i.type === 'checkbox') { if (i.checked !== (%q === 'on')) i.click(); return; } i.value = %q; i.dispatchEvent(new Event('input', { bubbles: true })); i.dispatchEvent(new Event('change', { bubbles: true })); })()", find, text, text), nil))
}

// key types keys at what has the focus.
func (w *window) key(keys string) { w.t.Helper(); w.run(chromedp.KeyEvent(keys)) }

func (w *window) picture(path string) {
	var png []byte
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)); err != nil {
		w.t.Log(err)
		return
	}
	if err := os.WriteFile(path, png, 0o666); err != nil {
		w.t.Log(err)
	}
}

// ready waits for a number of samples.
func (w *window) ready(samples int) {
	w.t.Helper()
	w.wait(fmt.Sprintf("Number(document.body.dataset.seq) >= %d", samples))
}

// awaitPromise makes an evaluation wait for the promise that it returns.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// eventually waits until something that goes on by itself has come about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("not " + what)
		}
	}
}
