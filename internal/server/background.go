package server

import (
	"context"
	"sync"
)

// background is work on tables that no request waits for.
type background struct {
	ctx    context.Context // done when the server closes
	cancel context.CancelFunc

	mu      sync.Mutex
	wg      sync.WaitGroup
	stopped bool
}

// inBackground runs f, unless the server closes.
func (s *Server) inBackground(f func()) {
	b := &s.background
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.wg.Go(f)
	}
}

// stop cancels the work and waits for it.
func (b *background) stop() {
	b.mu.Lock()
	b.stopped = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
}
