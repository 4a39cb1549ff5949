package rehearse

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
)

// ErrorShare is a share of the requests for rows that is answered with an error.
type ErrorShare struct {
	Percent int    `json:"percent"`
	Code    string `json:"code"`
	Table   string `json:"table"` // "": all
}

// faults are what happens to single requests. While there are none the onebox does not
// ask about any request.
type faults struct {
	mu      sync.Mutex
	current atomic.Pointer[plan]
}

// plan is immutable but for the count of requests.
type plan struct {
	slow  map[int]time.Duration // by node
	share *ErrorShare
	seen  atomic.Int64
}

func (f *faults) errorShare() *ErrorShare {
	if p := f.current.Load(); p != nil {
		return p.share
	}
	return nil
}

func (f *faults) slow(box *onebox.Server, node int, d time.Duration) {
	f.change(box, func(p *plan) {
		if d > 0 {
			p.slow[node] = d
		} else {
			delete(p.slow, node)
		}
	})
}

func (f *faults) answer(box *onebox.Server, e *ErrorShare) {
	f.change(box, func(p *plan) { p.share = e })
}

func (f *faults) change(box *onebox.Server, change func(*plan)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &plan{slow: make(map[int]time.Duration)}
	if old := f.current.Load(); old != nil {
		next.share = old.share
		for node, d := range old.slow {
			next.slow[node] = d
		}
	}
	change(next)
	f.current.Store(next)
	if len(next.slow) == 0 && next.share == nil {
		box.Intercept(nil)
		return
	}
	box.Intercept(next.action)
}

// action spreads errors evenly: of 20 %, every fifth request has one.
func (p *plan) action(r onebox.Request) onebox.Action {
	if r.Meta || r.Table == "" {
		return onebox.Action{} // what asks for counters and signs of life
	}
	a := onebox.Action{Delay: p.slow[r.Node]}
	if e := p.share; e != nil && (e.Table == "" || e.Table == r.Table) {
		if n, share := p.seen.Add(1), int64(e.Percent); n*share/100 != (n-1)*share/100 {
			a.Error = e.Code
		}
	}
	return a
}
