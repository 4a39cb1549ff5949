package bench

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// plot is a chart of lines, drawn as SVG by the colours and dashes of the page's styles.
type plot struct {
	Title, About string
	lines        []line
	x            axis
	y            axis
	marks        []float64 // on the x axis, of seconds in which requests have failed
}

// line is a series. One that has no value at a place has a gap there.
type line struct {
	Name  string
	Class string
	xy    [][2]float64
}

// axis says how values are placed and named.
type axis struct {
	low, high float64
	log       bool
	ticks     []float64
	text      func(float64) string
	name      string
}

// Size of a plot and of what is around it, in the units of its own coordinates.
const (
	plotWidth, plotHeight = 860, 300
	plotLeft, plotRight   = 70, 16
	plotTop, plotBottom   = 12, 44
	innerWidth            = plotWidth - plotLeft - plotRight
	innerHeight           = plotHeight - plotTop - plotBottom
)

// at returns the share of the axis at which a value is.
func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(max(v, a.low))
	}
	if high == low {
		return 0.5
	}
	return min(1, max(0, (v-low)/(high-low)))
}

func (p plot) px(x float64) float64 { return plotLeft + innerWidth*p.x.at(x) }
func (p plot) py(y float64) float64 { return plotTop + innerHeight*(1-p.y.at(y)) }

// Legend names the lines of the plot.
func (p plot) Legend() []line { return p.lines }

// SVG draws the plot. Everything in it is ours: numbers, and names of kinds of request.
func (p plot) SVG() template.HTML {
	var s strings.Builder
	fmt.Fprintf(&s, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(p.Title))
	for _, y := range p.y.ticks {
		fmt.Fprintf(&s, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotWidth-plotRight, p.py(y), p.py(y), plotLeft-8, p.py(y)+4, p.y.text(y))
	}
	for _, x := range p.x.ticks {
		fmt.Fprintf(&s, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			p.px(x), p.px(x), plotTop, plotTop+innerHeight, p.px(x), plotTop+innerHeight+18, p.x.text(x))
	}
	for _, x := range p.marks {
		fmt.Fprintf(&s, `<line class="fault" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, p.px(x), p.px(x), plotTop, plotTop+innerHeight)
	}
	fmt.Fprintf(&s, `<text class="tick" x="%d" y="%d" text-anchor="middle">%s</text>`, plotLeft+innerWidth/2, plotHeight-6, p.x.name)
	for _, l := range p.lines {
		s.WriteString(p.path(l))
	}
	s.WriteString(`</svg>`)
	return template.HTML(s.String()) //nolint:gosec // made above
}

func (p plot) path(l line) string {
	var d strings.Builder
	gap := true
	for i, xy := range l.xy {
		if math.IsNaN(xy[1]) {
			gap = true
			continue
		}
		command := 'L'
		if gap {
			command = 'M'
			if i == len(l.xy)-1 || math.IsNaN(l.xy[i+1][1]) { // alone: a dot
				fmt.Fprintf(&d, "M%.1f %.1fh.01", p.px(xy[0]), p.py(xy[1]))
				continue
			}
		}
		gap = false
		fmt.Fprintf(&d, "%c%.1f %.1f", command, p.px(xy[0]), p.py(xy[1]))
	}
	return `<path class="line ` + l.Class + `" d="` + d.String() + `"/>`
}

// logAxis has whole decades around the values, which are positive.
func logAxis(low, high float64, text func(float64) string) axis {
	a := axis{log: true, text: text, low: math.Pow(10, math.Floor(math.Log10(low))), high: math.Pow(10, math.Ceil(math.Log10(high)))}
	if a.high <= a.low {
		a.high = a.low * 10
	}
	steps := []float64{1}
	if a.high/a.low <= 1000 {
		steps = []float64{1, 2, 5}
	}
	for decade := a.low; decade < a.high*1.01; decade *= 10 {
		for _, s := range steps {
			if v := decade * s; v <= a.high*1.01 {
				a.ticks = append(a.ticks, v)
			}
		}
	}
	return a
}

// linearAxis begins at low and has about five ticks of round numbers.
func linearAxis(low, high float64, text func(float64) string) axis {
	a := axis{low: low, high: high, text: text}
	if high <= low {
		a.high = low + 1
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-low)/5)))
	for _, n := range []float64{2, 5, 10} {
		if (a.high-low)/step <= 7 {
			break
		}
		step = math.Pow(10, math.Floor(math.Log10((a.high-low)/5))) * n
	}
	step = max(step, 1)
	for v := math.Ceil(low/step) * step; v <= a.high; v += step {
		a.ticks = append(a.ticks, v)
	}
	return a
}

func integer(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
