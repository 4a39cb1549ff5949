package browser

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/pegasus-go/pegasus/onebox"
)

// pictures is where the pictures of the documentation are written, by make screenshots.
var pictures = flag.String("pictures", "", "write the pictures of the documentation to this `directory`")

// theme sets what the page takes for the wish of its reader.
func (w *window) theme(dark bool) {
	w.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	w.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}))
}

func TestScreenshots(t *testing.T) {
	if *pictures == "" {
		t.Skip("writes the pictures of the documentation if it is told where: make screenshots")
	}
	c := start(t, settings{listen: "127.0.0.1:8080", tables: []onebox.Table{{Name: "orders", Partitions: 32}, {Name: "sessions", Partitions: 16}, {Name: "feed", Partitions: 8}}})
	for _, name := range []string{"orders", "sessions", "feed"} {
		traffic(t, c.table(t, name))
	}
	orders := c.table(t, "orders")
	for i := range 40 {
		key := fmt.Appendf(nil, "order-%04d", 1000+i)
		value := fmt.Appendf(nil, `{"customer":"u%d","items":[{"sku":"A-%d","n":2},{"sku":"B-7","n":1}],"total":%d.50}`, i, i, 20+i)
		if err := orders.SetTTL(t.Context(), key, []byte("v1"), value, time.Duration(24+i)*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	w := open(t, c.url, 1280, 860)
	shoot := func(name string, dark bool) {
		t.Helper()
		w.theme(dark)
		w.run(chromedp.Evaluate(`document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))`, nil, awaitPromise))
		path := filepath.Join(*pictures, name+".png")
		w.picture(path)
		if err := shrink(path); err != nil {
			t.Fatal(err)
		}
	}
	w.fill("Time", "2")
	w.ready(12)
	w.ready(24)
	c.box.Replica(1).Stop()
	w.waitText(".events", "is lost")
	if err := c.box.Failover(1); err != nil {
		t.Fatal(err)
	}
	w.waitText(".events", "moved from")
	w.run(chromedp.Evaluate(`document.querySelectorAll(".map .cell")[17].click()`, nil))
	seq := 0
	w.run(chromedp.Evaluate(`Number(document.body.dataset.seq)`, &seq))
	w.ready(seq + 4)
	shoot("overview", false)
	shoot("overview-dark", true)
	w.theme(false)
	if err := c.box.Replica(1).Start(); err != nil {
		t.Fatal(err)
	}

	w.key("gr")
	w.fill("Table", "orders")
	w.fill("Hash key begins with", "order-")
	w.click("button", "Show")
	w.waitText(".bottom .note", "40 rows shown")
	w.click("button.key", "")
	w.waitText("dialog", "primary")
	shoot("rows", false)
	w.click("dialog button", "Cancel")

	w.key("gt")
	w.click("td button", "orders")
	c.box.HoldSplits(true)
	w.waitText("td.mono", "127.0.0.1")
	w.click("button", "Split")
	w.click("dialog button", "Split")
	w.waitText(".going", "split to 64 partitions")
	w.wait(`!document.querySelector(".toast")`)
	shoot("tables", false)
	c.box.HoldSplits(false)

	w.key("gh")
	w.fill("Load", "500")
	calls := func(n int) {
		w.wait(fmt.Sprintf(`Number(document.querySelector(".promises dd").textContent.replaceAll(" ", "")) > %d`, n))
	}
	calls(7000)
	w.click(".node button", "Kill")
	w.waitText(".events", "has noticed")
	calls(11000)
	w.click(".node:nth-child(3) button", "Slow down")
	w.click(".step button", "Answer errors")
	calls(14000)
	shoot("rehearse", false)
}

// shrink writes a picture anew with the 256 colours that it has most of, which makes it
// less than half as large.
func shrink(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	full, err := png.Decode(f)
	if err != nil {
		return err
	}
	counts := make(map[color.RGBA]int)
	box := full.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			counts[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var palette color.Palette
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	small := image.NewPaletted(box, palette)
	draw.Draw(small, box, full, box.Min, draw.Src)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, small); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}

// TestSizes looks at every page at the smallest and the largest size: nothing is wider
// than the window. With -pictures one can look, too.
func TestSizes(t *testing.T) {
	c := start(t, settings{})
	if err := c.table(t, "orders").Set(t.Context(), []byte("a long hash key that does not fit into a small window"), []byte("s"), []byte(`{"a":[1,2,3]}`)); err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int64{{360, 740}, {768, 1000}, {2560, 1300}} {
		w := open(t, c.url, size[0], size[1])
		w.ready(2)
		for _, page := range []string{"overview", "tables", "rows", "rehearse"} {
			for _, dark := range []bool{false, true} {
				w.theme(dark)
				w.key("g" + map[string]string{"overview": "o", "tables": "t", "rows": "r", "rehearse": "h"}[page])
				switch page {
				case "tables":
					w.wait(`document.querySelector("td button") !== null`)
					if !dark {
						w.click("td button", "orders")
					}
					w.waitText("h3", "Partitions")
				case "rows":
					w.click("button", "Show")
					w.waitText(".bottom .note", "1 row shown")
				case "rehearse":
					w.waitText(".state", "up")
				}
				var wide string
				w.run(chromedp.Evaluate(`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, nav ul, .skip, svg, pre")).map((e) => e.tagName + "." + e.className + " " + e.textContent.slice(0, 30)).join("; ")`, &wide))
				if wide != "" {
					t.Errorf("%s at %d: wider than the window: %s", page, size[0], wide)
				}
				if *pictures != "" {
					w.picture(filepath.Join(*pictures, fmt.Sprintf("size-%s-%d-%v.png", page, size[0], dark)))
				}
			}
		}
	}
}
