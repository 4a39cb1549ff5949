package pegasus

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pegasus-go/pegasus/internal/peer"
)

// errAt is a codec that cannot read one of the values.
type errAt string

func (e errAt) Encode(value []byte) ([]byte, error) { return value, nil }

func (e errAt) Decode(stored []byte) ([]byte, error) {
	if string(stored) == string(e) {
		return nil, errors.New("unreadable")
	}
	return append([]byte("read "), stored...), nil
}

// Wherever a loop stops, and why: what it was given, Progress and Cursor agree, and the rest
// comes once.
func TestScanStopsAnywhere(t *testing.T) {
	const rows, batch = 60, 37 // neither is made of whole rounds of rowsAhead
	name := func(i int) string { return fmt.Sprintf("hash%03d/sort%03d", i/3, i%3) }
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		serveScans(c, 1, someRows(rows/3, 3))
		for at := range rows {
			for _, why := range []string{"break", "context", "codec", "limit"} {
				for _, terms := range []terms{owned, lent} {
					codec, o := errAt(""), ScanOptions{BatchSize: batch}
					switch why {
					case "codec":
						codec = errAt(name(at))
					case "limit":
						o.Limit = at
					}
					if why == "limit" && at == 0 {
						continue // which is none
					}
					s := scanTable(t, tb.(*Table).With(TableOptions{Values: codec}), o)
					ctx, cancel := context.WithCancel(t.Context())
					seen := 0
					use := func(r Row) {
						if got := fmt.Sprintf("%s/%s", r.HashKey, r.SortKey); got != name(seen) || string(r.Value) != "read "+name(seen) {
							t.Errorf("%s at %d: row %d is %s with %q", why, at, seen, got, r.Value)
						}
						if terms == owned { // it may do with them what it likes
							for _, b := range [][]byte{r.HashKey, r.SortKey, r.Value} {
								clear(b)
								_ = append(b, "spoiled"...)
							}
						}
					}
					var err error
					for r, e := range s.over(ctx, terms) {
						if err = e; err != nil || why == "break" && seen == at {
							break
						}
						use(r)
						if seen++; why == "context" && seen == at {
							cancel()
						}
					}
					want := at
					if why == "context" && at == 0 {
						want = rows
					}
					if failed := why == "codec" || why == "context" && at > 0; seen != want || (err != nil) != failed {
						t.Fatalf("%s at %d: %d rows, %v", why, at, seen, err)
					}
					if p := s.Progress(); p.Rows != int64(seen) {
						t.Errorf("%s at %d: progress %+v", why, at, p)
					}
					o.Limit, o.Resume = 0, s.Cursor()
					for _, rest := range []*TableScan{s, scanTable(t, tb.(*Table).With(TableOptions{Values: errAt("")}), o)} {
						if rest == s && why != "break" && why != "context" || o.Resume == "" {
							continue
						}
						stopped := seen
						for r, err := range rest.over(t.Context(), terms) {
							if err != nil {
								t.Fatal(err)
							}
							use(r)
							seen++
						}
						if seen != rows {
							t.Errorf("%s at %d: %d rows in all", why, at, seen)
						}
						seen = stopped
					}
					cancel()
				}
			}
		}
	})
}
