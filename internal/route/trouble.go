package route

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// subject is what a trouble is about: a partition, or a server.
type subject struct {
	partition *Partition
	node      *rpc.Node
}

// trouble is what callers complain about at present. While there are any, the
// meta servers are asked again and again: the answer is for all partitions, and
// those that have changed learn it by their event.
type trouble struct {
	waiting int // complaints that are not withdrawn
	pace    pace
	began   time.Time // the first complaint in a row
	ended   time.Time // when the last one was withdrawn
	due     time.Time // no question on its behalf before
	asked   bool      // a question began after that
}

// pace is how often meta servers are asked about a trouble: after a share of the
// time that it has lasted, within limits. So news is late by a part of the time
// that it took to come about.
type pace struct {
	share       time.Duration
	least, most time.Duration
}

var (
	// failing is the pace for what certainly does not work.
	failing = pace{share: 20, least: 10 * time.Millisecond, most: 500 * time.Millisecond}
	// silent is the pace for a server that may just be busy.
	silent = pace{share: 4, least: 250 * time.Millisecond, most: 2 * time.Second}
)

func (p pace) after(lasted time.Duration) time.Duration {
	return min(max(lasted/p.share, p.least), p.most)
}

// forget is how long after the last complaint the next one is about another
// trouble.
const forget = time.Second

// Complain says that p does not work: its server has failed, or refuses it, or
// it has none. It does not wait. Until stop is called the meta servers are asked
// for a new place, after the delay for the first time. Any number of callers may
// complain; the questions do not become more.
func (t *Table) Complain(p *Partition, delay time.Duration) (stop func()) {
	return t.complain(subject{partition: p}, failing, delay)
}

// Silent complains about a server that does not answer: a [rpc.Listener].
func (t *Table) Silent(n *rpc.Node) (over func()) {
	return t.complain(subject{node: n}, silent, 0)
}

// silenceLocked reports whether there is a server that does not answer. Calls may
// have come to it since those before them were recalled: a caller looks for the
// server first, and sends then.
func (t *Table) silenceLocked() bool {
	for about, tr := range t.troubles {
		if about.node != nil && tr.waiting > 0 {
			return true
		}
	}
	return false
}

func (t *Table) complain(about subject, pace pace, delay time.Duration) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	tr := t.troubles[about]
	switch {
	case tr == nil || (tr.waiting == 0 && now.Sub(tr.ended) > forget):
		tr = &trouble{pace: pace, began: now, due: now.Add(delay)}
		t.troubles[about] = tr
	case !tr.asked:
		// Others may not have been so sure.
		if due := now.Add(delay); tr.waiting == 0 || due.Before(tr.due) {
			tr.due = due
		}
	case tr.waiting == 0:
		tr.due = t.answered.Add(tr.pace.after(t.answered.Sub(tr.began)))
	}
	tr.waiting++
	t.scheduleLocked(tr.due)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if tr.waiting--; tr.waiting == 0 {
			tr.ended = time.Now()
		}
	}
}

// scheduleLocked makes sure that a question begins at the given time: later if
// one has just been answered, or takes its time.
func (t *Table) scheduleLocked(at time.Time) {
	if t.loading != nil {
		return // there will be a schedule after it
	}
	if soonest := t.answered.Add(min(2*t.took, failing.most)); at.Before(soonest) {
		at = soonest
	}
	if !t.due.IsZero() && !at.Before(t.due) {
		return
	}
	t.due = at
	if wait := time.Until(at); t.timer == nil {
		t.timer = time.AfterFunc(wait, t.onTimer)
	} else {
		t.timer.Reset(wait)
	}
}

func (t *Table) onTimer() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = time.Time{}
	if t.loading != nil {
		return
	}
	for _, tr := range t.troubles {
		if tr.waiting > 0 {
			t.askLocked()
			return
		}
	}
}

// rescheduleLocked plans the next question, now that one is answered, and
// forgets the troubles that are over.
func (t *Table) rescheduleLocked() {
	for about, tr := range t.troubles {
		switch {
		case tr.waiting > 0:
			if tr.asked {
				tr.due = t.answered.Add(tr.pace.after(t.answered.Sub(tr.began)))
			}
			t.scheduleLocked(tr.due)
		case t.answered.Sub(tr.ended) > forget:
			delete(t.troubles, about)
		}
	}
}
