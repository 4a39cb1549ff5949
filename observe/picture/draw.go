package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

const (
	pageWidth = 1280
	header    = 70 // height of what is above the panels, but for the marks, two a line
	markLine  = 17
	rowHeight = 38
	gap       = 8
	axis      = 78 // width of the texts beside a chart
	foot      = 22 // height of the texts below it
	margin    = 20 // to its right
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

var colours = []string{"#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#b8860b", "#0a7a8a", "#d9468b", "#5a6b7b", "#7a4a1e", "#4d9a6a", "#6a5acd"}

// box is a panel on the page.
type box struct {
	Left, Top, Width, Height int
	Title                    string
	SVG                      template.HTML
	Legend                   []entry
}

type entry struct{ Colour, Name string }

// draw makes a page of a dashboard, and says how high it is.
func draw(ctx context.Context, d *dashboard, p *server, of span, marks []mark) (page []byte, height int, err error) {
	data := struct {
		Title, Version, Took string
		Width                int
		Marks                []string
		Boxes                []box
	}{Title: d.Title, Version: p.version, Took: of.to.Sub(of.from).Round(time.Second).String(), Width: pageWidth}
	for _, m := range marks {
		data.Marks = append(data.Marks, fmt.Sprintf("at %v %s", m.at.Sub(of.from).Round(time.Second), m.name))
	}
	top := header + markLine*((len(marks)+1)/2)
	column := (pageWidth - gap) / 24.0
	for _, panel := range d.Panels {
		g := panel.GridPos
		b := box{
			Title: panel.Title, Left: gap + int(float64(g.X)*column), Top: top + g.Y*rowHeight,
			Width: int(float64(g.W)*column) - gap, Height: g.H*rowHeight - gap,
		}
		height = max(height, b.Top+b.Height+gap)
		var lines []line
		for _, target := range panel.Targets {
			found, err := p.query(ctx, target.Expr, of)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", panel.Title, err)
			}
			for _, s := range found {
				lines = append(lines, line{name: legend(target.LegendFormat, s.Metric), values: s.Values})
			}
		}
		for i, l := range lines {
			b.Legend = append(b.Legend, entry{colours[i%len(colours)], l.name})
		}
		rows := 1 + textWidth(b.Legend)/(b.Width-2*gap)
		svg, err := chart(&panel, lines, of, marks, b.Width-2*gap, b.Height-34-20*rows)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", panel.Title, err)
		}
		b.SVG = template.HTML(svg)
		data.Boxes = append(data.Boxes, b)
	}
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, data); err != nil {
		return nil, 0, err
	}
	return text.Bytes(), height, nil
}

// textWidth is about that of a legend.
func textWidth(all []entry) (w int) {
	for _, e := range all {
		w += 30 + 7*len(e.Name)
	}
	return w
}

// line is a series with its name.
type line struct {
	name   string
	values []point
}

// chart draws the lines of a panel.
func chart(p *panel, lines []line, of span, marks []mark, width, height int) (string, error) {
	f := &p.FieldConfig.Defaults
	least, most, any := math.Inf(1), 0.0, false
	for _, l := range lines {
		for _, v := range l.values {
			if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
				continue
			}
			any, most = true, max(most, v.value)
			if v.value > 0 {
				least = min(least, v.value)
			}
		}
	}
	logarithmic := f.Custom.ScaleDistribution.Type == "log" && most > 0
	values := ticks(f.Unit, most, f.Decimals != nil && *f.Decimals == 0)
	if logarithmic {
		values = decades(least, most)
	}
	bottom, top := values[0], values[len(values)-1]
	w, h := float64(width-axis-margin), float64(height-foot)
	x := func(at float64) float64 {
		return axis + w*(at-float64(of.from.UnixMilli())/1000)/of.to.Sub(of.from).Seconds()
	}
	y := func(v float64) float64 {
		if logarithmic {
			return h - (h-4)*math.Log(max(v, bottom)/bottom)/math.Log(top/bottom)
		}
		return h - (h-4)*(v-bottom)/(top-bottom)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg width="%d" height="%d" xmlns="http://www.w3.org/2000/svg">`, width, height)
	for _, v := range values {
		t, err := text(f.Unit, v)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&s, `<path class="grid" d="M%d %.1fh%.1f"/><text x="%d" y="%.1f" class="value">%s</text>`, axis, y(v), w, axis-6, y(v)+4, t)
	}
	for at := time.Duration(0); at <= of.to.Sub(of.from); at += 30 * time.Second {
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" class="time">%d:%02d</text>`, x(float64(of.from.Add(at).UnixMilli())/1000), height-6, int(at.Minutes()), int(at.Seconds())%60)
	}
	for i, m := range marks {
		at := x(float64(m.at.UnixMilli()) / 1000)
		fmt.Fprintf(&s, `<path class="mark" d="M%.1f 4V%.1f"/><text x="%.1f" y="12" class="number">%d</text>`, at, h, at+3, i+1)
	}
	if !any {
		fmt.Fprintf(&s, `<text x="%.1f" y="%.1f" class="none">No data</text>`, axis+w/2, h/2)
	}
	for i, l := range lines {
		var path strings.Builder
		last := math.Inf(-1)
		for _, v := range l.values {
			if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
				continue
			}
			command := 'L'
			if v.at-last > 1.5*scrapeInterval.Seconds() {
				command = 'M'
			}
			fmt.Fprintf(&path, "%c%.1f %.1f", command, x(v.at), y(v.value))
			last = v.at
		}
		fmt.Fprintf(&s, `<path class="line" stroke="%s" d="%s"/>`, colours[i%len(colours)], path.String())
	}
	s.WriteString("</svg>")
	return s.String(), nil
}
