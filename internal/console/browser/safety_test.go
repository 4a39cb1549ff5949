package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The policy keeps the page from running or loading what is not its own, and the other
// tests would hear of it.
func TestPolicy(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.allow("Content Security Policy")
	for _, attempt := range []string{
		`document.head.append(Object.assign(document.createElement("script"), { textContent: "window.harm = 1" }))`,
		`document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/x.png" }))`,
		`document.body.setAttribute("onclick", "window.harm = 1"), document.body.click()`,
		`fetch("http://127.0.0.1:9/").catch(() => {})`,
		`document.head.append(Object.assign(document.createElement("style"), { textContent: "body { display: none }" }))`,
	} {
		w.mu.Lock()
		before := len(w.heard)
		w.mu.Unlock()
		w.run(chromedp.Evaluate(attempt+"; 0", nil))
		eventually(t, "reported: "+attempt, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.heard) > before
		})
	}
	var harm bool
	w.run(chromedp.Evaluate(`window.harm !== undefined || getComputedStyle(document.body).display === "none"`, &harm))
	if harm {
		t.Error("what the policy forbids has run")
	}
}

// What turns text around, or hides, is shown as bytes in every table.
func TestTablesAreSafe(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	var text string
	w.run(chromedp.Evaluate(`import("/dom.js").then(({ Grid }) => {
		const grid = new Grid([{ title: "x", cell: (r) => r }], { key: (r) => r });
		grid.update(["a\u202eb\\c", "é <b>"]);
		return [...grid.body.children].map((r) => r.textContent).join("; ");
	})`, &text, awaitPromise))
	if want := `a\xe2\x80\xaeb\c; é <b>`; text != want {
		t.Errorf("shown as %q, want %q", text, want)
	}
}

// tabTo types Tab until what has the focus matches.
func (w *window) tabTo(selector, text string) {
	w.t.Helper()
	for range 80 {
		w.key(kb.Tab)
		var there bool
		w.run(chromedp.Evaluate(fmt.Sprintf(`document.activeElement.matches(%q) && document.activeElement.textContent.trim().startsWith(%q)`, selector, text), &there))
		if there {
			return
		}
	}
	w.t.Fatalf("Tab does not lead to %s %s", selector, text)
}

// A row is found, changed and deleted, and a node killed, without a mouse.
func TestKeyboardAlone(t *testing.T) {
	c := start(t, settings{})
	table := c.table(t, "orders")
	if err := table.Set(t.Context(), []byte("key"), []byte("s"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.key("gr")
	w.wait(`document.querySelector("main select option") !== null`)
	w.key("/")
	w.wait(`document.activeElement.matches("select")`)
	w.tabTo("button", "Show")
	w.key(kb.Enter)
	w.waitText(".bottom .note", "1 row shown")
	w.tabTo("button", "key")
	w.key(kb.Enter)
	w.waitText("dialog", "primary")
	w.tabTo("textarea", "")
	w.key(kb.End + "alue")
	w.tabTo("button", "Save")
	w.key(kb.Enter)
	w.waitText(".toast", "Saved.")
	if v, err := table.Get(t.Context(), []byte("key"), []byte("s")); err != nil || !strings.HasPrefix(string(v), "v") || len(v) != 5 {
		t.Errorf("the row has %q, %v", v, err)
	}
	w.wait(`document.activeElement.matches("button.key")`) // the focus is where it was
	w.key(kb.Enter)
	w.waitText("dialog", "primary")
	w.key(kb.Escape)
	w.wait(`!document.querySelector("dialog")`)

	w.key("gh")
	w.waitText(".state", "up")
	w.tabTo("button", "Kill")
	w.key(kb.Enter)
	w.waitText(".state", "dead")
	w.wait(`document.activeElement.textContent === "Revive"`)
	w.key("h")
	w.waitText(".verdict", "nothing is broken")
}
