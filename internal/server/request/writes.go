package request

import (
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Writes are writes that were carried out and answered, but may not be durable
// yet. Their answers must not be sent before.
type Writes struct {
	commits []commit
	at      []int // of their responses in the buffer of answers
}

// commit is that of the next n writes.
type commit struct {
	storage.Commit
	n int
}

// Pending reports whether there are any.
func (w *Writes) Pending() bool { return len(w.commits) > 0 }

// Add adds writes that are committed together, whose responses are at these places
// of the buffer of answers, unless they are as durable as they get.
func (w *Writes) Add(c storage.Commit, at ...int) {
	if c.Pending() {
		w.commits = append(w.commits, commit{c, len(at)})
		w.at = append(w.at, at...)
	}
}

// MoveTo appends w to other, whose answers are those of w from start on behind
// the n bytes of its own, and leaves w empty.
func (w *Writes) MoveTo(other *Writes, start, n int) {
	other.commits = append(other.commits, w.commits...)
	for _, at := range w.at {
		other.at = append(other.at, at-start+n)
	}
	w.clear()
}

// Wait waits until the writes with answers in out are durable, and leaves w
// empty. The answer of a write that turns out not to be gets the status of an
// I/O error.
func (w *Writes) Wait(out []byte) {
	at := w.at
	for _, c := range w.commits {
		if err := c.Wait(); err != nil {
			for _, at := range at[:c.n] {
				wire.SetStatus(out, at, wire.StatusIOError)
			}
		}
		at = at[c.n:]
	}
	w.clear()
}

// Abandon waits for writes whose answers will not be sent, and leaves w empty.
func (w *Writes) Abandon() {
	for _, c := range w.commits {
		_ = c.Wait() // nobody is told
	}
	w.clear()
}

func (w *Writes) clear() {
	clear(w.commits)
	w.commits, w.at = w.commits[:0], w.at[:0]
}
