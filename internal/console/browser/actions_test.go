package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// downloads has what the window downloads written to a directory, and returns a function that
// waits for a file.
func (w *window) downloads() func(name string) []byte {
	w.t.Helper()
	dir := w.t.TempDir()
	done := make(chan string, 10)
	names := make(map[string]string) // by id; of the one goroutine that events come from
	chromedp.ListenTarget(w.ctx, func(event any) {
		switch e := event.(type) {
		case *cdpbrowser.EventDownloadWillBegin:
			names[e.GUID] = e.SuggestedFilename
		case *cdpbrowser.EventDownloadProgress:
			if e.State == cdpbrowser.DownloadProgressStateCompleted {
				done <- names[e.GUID] + "/" + e.GUID
			}
		}
	})
	w.run(cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllowAndName).WithDownloadPath(dir).WithEventsEnabled(true))
	return func(name string) []byte {
		w.t.Helper()
		select {
		case got := <-done:
			file, id, _ := strings.Cut(got, "/")
			b, err := os.ReadFile(filepath.Join(dir, id))
			if err != nil || file != name {
				w.t.Errorf("downloaded %s, want %s: %v", file, name, err)
			}
			return b
		case <-time.After(patience):
			w.t.Fatalf("no download of %s", name)
			return nil
		}
	}
}

// What is downloaded is the value, byte by byte, and what is copied is the test.
func TestDownloadAndCopy(t *testing.T) {
	c := start(t, settings{})
	value := []byte("\x00\r\n\xff\ufeff")
	for i := range 70_000 {
		value = append(value, byte(i), byte(i>>8))
	}
	if err := c.table(t, "orders").Set(t.Context(), []byte("k"), []byte("s"), value); err != nil {
		t.Fatal(err)
	}
	w := rowsPage(t, c, "orders")
	wait := w.downloads()
	w.waitText(".bottom .note", "1 row shown")
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	w.click("dialog button", "Download bytes")
	if got := wait("value.bin"); string(got) != string(value) {
		t.Errorf("downloaded %d bytes that are not the %d of the value", len(got), len(value))
	}
	w.click("dialog button", "Cancel")

	w.key("gh")
	w.waitText(".state", "up")
	w.click(".node button", "Fill disk")
	w.waitText(".state", "disk full")
	w.click("button", "Save as Go test")
	w.waitText("dialog pre", "TestRehearsed")
	var source string
	w.run(chromedp.Evaluate(`document.querySelector("dialog pre").textContent`, &source))
	w.click("dialog button", "Download")
	if got := wait("rehearsed_test.go"); string(got) != source {
		t.Errorf("downloaded %q, want %q", got, source)
	}
	w.run(chromedp.Evaluate(`navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve() }`, nil))
	w.click("dialog button", "Copy")
	w.waitText(".toast", "Copied.")
	var copied string
	w.run(chromedp.Evaluate(`window.copied`, &copied))
	if copied != source {
		t.Errorf("copied %q", copied)
	}
	w.run(chromedp.Evaluate(`navigator.clipboard.writeText = () => Promise.reject(new Error("no"))`, nil))
	w.click("dialog button", "Copy")
	w.waitText(".toast", "does not let the page copy")
}

func TestCancelSplit(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "orders", Partitions: 4}}})
	c.box.HoldSplits(true)
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.key("gt")
	w.click("td button", "orders")
	w.waitText("td.mono", "127.0.0.1")
	w.click("button", "Split")
	w.waitText("dialog code", "pegasus table split orders --yes --meta 127.0.0.1:")
	w.click("dialog button", "Split")
	w.waitText(".going", "split to 8 partitions")
	w.wait(`[...document.querySelectorAll(".going button")].find((b) => b.textContent === "Cancel").title.startsWith("pegasus table split orders --cancel")`)
	w.click(".going button", "Cancel")
	w.waitText(".toast", "Cancel was sent.")
	c.box.HoldSplits(false)
	w.wait(`!document.querySelector(".going")`)
	if tab, err := c.admin.Table(t.Context(), "orders"); err != nil || tab.Partitions != 4 {
		t.Errorf("%+v, %v", tab, err)
	}
	w.wait(`!document.querySelector("main button:disabled")`) // it can be split again
}

// A server dies while somebody browses. The page says so, goes on, and has lost nothing.
func TestServerDiesAmidBrowsing(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "orders", Partitions: 6}}})
	table := c.table(t, "orders")
	for i := range 300 {
		if err := table.Set(t.Context(), []byte{'k', byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)}, []byte("s"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	w := rowsPage(t, c, "orders")
	w.waitText(".bottom .note", "100 rows shown")
	for i := range 3 {
		c.box.Replica(i).Stop()
	}
	w.allow("status of 502")
	w.click(".bottom button", "Next page")
	w.waitText(".error", "orders")
	w.wait(`document.querySelectorAll("tbody tr[data-row]").length === 100`)
	for i := range 3 {
		if err := c.box.Replica(i).Start(); err != nil {
			t.Fatal(err)
		}
	}
	w.click(".bottom button", "Next page")
	w.waitText(".bottom .note", "200 rows shown")
	w.wait(`document.querySelector(".error").hidden`)
	c.box.Replica(0).Stop()
	if err := c.box.Failover(0); err != nil {
		t.Fatal(err)
	}
	w.click(".bottom button", "Next page")
	w.waitText(".bottom .note", "300 rows shown")
	w.wait(`new Set([...document.querySelectorAll("button.key")].map((b) => b.textContent)).size === 300`)
}

// A table that goes while a dialog is open is not replaced by another one.
func TestTableGoesAmidInsert(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "orders", Partitions: 4}, {Name: "sessions", Partitions: 4}}})
	w := rowsPage(t, c, "orders")
	w.waitText(".bottom .note", "No rows.")
	w.click("button", "Insert a row")
	if err := c.admin.DropTable(t.Context(), "orders", time.Hour); err != nil {
		t.Fatal(err)
	}
	w.wait(`![...document.querySelectorAll("main select option")].some((o) => o.value === "orders")`)
	w.wait(`document.querySelector("main select").value === ""`)
	w.run(chromedp.Evaluate(`(() => { const i = document.querySelectorAll("dialog input"); i[0].value = "k"; i[1].value = "s"; })()`, nil))
	w.value("v")
	w.allow("status of 502")
	w.click("dialog button", "Insert")
	w.waitText("dialog .error", "orders")
	if found, err := c.table(t, "sessions").Exist(t.Context(), []byte("k"), []byte("s")); err != nil || found {
		t.Errorf("the row went to another table: %v, %v", found, err)
	}
}

// An address with another token, pasted into the window of a console that is gone, begins anew.
func TestAnotherToken(t *testing.T) {
	c := start(t, settings{})
	w := open(t, strings.Replace(c.url, c.token, "0123456789abcdefghijkl", 1), 1280, 900)
	w.allow("status of 401")
	w.waitText("#trouble", "the token is missing or wrong")
	w.run(chromedp.Navigate(c.url))
	eventually(t, "the page anew", func() bool { // it has no context while it is loaded
		var seq int
		return chromedp.Run(w.ctx, chromedp.Evaluate(`Number(document.body?.dataset.seq ?? 0)`, &seq)) == nil && seq > 0
	})
	w.wait(`!location.href.includes("token")`)
}

// The actions of every page, by the keyboard.
func TestKeyboardEverywhere(t *testing.T) {
	c := start(t, settings{tables: []onebox.Table{{Name: "orders", Partitions: 4}}})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	press := func(selector, text string) {
		t.Helper()
		w.tabTo(selector, text)
		w.key(kb.Enter)
	}
	w.key("gt")
	w.waitText("td button", "orders")
	press("button", "Create a table")
	w.wait(`document.activeElement.matches("dialog input")`)
	w.key("users")
	press("dialog button", "Create")
	w.waitText(".toast", "Table users was made")
	w.waitText("td button", "users")
	press("td button", "users")
	w.waitText("h3", "Partitions")
	press("button", "Set a variable")
	w.key("default_ttl")
	w.tabTo("dialog input", "")
	w.key("60")
	w.waitText("dialog code", "pegasus table env set users default_ttl=60")
	press("dialog button", "Set")
	w.waitText("td.mono", "default_ttl")
	press("td button", "Change")
	w.waitText("dialog code", "default_ttl=60")
	w.key(kb.Escape)
	press("td button", "Remove")
	w.waitText("dialog code", "pegasus table env unset users default_ttl")
	press("dialog button", "Remove")
	w.waitText(".toast", "default_ttl was removed.")
	press("button", "Compact")
	w.waitText("dialog code", "pegasus table compact users --bottommost")
	press("dialog button", "Compact")
	w.waitText("[role=status] .note", "The last compaction is complete.")
	press("button", "Split")
	press("dialog button", "Split")
	w.waitText("dd", "16")
	w.allow("status of 502") // the page asks for the old name once more, perhaps
	press("button", "Rename")
	w.key(kb.End + "2")
	press("dialog button", "Rename")
	w.waitText("td button", "users2")
	w.wait(`[...document.querySelectorAll("section h2")].some((e) => e.textContent === "users2")`)
	press("button", "Drop")
	w.tabTo("dialog input[spellcheck]", "")
	w.key("users2")
	press("dialog button", "Drop")
	w.waitText("h2", "Dropped, and can be recalled")
	press("button", "Recall")
	w.waitText("dialog code", "pegasus table recall users2 --id")
	press("dialog button", "Recall")
	w.waitText("td button", "users2")
	press("td button", "users2")
	press("button", "Rows")
	w.waitText(".bottom .note", "No rows.")

	press("button", "Insert a row")
	w.key("h")
	w.tabTo("dialog input", "")
	w.key("s")
	w.tabTo("dialog textarea", "")
	w.key("v")
	press("dialog button", "Insert")
	w.waitText(".bottom .note", "1 row shown")
	press("button", "Where is this key?")
	w.waitText("dialog", "-> partition")
	w.key(kb.Escape)
	press("button", "h")
	w.waitText("dialog", "primary")
	press("dialog button", "Delete")
	w.waitText("dialog", "Delete this row?")
	press("dialog button", "Delete")
	w.waitText(".toast", "Deleted.")

	w.key("gh")
	w.waitText(".state", "up")
	for _, step := range [][3]string{{"Hang", "Resume", "hangs"}, {"Fill disk", "Make room", "disk full"}, {"Slow down", "As fast as ever", "200 ms late"}, {"Cut links", "Mend links", "cut off"}} {
		press(".node button", step[0])
		w.waitText(".state", step[2])
		w.wait(`document.activeElement.textContent === "` + step[1] + `"`)
		w.key(kb.Enter)
		w.waitText(".verdict", "nothing is broken")
		w.wait(`document.activeElement.textContent === "` + step[0] + `"`)
	}
	for _, step := range [][2]string{
		{"Move its primary", "move the primary of"},
		{"No primary", "without a primary"},
		{"Throttle", "reject what is more"},
		{"Do not throttle", "no more"},
		{"Answer errors", "answer 20 %"},
		{"No errors", "no more errors"},
		{"Put the clock forward", "put the clock forward"},
	} {
		if step[0] == "Move its primary" { // the load's table is made by the load
			w.fill("Table for the steps", "orders")
		}
		press(".step button", step[0])
		w.waitText(".events", step[1])
	}
	press("button", "Heal all")
	w.waitText(".verdict", "nothing is broken")
	press("button", "Forget the steps")
	w.waitText(".tools .note", "0 steps")
	if tables, err := c.admin.Tables(t.Context(), admin.TableAvailable); err != nil || len(tables) != 2 || tables[1].Name != "users2" || tables[1].Partitions != 16 {
		t.Errorf("%+v, %v", tables, err)
	}
}
