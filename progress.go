package pegasus

import "sync"

// progress shows how far a request has come to others than the goroutine that has
// sent it: a Next whose time is over does not end the request that it waits for,
// but says what it has waited for.
type progress struct {
	mu sync.Mutex
	// Copies.
	x      exchange
	course course
}

// begin forgets the exchange before.
func (p *progress) begin(o *operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.x, p.course = exchange{op: o}, course{}
}

// note is called when the exchange goes on. p may be nil.
func (p *progress) note(x *exchange) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.x, p.course = *x, *x.course
	p.x.call = nil // ends with the exchange
}

// waitFor notes that it is not the exchange that is waited for at present.
func (p *progress) waitFor(w waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.course.waiting = w
}

// last returns the exchange as it was noted last.
func (p *progress) last() *exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, course := p.x, p.course
	x.course = &course
	return &x
}
