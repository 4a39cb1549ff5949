package browser

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/chromedp/chromedp"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
)

// rowsPage opens the page of rows and shows those of a table.
func rowsPage(t *testing.T, c *cluster, table string) *window {
	t.Helper()
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.click("nav a", "Rows")
	w.wait(fmt.Sprintf("[...document.querySelectorAll('select option')].some((o) => o.value === %q)", table))
	w.fill("Table", table)
	w.click("button", "Show")
	return w
}

// value puts a text into the dialog's input for a value.
func (w *window) value(text string) {
	w.t.Helper()
	w.run(chromedp.Evaluate(fmt.Sprintf("document.querySelector('dialog textarea').value = %q", text), nil))
}

func TestRows(t *testing.T) {
	c := start(t, settings{})
	table := c.table(t, "orders")
	ctx := t.Context()
	for i := range 230 {
		if err := table.Set(ctx, []byte("cart"), fmt.Appendf(nil, "item-%03d", i), fmt.Appendf(nil, `{"n":%d,"big":12345678901234567890}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.SetTTL(ctx, []byte{0, 0, 0, 0, 0, 0, 1, 2}, []byte("ttl"), []byte("soon"), 90*time.Second); err != nil {
		t.Fatal(err)
	}
	w := rowsPage(t, c, "orders")
	w.waitText(".bottom .note", "100 rows shown")
	w.click("button", "Next page")
	w.waitText(".bottom .note", "200 rows shown")
	w.click("button", "Next page")
	w.waitText(".bottom .note", "231 rows shown, no more behind them.")

	// A row with a time to live counts down, and its key can be read as a number.
	w.waitText("td.ttl", "00:01:")
	w.fill("Hash keys shown as", "int64")
	w.waitText("button.key", "258")

	// One hash key, a range of it, descending.
	w.fill("Rows", "hash")
	w.fill("Hash key", "cart")
	w.fill("Sort key from", "item-010")
	w.fill("Sort key before", "item-020")
	w.run(chromedp.Evaluate(`[...document.querySelectorAll(".checks input")][0].click()`, nil))
	w.click("button", "Show")
	w.waitText(".bottom .note", "10 rows shown, no more")
	w.wait(`document.querySelector("tbody td.clip").textContent === "item-019"`)
	w.fill("Sort key begins with", "nothing")
	w.click("button", "Show")
	w.waitText(".bottom .note", "No rows.")
	w.fill("Sort key begins with", "")
	w.fill("Sort key from", `\x`)
	w.click("button", "Show")
	w.waitText(".error", "Sort key from:")
	w.fill("Sort key from", "item-005")
	w.fill("Sort key before", "item-006")
	w.click("button", "Show")
	w.waitText(".bottom .note", "1 row shown")

	// Edit: JSON is laid out, and its large number is not rounded.
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	var text string
	w.run(chromedp.Value("dialog textarea", &text))
	if want := "{\n  \"n\": 5,\n  \"big\": 12345678901234567890\n}"; text != want {
		t.Errorf("the value is shown as %q, want %q", text, want)
	}
	w.fill("Value as", "esc")
	w.value("changed here")
	w.click("dialog button", "Save")
	w.waitText(".toast", "Saved.")
	if v, err := table.Get(ctx, []byte("cart"), []byte("item-005")); err != nil || string(v) != "changed here" {
		t.Errorf("the row has %q, %v", v, err)
	}

	// Somebody else is faster.
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	if err := table.Set(ctx, []byte("cart"), []byte("item-005"), []byte("by another")); err != nil {
		t.Fatal(err)
	}
	w.allow("the server responded with a status of 409")
	w.value("mine")
	w.click("dialog button", "Save")
	w.waitText("dialog .error", "was changed meanwhile")
	w.waitText(".conflict", "by another")
	w.click("dialog button", "Save") // now knowing it
	w.wait(`!document.querySelector("dialog")`)
	if v, err := table.Get(ctx, []byte("cart"), []byte("item-005")); err != nil || string(v) != "mine" {
		t.Errorf("the row has %q, %v", v, err)
	}

	// What is written anew in another coding is not lost, and JSON on one line stays there.
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	w.value(`{"a": 1}`)
	w.fill("Value as", "hex")
	w.wait(`document.querySelector("dialog textarea").value === "7b2261223a20317d"`)
	w.fill("Value as", "int32")
	w.waitText(".toast", "cannot be written as int32")
	w.wait(`document.querySelector("dialog .field select").value === "hex"`)
	w.fill("Value as", "json")
	w.value("{\n  \"a\": 12345678901234567890\n}")
	w.click("dialog button", "Save")
	w.wait(`!document.querySelector("dialog")`)
	if v, err := table.Get(ctx, []byte("cart"), []byte("item-005")); err != nil || string(v) != `{"a":12345678901234567890}` {
		t.Errorf("the row has %q, %v", v, err)
	}

	// What is not touched is not written.
	before, _, err := table.GetRow(ctx, []byte("cart"), []byte("item-005"))
	if err != nil {
		t.Fatal(err)
	}
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	w.click("dialog button", "Save")
	w.waitText(".toast", "Nothing was changed.")
	if after, _, err := table.GetRow(ctx, []byte("cart"), []byte("item-005")); err != nil || string(after.Value) != string(before.Value) {
		t.Errorf("the row is %+v, was %+v, %v", after, before, err)
	}

	// A row that is gone is not made anew without a word about its time to live.
	if err := table.SetTTL(ctx, []byte("cart"), []byte("item-005"), []byte("dying"), time.Hour); err != nil {
		t.Fatal(err)
	}
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	if err := table.Del(ctx, []byte("cart"), []byte("item-005")); err != nil {
		t.Fatal(err)
	}
	w.value("again")
	w.click("dialog button", "Save")
	w.waitText("dialog .error", "The row is gone")
	w.wait(`document.querySelector("dialog .tools select").value === "0"`)
	w.fill("Time to live", "other")
	w.fill("Seconds", "")
	w.click("dialog button", "Save") // the browser asks for a number
	w.wait(`document.querySelector("dialog input:invalid") !== null`)
	w.fill("Seconds", "600")
	w.click("dialog button", "Save")
	w.wait(`!document.querySelector("dialog")`)
	if row, _, err := table.GetRow(ctx, []byte("cart"), []byte("item-005")); err != nil || string(row.Value) != "again" || row.Expires.IsZero() {
		t.Errorf("the row is %+v, %v", row, err)
	}

	// Delete, and insert.
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	w.click("dialog button", "Delete")
	w.waitText("dialog", "Delete this row?")
	w.click("dialog button", "Delete")
	w.waitText(".toast", "Deleted.")
	w.waitText(".bottom .note", "0 rows shown")
	if found, err := table.Exist(ctx, []byte("cart"), []byte("item-005")); err != nil || found {
		t.Errorf("the row is still there: %v, %v", found, err)
	}
	w.click("button", "Insert a row")
	w.run(chromedp.Evaluate(`(() => { const i = document.querySelectorAll("dialog input"); i[0].value = "k\\x00"; i[1].value = "s"; document.querySelector("dialog textarea").value = "new"; })()`, nil))
	w.click("dialog button", "Insert")
	w.waitText(".toast", "Inserted.")
	if v, err := table.Get(ctx, []byte("k\x00"), []byte("s")); err != nil || string(v) != "new" {
		t.Errorf("the row has %q, %v", v, err)
	}
	w.click("button", "Where is this key?")
	w.waitText("dialog", "-> partition 1.")
}

// hostile are keys and values that have done harm to other consoles.
var hostile = [][]byte{
	[]byte(`<script>window.harm = 1</script>`),
	[]byte(`<img src=x onerror="window.harm = 1">`),
	[]byte(`"><svg onload=window.harm=1>`),
	[]byte(`javascript:window.harm=1`),
	[]byte("\x1b]52;c;aGFybQ==\x07"),
	[]byte("\u202egnp.exe\u2066"),
	[]byte("a\x00b\u200b\ufeff\u00a0c"),
	[]byte("\xff\xfe\x80"),
	[]byte("{{constructor.constructor('window.harm=1')()}}"),
	[]byte("../../etc/passwd?a=b#c&d,e/f"),
	[]byte(strings.Repeat("L", 60<<10)),
	[]byte("\U0001F600 emoji, \u4e2d\u6587, \u05d0\u05d1\u05d2"),
	[]byte(`\`),
}

func TestHostileKeys(t *testing.T) {
	c := start(t, settings{})
	table := c.table(t, "orders")
	for i, b := range hostile {
		if err := table.Set(t.Context(), b, fmt.Appendf(nil, "%02d", i), b); err != nil {
			t.Fatal(err)
		}
		if err := table.Set(t.Context(), []byte("one"), b, b); err != nil {
			t.Fatal(err)
		}
	}
	w := rowsPage(t, c, "orders")
	w.waitText(".bottom .note", "26 rows shown, no more")
	unsafe := `/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(document.body.innerText.replaceAll("\t", " "))`
	var markup, bad bool
	w.run(
		chromedp.Evaluate(`window.harm !== undefined || document.querySelectorAll("main img, main script, main svg:not(figure svg)").length > 0`, &markup),
		chromedp.Evaluate(unsafe, &bad),
	)
	if markup || bad {
		t.Errorf("markup %v, unsafe characters %v", markup, bad)
	}
	var keys []string
	w.run(chromedp.Evaluate(`[...document.querySelectorAll("button.key")].map((b) => b.textContent)`, &keys))
	all := strings.Join(keys, "\n")
	for _, want := range []string{`<script>window.harm = 1</script>`, `\x1b]52;c;aGFybQ==\x07`, `\xe2\x80\xaegnp.exe\xe2\x81\xa6`, `a\x00b\xe2\x80\x8b\xef\xbb\xbf\xc2\xa0c`, `\xff\xfe\x80`, `\\`} {
		if !strings.Contains(all, want) {
			t.Errorf("no key is shown as %s:\n%.2000s", want, all)
		}
	}
	// Each can be opened, shown, written back as it is, and deleted.
	w.fill("Rows", "hash")
	for i, b := range hostile {
		if len(b) > 10000 {
			continue
		}
		w.fill("Hash key", escaped(t, w, b))
		w.click("button", "Show")
		w.waitText(".bottom .note", "1 row shown")
		w.click("button.key", "")
		w.waitText("dialog", "primary")
		w.fill("Time to live", "86400")
		w.click("dialog button", "Save")
		w.wait(`!document.querySelector("dialog")`)
		row, found, err := table.GetRow(t.Context(), b, fmt.Appendf(nil, "%02d", i))
		if err != nil || !found || string(row.Value) != string(b) || row.Expires.IsZero() {
			t.Errorf("%q was saved as %q, found %v, expires %v, %v", b, row.Value, found, row.Expires, err)
		}
	}
	w.run(chromedp.Evaluate(`window.harm !== undefined`, &markup))
	if markup {
		t.Error("a key has run")
	}
}

// escaped returns the form that the page has for bytes, by its own function.
func escaped(t *testing.T, w *window, b []byte) string {
	t.Helper()
	numbers := make([]int, len(b))
	for i, c := range b {
		numbers[i] = int(c)
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	w.run(chromedp.Evaluate(fmt.Sprintf(`import("/bytes.js").then((m) => m.esc(Uint8Array.from(%s)))`, list), &text, chromedp.EvalAsValue, awaitPromise))
	return text
}

// A read-only console shows rows and has no button that changes one.
func TestRowsReadOnly(t *testing.T) {
	c := start(t, settings{readOnly: true, plain: true})
	if err := c.table(t, "orders").Set(t.Context(), []byte("k"), []byte("s"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	w := rowsPage(t, c, "orders")
	w.waitText("#mode", "read-only")
	w.wait(`![...document.querySelectorAll("nav a")].some((a) => a.textContent === "Rehearse")`)
	w.waitText(".bottom .note", "1 row shown")
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	w.wait(`![...document.querySelectorAll("button")].some((b) => ["Save", "Delete", "Insert a row"].includes(b.textContent))`)
}

// The page writes bytes as the pegasus command does, so that what is copied from one is
// understood by the other, and reads what it writes.
func TestEscapes(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	all := append([][]byte{nil}, hostile...)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		all = append(all, b)
		// What Unicode did not have when Go's tables were made, a browser may know.
		if r := rune(random.IntN(0x30000)); unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co) {
			all = append(all, []byte("x"+string(r)))
		}
	}
	var numbers [][]int
	for _, b := range all {
		list := []int{}
		for _, c := range b {
			list = append(list, int(c))
		}
		numbers = append(numbers, list)
	}
	arg, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Text string `json:"text"`
		Back bool   `json:"back"`
	}
	w.run(chromedp.Evaluate(fmt.Sprintf(`import("/bytes.js").then(({ codings, toBase64url, fromBase64url }) => %s.map((list) => {
		const b = Uint8Array.from(list), same = (x) => x.length === b.length && x.every((n, i) => n === b[i]);
		return { text: codings.esc.show(b), back: ["esc", "hex", "base64"].every((n) => same(codings[n].parse(codings[n].show(b)))) && same(fromBase64url(toBase64url(b))) };
	}))`, arg), &got, chromedp.EvalAsValue, awaitPromise))
	for i, b := range all {
		if want := esc.Format(b); got[i].Text != want || !got[i].Back {
			t.Errorf("%x: shown as %q, want %q; read back %v", b, got[i].Text, want, got[i].Back)
		}
	}
}

// What would lose bytes is refused.
func TestCodingsRefuse(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	texts := [][2]string{
		{"base64", "YQ==YQ=="},
		{"base64", "YR=="},
		{"base64", "Y"},
		{"base64", "Y?=="},
		{"base64", "YQ==="},
		{"hex", "1"},
		{"hex", "0g"},
		{"hex", "0x10"},
		{"int32", "2147483648"},
		{"int32", "1.5"},
		{"int32", ""},
		{"int64", "9223372036854775808"},
		{"int64", "-9223372036854775809"},
		{"int64", "1e3"},
		{"esc", `\x1`},
		{"esc", `\q`},
		{"esc", `\`},
		{"json", `{"a":1,}`},
		{"json", ""},
	}
	arg, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	var taken []string
	w.run(chromedp.Evaluate(fmt.Sprintf(`import("/bytes.js").then(({ codings }) => [...%s, ["esc", "\ud800"], ["json", '"\udc00"']].filter(([coding, text]) => {
		try { codings[coding].parse(text); return true } catch { return false }
	}).map((c) => c.join(" ")))`, arg), &taken, chromedp.EvalAsValue, awaitPromise))
	if len(taken) > 0 {
		t.Errorf("read without a word: %q", taken)
	}
}
