// Package progress tells on standard error how far a command has come: as one line that
// changes on a terminal, as lines now and then elsewhere, or as JSON.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/figure"
)

// Mode is the value of --progress.
type Mode string

// The modes. Auto is a line that changes on a terminal, and Plain elsewhere: a line every
// half minute.
const (
	Auto  Mode = "auto"
	Plain Mode = "plain"
	JSON  Mode = "json"
	None  Mode = "none"
)

// Set takes the name of a mode.
func (m *Mode) Set(s string) error {
	switch Mode(s) {
	case Auto, Plain, JSON, None:
		*m = Mode(s)
		return nil
	}
	return fmt.Errorf("%q is none of auto, plain, json, none", s)
}

// Type names the kind of value in the help.
func (m *Mode) Type() string { return "auto|plain|json|none" }

// String returns what Set takes.
func (m *Mode) String() string { return string(*m) }

// Sample is how far a command has come.
type Sample struct {
	Rows, Bytes int64   // Rows is negative if none are counted
	Done        float64 // about which share of the whole, from 0 to 1; negative if nobody knows
	Note        string  // what else there is to say, such as "checking"
}

// Options say where and how to tell it.
type Options struct {
	Out      io.Writer
	Mode     Mode
	Terminal bool // whether Out is one that can move its cursor
	// Width returns the columns of the terminal, which may change; nil: 80.
	Width func() int
	Label string // what is done, such as "export users"
}

// How often it is told: a frame on a terminal, a line elsewhere, an object of JSON.
const (
	frameTime = 250 * time.Millisecond
	plainTime = 30 * time.Second
	jsonTime  = time.Second
)

// Meter tells how far a command has come until it is stopped.
type Meter struct {
	o      Options
	sample func() Sample
	rates  rates
	stop   chan struct{}
	wg     sync.WaitGroup

	mu    sync.Mutex // of writing
	drawn bool       // a frame is on the terminal
}

// Start begins to tell what sample returns. It is called at once, and then by a goroutine of
// the meter.
func Start(o Options, sample func() Sample) *Meter {
	if o.Mode == Auto && !o.Terminal {
		o.Mode = Plain
	}
	m := &Meter{o: o, sample: sample, rates: newRates(time.Now(), sample()), stop: make(chan struct{})}
	if o.Mode != None {
		m.wg.Go(m.run)
	}
	return m
}

// Stop ends it. On a terminal the line vanishes; what has become of the command is for the
// command to say. JSON has a last object.
func (m *Meter) Stop() {
	close(m.stop)
	m.wg.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
	if m.o.Mode == JSON {
		m.tell()
	}
}

// Over returns a writer to the same terminal, which takes the line away before it writes.
func (m *Meter) Over(w io.Writer) io.Writer { return over{m, w} }

type over struct {
	m *Meter
	w io.Writer
}

func (o over) Write(b []byte) (int, error) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.m.erase()
	return o.w.Write(b)
}

func (m *Meter) run() {
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	every := map[Mode]time.Duration{Auto: frameTime, Plain: plainTime, JSON: jsonTime}[m.o.Mode]
	last := time.Now()
	for {
		select {
		case <-m.stop:
			return
		case now := <-ticker.C:
			m.mu.Lock()
			m.rates.add(now, m.sample())
			if now.Sub(last) >= every {
				last = now
				m.tell()
			}
			m.mu.Unlock()
		}
	}
}

// tell writes a report, in one piece.
func (m *Meter) tell() {
	s := m.sample()
	now := time.Now()
	switch m.o.Mode {
	case JSON:
		_, _ = m.o.Out.Write(object(now, m.o.Label, s, &m.rates))
	case Plain:
		fmt.Fprintf(m.o.Out, "%s %s\n", now.UTC().Format("15:04:05Z"), line(m.o.Label, s, &m.rates, 200, false))
	default:
		width := 80
		if m.o.Width != nil {
			width = m.o.Width()
		}
		// One column stays free, so that no terminal begins another line.
		_, _ = io.WriteString(m.o.Out, "\r"+line(m.o.Label, s, &m.rates, width-1, true)+clearRest)
		m.drawn = true
	}
}

const clearRest = "\x1b[K"

// erase takes the frame from the terminal.
func (m *Meter) erase() {
	if m.drawn {
		_, _ = io.WriteString(m.o.Out, "\r"+clearRest)
		m.drawn = false
	}
}

// line returns a report of up to so many columns: what matters least is left out.
func line(label string, s Sample, r *rates, width int, bar bool) string {
	parts := []struct {
		rank int // 0 stays
		text string
	}{
		{0, label},
		{5, barOf(s.Done)},
		{1, percent(s.Done)},
		{2, fmt.Sprintf("%11s rows", Number(s.Rows))},
		{4, fmt.Sprintf("%8s", figure.Bytes(s.Bytes))},
		{3, fmt.Sprintf("%7s", figure.Count(r.rows())+"/s")},
		{1, fmt.Sprintf("ETA %6s", r.eta(s.Done))},
		{2, s.Note},
	}
	if s.Done < 0 {
		parts[1].text, parts[2].text, parts[6].text = "", "", ""
	}
	if s.Rows < 0 {
		parts[3].text, parts[5].text = "", ""
	}
	if s.Bytes == 0 { // of commands that count none
		parts[4].text = ""
	}
	if !bar {
		parts[1].text = ""
	}
	for rank := 6; ; rank-- {
		var texts []string
		for _, p := range parts {
			if p.text != "" && p.rank < rank {
				texts = append(texts, p.text)
			}
		}
		text := strings.Join(texts, "  ")
		if n := len([]rune(text)); n <= width || rank == 1 {
			return string([]rune(text)[:min(n, max(width, 0))])
		}
	}
}

const barWidth = 8

func barOf(done float64) string {
	n := int(min(max(done, 0), 1) * barWidth)
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", barWidth-n) + "]"
}

// percent is an estimate, which is 100 only where nothing is left.
func percent(done float64) string {
	if done >= 1 {
		return "100%"
	}
	return fmt.Sprintf("%4s", fmt.Sprintf("~%d%%", int(max(done, 0)*100)))
}
