package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// lowContrast finds texts that are hard to read: below 4.5 to 1, as WCAG 2 AA has it.
// What is disabled is exempt there, too.
const lowContrast = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const lum = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0.99) return c.rgb; } return [255, 255, 255]; };
  const bad = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.getClientRects().length || e.closest(":disabled, option, .skip, datalist")) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e), svg = e.namespaceURI.includes("svg");
    const a = lum(parse(svg ? style.fill : style.color).rgb), b = lum(back(svg ? e.closest("figure") : e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 20) + " " + ratio.toFixed(2));
  }
  return [...bad].join("; ");
})()`

// unlabelled finds what a screen reader could not name.
const unlabelled = `[...document.querySelectorAll("button, input, select, textarea, progress, dialog, [role=grid], [role=gridcell], nav, aside")].filter((e) => e.getClientRects().length).filter((e) => {
  const text = e.getAttribute("aria-label") || e.title || [...(e.labels || [])].map((l) => l.textContent).join("") || (["BUTTON", "DIALOG"].includes(e.tagName) ? e.textContent : "");
  return !text.trim();
}).map((e) => e.outerHTML.slice(0, 80)).join("; ")`

// Every page can be read and is named, in the light and in the dark, also while
// something is wrong.
func TestContrastAndLabels(t *testing.T) {
	c := start(t, settings{})
	if err := c.table(t, "orders").SetTTL(t.Context(), []byte("k"), []byte("s"), []byte("v"), 1e12); err != nil {
		t.Fatal(err)
	}
	c.box.HoldSplits(true)
	w := open(t, c.url, 1280, 900)
	w.ready(2)
	check := func(what string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			w.theme(dark)
			var contrast, labels string
			w.run(chromedp.Evaluate(lowContrast, &contrast), chromedp.Evaluate(unlabelled, &labels))
			if contrast != "" {
				t.Errorf("%s, dark %v: hard to read: %s", what, dark, contrast)
			}
			if labels != "" {
				t.Errorf("%s: without a name: %s", what, labels)
			}
		}
	}
	check("overview")
	for _, by := range []string{"rate", "node"} {
		w.fill("What the colours", by)
		check("map by " + by)
	}
	w.fill("What the colours", "health")
	c.box.Replica(1).Stop()
	if err := c.box.Split("sessions"); err != nil {
		t.Fatal(err)
	}
	w.waitText(".verdict", "CRIT")
	w.wait(`document.querySelector(".cell.child") !== null`)
	w.run(chromedp.Evaluate(`document.querySelector(".map .cell").click()`, nil))
	check("overview with trouble")
	if err := c.box.Failover(1); err != nil {
		t.Fatal(err)
	}
	w.key("gt")
	w.click("td button", "sessions")
	w.waitText(".going", "split to")
	check("tables")
	w.click("button", "Drop")
	check("a dialog")
	w.click("dialog button", "Cancel")
	w.key("gr")
	w.click("button", "Show")
	w.waitText(".bottom .note", "shown")
	check("rows")
	w.click("button.key", "")
	w.waitText("dialog", "Save")
	check("a row")
	w.click("dialog button", "Cancel")
	w.key("gh")
	w.waitText(".state", "up")
	w.click(".node button", "Hang")
	w.waitText(".state", "hangs")
	check("rehearse")
	w.key("?")
	check("keys")
	c.box.HoldSplits(false)
}
