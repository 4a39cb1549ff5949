package transport

import (
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
)

// held are answers of writes, with those writes.
type held struct {
	out    []byte
	writes request.Writes

	// One of them to be measured, unless its Op is None, and when it arrived.
	sampled stats.Request
	arrived time.Time
}

// add adds answers that begin at start of the buffer that writes refer to, and
// takes writes over.
func (h *held) add(answers []byte, start int, writes *request.Writes) {
	writes.MoveTo(&h.writes, start, len(h.out))
	h.out = append(h.out, answers...)
}

// holder holds the answers of a connection's writes until these are durable. A
// goroutine waits for that, and the connection is read on meanwhile. What gathers
// while it waits for one sync shares the next.
type holder struct {
	c *conn

	mu       sync.Mutex
	changed  sync.Cond // on mu
	waiting  held
	started  bool
	ending   bool
	finished bool
}

// holdAtMost is how many bytes of answers are held before the connection is not
// read any further: more than a thousand writes.
const holdAtMost = 2 * flushSize

func (h *holder) init(c *conn) {
	h.c = c
	h.changed.L = &h.mu
}

// hold takes the answers of a round of requests over, and leaves round empty.
func (h *holder) hold(round *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.waiting.out) >= holdAtMost {
		h.changed.Wait()
	}
	if !h.started {
		h.started = true
		go h.run()
	}
	if len(h.waiting.out) == 0 {
		h.waiting, *round = *round, h.waiting
	} else {
		h.waiting.add(round.out, 0, &round.writes)
		if h.waiting.sampled.Op == stats.None {
			h.waiting.sampled, h.waiting.arrived = round.sampled, round.arrived
		}
	}
	round.sampled = stats.Request{}
	round.out = round.out[:0]
	h.changed.Broadcast()
}

// run waits for writes and sends their answers.
func (h *holder) run() {
	h.mu.Lock()
	defer h.mu.Unlock()
	var now held
	for {
		for len(h.waiting.out) == 0 && !h.ending {
			h.changed.Wait()
		}
		if len(h.waiting.out) == 0 {
			break
		}
		now, h.waiting = h.waiting, now
		h.changed.Broadcast()
		h.mu.Unlock()
		now.writes.Wait(now.out)
		if now.sampled.Op != stats.None {
			h.c.call.Observe(now.sampled, time.Since(now.arrived))
			now.sampled = stats.Request{}
		}
		now.out = h.c.outbox.sendRound(now.out)
		h.mu.Lock()
	}
	h.finished = true
	h.changed.Broadcast()
}

// end waits until nothing is held any more. Nothing may be added.
func (h *holder) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending = true
	h.changed.Broadcast()
	for h.started && !h.finished {
		h.changed.Wait()
	}
}
