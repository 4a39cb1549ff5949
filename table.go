package pegasus

import (
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/route"
)

// Table is an open table: what Cluster.Open returns, and what the TableConnector
// of Client.OpenTable is. It has the operations of TableConnector, which are
// described there, and those that came later. It is safe for concurrent use.
//
// What is said of TableConnector holds here: keys and values that are given are
// not changed and not kept after the method has returned, and what is returned
// belongs to the caller, unless the name of the method says that it is borrowed.
// Operations that TableConnector does not have treat nil as empty wherever they
// take bytes. A hash key must not be empty.
type Table struct {
	name     string
	client   *Cluster
	route    *route.Table
	shared   *sharedRoute
	counters *counters
	isClosed *atomic.Bool
	closed   chan struct{}
	values   ValueCodec // nil: values are stored as they are
	hedge    *Hedge     // nil: reads are not hedged
	hedger   *hedger    // of all handles
}

var _ TableConnector = (*Table)(nil)

// Name returns the name that the table was opened by.
func (t *Table) Name() string { return t.name }

// ended returns why no operation may begin any more.
func (t *Table) ended() error {
	switch {
	case t.isClosed.Load():
		return ErrTableClosed
	case t.client.closed.Load():
		return ErrClosed
	}
	return nil
}

// Close releases the table: see TableConnector.
func (t *Table) Close() error {
	if !t.isClosed.Swap(true) {
		close(t.closed)
		t.client.release(t.name, t.shared)
	}
	return nil
}
