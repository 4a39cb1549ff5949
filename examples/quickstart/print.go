package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// printer prints what the steps report, and on a terminal how far long ones
// are.
type printer struct {
	w        io.Writer
	terminal bool
}

func newPrinter(w io.Writer) *printer {
	f, ok := w.(*os.File)
	return &printer{w: w, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *printer) title(s string) { fmt.Fprintf(p.w, "\n%s\n", s) }

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, "  "+format+"\n", args...)
}

const progressInterval = 100 * time.Millisecond

// progress shows, on a terminal, how much of total bytes is done, until stop is
// called.
func (p *printer) progress(done *atomic.Int64, total int64) (stop func()) {
	if !p.terminal {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(p.w, "\r  %3d %%  %s", 100*done.Load()/max(total, 1), size(done.Load()))
			case <-quit:
				fmt.Fprint(p.w, "\r\x1b[K") // to the start of the line, and clear it
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// size formats a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// since formats the time that has passed.
func since(t time.Time) string { return time.Since(t).Round(10 * time.Millisecond).String() }

// rate formats n bytes in the time that has passed.
func rate(n int64, start time.Time) string {
	return size(int64(float64(n)/time.Since(start).Seconds())) + "/s"
}

// plural is "1 file", "2 files", "2 entries".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
