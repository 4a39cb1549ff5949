package catalog

import (
	"context"
	"sync"
)

// background is work on tables that no request waits for.
type background struct {
	ctx    context.Context // done when the catalog closes
	cancel context.CancelFunc

	mu      sync.Mutex
	wg      sync.WaitGroup
	stopped bool
}

func (b *background) start() { b.ctx, b.cancel = context.WithCancel(context.Background()) }

// run runs f, unless the catalog closes.
func (b *background) run(f func()) {
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
