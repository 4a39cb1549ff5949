package pegasus

import "github.com/pegasus-go/pegasus/internal/rpc"

// terms say whose the bytes of a row are.
type terms bool

const (
	owned terms = false // the loop's, for good
	lent  terms = true  // the loop's until it asks for the next row
)

// give gives a row to a loop.
func (t terms) give(row Row, yield func(Row, error) bool) bool {
	if t == owned || !rpc.Poison.Load() {
		return yield(row, nil)
	}
	// A loop that keeps what was lent to it is to see that in every step, not only at
	// the end of a batch.
	row = row.clone()
	more := yield(row, nil)
	rpc.Overwrite(row.HashKey)
	rpc.Overwrite(row.SortKey)
	rpc.Overwrite(row.Value)
	return more
}
