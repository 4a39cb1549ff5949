package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/pegasus-go/pegasus/onebox"
)

var dashboards = []string{"../prometheus/dashboards/client.json", "../prometheus/dashboards/onebox.json"}

// The dashboards are such as Grafana reads: they have no field that it does not know.
func TestDashboardsAreGrafanas(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, file := range dashboards {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := grafanas(text); wrong != "" {
			t.Errorf("%s: %s", file, wrong)
		}
		if grafanas([]byte(strings.Replace(string(text), `"expr"`, `"expression"`, 1))) == "" {
			t.Errorf("%s: a field that there is not is no error", file)
		}
	}
}

// grafanas says what is wrong with a dashboard, by the types that Grafana's own are made from.
func grafanas(text []byte) string {
	//lint:ignore SA1019 this form is read by all versions, the newer one is not
	var d grafana.Dashboard
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" { // it is never nil
		return err.Error()
	}
	if err := d.Validate(); err != nil {
		return err.Error()
	}
	return ""
}

// Panels do not lie on each other, have a title, and units that can be drawn.
func TestLayout(t *testing.T) {
	for _, file := range dashboards {
		d, err := readDashboard(file)
		if err != nil {
			t.Fatal(err)
		}
		taken := make(map[[2]int]string)
		for _, p := range d.Panels {
			if _, err := text(p.FieldConfig.Defaults.Unit, 1); err != nil || p.Title == "" {
				t.Errorf("%s: %q: %v", file, p.Title, err)
			}
			g := p.GridPos
			if g.X < 0 || g.X+g.W > 24 || g.W*g.H == 0 {
				t.Errorf("%s: %s is at %+v", file, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: %s lies on %s", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		unit string
		v    float64
		want string
	}{
		{"s", 0, "0 s"},
		{"s", 20e-6, "20 µs"},
		{"s", 0.0025, "2.5 ms"},
		{"s", 10, "10 s"},
		{"bytes", 0, "0 B"},
		{"bytes", 1536, "1.5 KiB"},
		{"bytes", 1 << 40, "1 TiB"},
		{"bytes", 1 << 52, "4096 TiB"},
		{"Bps", 1500, "1.5 kB/s"},
		{"ops", 999, "999 ops/s"},
		{"ops", 2e6, "2M ops/s"},
		{"short", 11500, "11.5 K"},
	} {
		if got, err := text(tc.unit, tc.v); err != nil || got != tc.want {
			t.Errorf("%v %s: %q, %v, want %q", tc.v, tc.unit, got, err, tc.want)
		}
	}
	if _, err := text("fathom", 1); err == nil {
		t.Error("a unit that is not known is no error")
	}
}

// Ticks are few, whole if asked for, and reach as far as the values.
func TestTicks(t *testing.T) {
	for _, most := range []float64{0, 1e-6, 0.3, 1, 2, 7, 8, 99, 1000, 1025, 123456, 3e11} {
		for _, unit := range []string{"ops", "bytes"} {
			for _, whole := range []bool{false, true} {
				all := ticks(unit, most, whole)
				if all[0] != 0 || all[len(all)-1] < most || len(all) < 2 || len(all) > 6 {
					t.Errorf("%s %v: %v", unit, most, all)
				}
				if whole && all[1] != math.Trunc(all[1]) {
					t.Errorf("%s %v: %v are not whole", unit, most, all)
				}
			}
		}
	}
	if all := decades(0.00003, 0.5); len(all) != 6 || math.Abs(all[0]-1e-5) > 1e-12 || math.Abs(all[5]-1) > 1e-9 {
		t.Errorf("decades %v", all)
	}
}

// What is missing is a gap in a line, and a panel without values says so.
func TestChart(t *testing.T) {
	began := time.Unix(1000, 0)
	of := span{began, began.Add(time.Minute)}
	p := new(panel)
	p.FieldConfig.Defaults.Unit = "short"
	svg, err := chart(p, []line{{"a", []point{{1002, 1}, {1004, 2}, {1006, math.NaN()}, {1008, 3}, {1010, 1}}}}, of, []mark{{began, "x"}}, 600, 200)
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(svg, `class="line"`)
	if n := strings.Count(path, "M"); n != 2 || strings.Contains(svg, "NaN") || !strings.Contains(svg, `class="mark"`) {
		t.Errorf("%d parts of the line: %s", n, svg)
	}
	if svg, err = chart(p, nil, of, nil, 600, 200); err != nil || !strings.Contains(svg, "No data") {
		t.Errorf("%v: %s", err, svg)
	}
}

func TestLegend(t *testing.T) {
	if got := legend("{{table}} {{ op }}!", map[string]string{"table": "users", "op": "get"}); got != "users get!" {
		t.Errorf("%q", got)
	}
}

// An answer of Prometheus is read with its values, which are texts in it.
func TestPoint(t *testing.T) {
	for text, want := range map[string]point{`[1435781430.781,"1.5"]`: {1435781430.781, 1.5}, `[1,"+Inf"]`: {1, math.Inf(1)}} {
		var p point
		if err := p.UnmarshalJSON([]byte(text)); err != nil || p != want {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	var p point
	if p.UnmarshalJSON([]byte(`[1,"x"]`)) == nil {
		t.Error("a value that is no number is no error")
	}
}

// A run that fails ends at once: a program that there is not is none to stop, and the load ends
// with a fault that cannot be made.
func TestFailures(t *testing.T) {
	if cmd, err := start(t.Context(), t.TempDir()+"/log", "no-such-program"); cmd != nil || err == nil {
		t.Errorf("%v, %v", cmd, err)
	}
	all := faults
	defer func() { faults = all }()
	faults = slices.Clone(faults[:1])
	faults[0].at = 0
	wrong := errors.New("no such fault")
	faults[0].begin = func(*onebox.Server) error { return wrong }
	c := &cluster{address: "127.0.0.1:1"}
	if _, err := c.load(t.Context(), time.Hour); !errors.Is(err, wrong) {
		t.Errorf("the load ended with %v", err)
	}
}

// A picture has at most 256 colours, those that it has most of as they were.
func TestShrink(t *testing.T) {
	from := image.NewRGBA(image.Rect(0, 0, 100, 100))
	for i := range 100 * 100 {
		c := color.RGBA{255, 255, 255, 255}
		if i%10 == 0 {
			c = color.RGBA{uint8(i / 10), uint8(i / 100), 3, 255}
		}
		from.Set(i%100, i/100, c)
	}
	var text bytes.Buffer
	if err := png.Encode(&text, from); err != nil {
		t.Fatal(err)
	}
	small, err := shrink(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	to, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := to.(*image.Paletted); !ok || len(p.Palette) != 256 || to.Bounds() != from.Bounds() {
		t.Errorf("%T of %v", to, to.Bounds())
	}
	if got := color.RGBAModel.Convert(to.At(1, 0)); got != from.At(1, 0) {
		t.Errorf("%v, was %v", got, from.At(1, 0))
	}
}
