package progress

import (
	"fmt"
	"time"
)

const (
	window   = 30 * time.Second // that rates are of
	unknown  = 5 * time.Second  // from the start, in which nobody knows
	etaPause = 2 * time.Second  // between two estimates
)

// rates are how fast a command is of late.
type rates struct {
	began  time.Time
	points []point // at most one a second, of the last window
	eta0   string
	etaAt  time.Time
}

type point struct {
	at time.Time
	Sample
}

// newRates begins with what a command had done before it began, as one that is resumed.
func newRates(now time.Time, s Sample) rates {
	return rates{began: now, points: []point{{now, s}}}
}

// add takes a sample into account.
func (r *rates) add(now time.Time, s Sample) {
	last := len(r.points) - 1
	if last > 0 && now.Sub(r.points[last-1].at) < time.Second {
		r.points[last] = point{now, s} // of the same second
	} else {
		r.points = append(r.points, point{now, s})
	}
	for len(r.points) > 2 && now.Sub(r.points[0].at) > window {
		r.points = r.points[1:]
	}
}

// span returns the two ends of what is known.
func (r *rates) span() (from, to point) { return r.points[0], r.points[len(r.points)-1] }

// rows is the number of rows a second.
func (r *rates) rows() float64 {
	from, to := r.span()
	d := to.at.Sub(from.at).Seconds()
	if d <= 0 {
		return 0
	}
	return max(0, float64(to.Rows-from.Rows)/d)
}

// left is the time that is left, negative if nobody knows.
func (r *rates) left(done float64) time.Duration {
	from, to := r.span()
	rate := (to.Done - from.Done) / to.at.Sub(from.at).Seconds()
	if to.at.Sub(r.began) < unknown || done < 0 || !(rate > 0) {
		return -time.Second
	}
	const most = 48 * time.Hour
	return time.Duration(min(max(1-done, 0)/rate*float64(time.Second), float64(most)))
}

// eta is left as text, which does not dance.
func (r *rates) eta(done float64) string {
	_, to := r.span()
	if r.eta0 == "" || to.at.Sub(r.etaAt) >= etaPause {
		r.eta0, r.etaAt = Duration(r.left(done)), to.at
	}
	return r.eta0
}

// Duration is a time that is left, in two units: "?" if it is negative.
func Duration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 0:
		return "?"
	case d > 24*time.Hour:
		return ">1d"
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
