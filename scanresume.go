package pegasus

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// checkResumable makes sure that the server can begin in the middle of a table.
// One that does not know full_scan would stop at the end of the hash key that it
// begins with, and say that this was all. Those that know it are those that know
// return_expire_ts.
func (c *cursor) checkResumable(ctx context.Context) error {
	c.checked = nil
	if !c.target.fixed || c.parts[0].inclusive {
		return nil
	}
	known := &c.table.client.fullScan
	if snap := c.table.route.Snapshot(); snap != nil {
		if p, err := c.target.locate(snap); err == nil && known.has(p.Primary) {
			c.checked = p.Primary
			return nil
		}
	}
	yes := true
	q := wire.GetScannerRequest{
		StartKey: wire.Key{Raw: firstKey}, StartInclusive: true, StopKey: c.request.StopKey,
		BatchSize: 1, NoValue: true, ReturnExpireTS: &yes,
	}
	x := c.exchange(c.begin)
	var resp wire.ScanResponse
	err := c.table.do(ctx, &x, func(dst []byte) []byte { return wire.AppendArgument(dst, q) }, func(r *wire.Reader) wire.Status {
		resp.Read(r)
		return resp.Error
	})
	if err != nil {
		return err
	}
	if resp.ContextID != wire.ScanCompleted && resp.ContextID != 0 {
		c.context = resp.ContextID
		c.clear()
	}
	c.checked = x.partition.Primary
	switch {
	case len(resp.KVs) > 0 && resp.KVs[0].HasExpireTS:
		known.add(c.checked)
	case len(resp.KVs) == 0 && resp.ContextID == wire.ScanCompleted: // nothing there to lose
	case len(resp.KVs) == 0 && resp.ContextID == 0: // likewise
	default:
		return c.table.failure(&x, ErrCannotResume)
	}
	return nil
}
