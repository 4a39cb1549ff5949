package stats

import (
	"sync"
	"sync/atomic"
)

// Errors counts answers that are an error, by its code.
type Errors struct{ codes sync.Map }

// Add counts an answer.
func (e *Errors) Add(code string) {
	n, ok := e.codes.Load(code)
	if !ok {
		n, _ = e.codes.LoadOrStore(code, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

// AddTo adds what was counted so far to sums by code.
func (e *Errors) AddTo(sums map[string]int64) {
	e.codes.Range(func(code, n any) bool {
		sums[code.(string)] += n.(*atomic.Int64).Load()
		return true
	})
}

// Failure is a kind of answers that are an error, as a Pegasus server counts them.
type Failure uint8

// The kinds. Those that are busy are no failures.
const (
	ReadFailed Failure = iota
	ReadBusy
	WriteFailed
	WriteBusy
	failureCount
)

// Fail counts an answer of the node.
func (n *Node) Fail(f Failure) { n.failures[f].Add(1) }

func (n *Node) failed() (counts [failureCount]int64) {
	for i := range counts {
		counts[i] = n.failures[i].Load()
	}
	return counts
}
