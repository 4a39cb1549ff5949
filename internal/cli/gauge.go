package cli

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus"
)

// gauge tells about which share of a table a scan has done that has given so many rows. For a
// whole table it goes by what the servers think how many there are, if they say that.
func (a *app) gauge(ctx context.Context, at access, table string, scan *pegasus.TableScan, filtered bool) func(rows int64) float64 {
	var total int64
	if !filtered {
		total = likely(ctx, at, table)
	}
	return func(rows int64) float64 {
		done := scan.Progress().Done
		if total > 0 && done < 1 {
			done = min(0.99, float64(rows)/float64(total))
		}
		return done
	}
}

// likelyTime is for how long a command waits for that before it begins.
const likelyTime = 2 * time.Second

// likely is about how many rows a table has, 0 if nobody says.
func likely(ctx context.Context, at access, table string) int64 {
	c, err := at.administer(0)
	if err != nil {
		return 0
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, likelyTime)
	defer cancel()
	n, err := estimate(ctx, c, table)
	if err != nil {
		return 0
	}
	return n
}
