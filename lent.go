package pegasus

import (
	"bytes"

	"github.com/pegasus-go/pegasus/internal/rpc"
)

// terms say whose the bytes of a row are.
type terms bool

const (
	owned terms = false // the loop's, for good
	lent  terms = true  // the loop's until it asks for the next row
)

// of returns the function that gives rows to a loop on these terms. With rpc.Poison a
// loop that keeps what was lent to it is to see that in each step, not only at the end
// of a batch.
func (t terms) of(yield func(Row, error) bool) func(Row, error) bool {
	if t == owned || !rpc.Poison.Load() {
		return yield
	}
	return func(row Row, err error) bool {
		row.HashKey, row.SortKey, row.Value = bytes.Clone(row.HashKey), bytes.Clone(row.SortKey), bytes.Clone(row.Value)
		more := yield(row, err)
		rpc.Overwrite(row.HashKey)
		rpc.Overwrite(row.SortKey)
		rpc.Overwrite(row.Value)
		return more
	}
}
