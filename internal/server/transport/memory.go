package transport

import (
	"container/list"
	"sync"
)

// answers counts the memory of large answers, from when they are made until the
// client has accepted them. There is a limit: beyond it the connections that
// have been waiting for their client for the longest are closed, and if that is
// not enough no more memory is given out.
type answers struct {
	limit int64

	mu      sync.Mutex
	bytes   int64
	closing int64     // of bytes, those on connections that were closed
	waiting list.List // of *answerMemory, those being sent, the oldest first
}

// answerMemory is the memory of one answer. The zero value may be ended.
type answerMemory struct {
	a *answers
	c *conn

	bytes   int64         // that count
	used    int64         // of them
	refused bool          // by room
	at      *list.Element // in waiting, or nil
	closed  bool          // by closeOldestLocked
}

// answerStep is what the memory of an answer grows by at least.
const answerStep = 256 << 10

// room makes room for n more bytes of an answer that is being made. It returns
// false if there is none.
func (m *answerMemory) room(n int) bool {
	// The buffer of an answer that grows may be twice as large as what is in it.
	m.used += 2 * int64(n)
	if m.used <= m.bytes {
		return true
	}
	m.refused = !m.grow(max(m.used-m.bytes, answerStep))
	return !m.refused
}

func (m *answerMemory) grow(n int64) bool {
	m.a.mu.Lock()
	defer m.a.mu.Unlock()
	m.bytes += n
	m.a.bytes += n
	m.a.closeOldestLocked(nil)
	if m.a.bytes-m.a.closing <= m.a.limit {
		return true
	}
	m.bytes -= n
	m.a.bytes -= n
	return false
}

// wait notes that the answer is made, takes n bytes, and is going to be sent.
func (m *answerMemory) wait(n int) {
	m.a.mu.Lock()
	defer m.a.mu.Unlock()
	m.a.bytes += int64(n) - m.bytes
	m.bytes = int64(n)
	m.at = m.a.waiting.PushBack(m)
	m.a.closeOldestLocked(m) // an answer that is alone may be larger than the limit
}

// end notes that the memory is free.
func (m *answerMemory) end() {
	if m.a == nil {
		return
	}
	m.a.mu.Lock()
	defer m.a.mu.Unlock()
	m.a.bytes -= m.bytes
	if m.at != nil {
		m.a.waiting.Remove(m.at)
	}
	if m.closed {
		m.a.closing -= m.bytes
	}
}

// closeOldestLocked closes connections, but not that of keep, until the answers
// will be within the limit, or none waits.
func (a *answers) closeOldestLocked(keep *answerMemory) {
	for a.bytes-a.closing > a.limit {
		front := a.waiting.Front()
		if front == nil || front.Value == keep {
			return
		}
		m := front.Value.(*answerMemory)
		m.c.hub.log.Warn("connection closed: too much memory in answers", "client", m.c.nc.RemoteAddr())
		a.waiting.Remove(front)
		a.closing += m.bytes
		m.at, m.closed = nil, true
		m.c.abort()
	}
}
