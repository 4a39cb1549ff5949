package pegasus

import "sync"

// progress shows how far a request has come to others than the goroutine that has
// sent it: a Next whose time is over does not end the request that it waits for,
// but says what it has waited for.
type progress struct {
	mu sync.Mutex
	// Copies.
	x exchange
	c course
}

// note is called when the exchange goes on. p may be nil.
func (p *progress) note(x *exchange) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.x = *x
	p.x.call = nil // ends with the exchange
	p.x.course, p.c = nil, course{}
	if x.course != nil {
		p.c = *x.course
	}
	p.mu.Unlock()
}

// waitFor notes that it is not the exchange that is waited for at present.
func (p *progress) waitFor(w waiting) {
	p.mu.Lock()
	p.c.waiting = w
	p.mu.Unlock()
}

// last returns the exchange as it was noted last.
func (p *progress) last() exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, c := p.x, p.c
	x.course = &c
	return x
}
