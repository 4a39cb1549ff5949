package cli

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/tally"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/spf13/cobra"
)

func newStatsCommand(a *app) *cobra.Command {
	codings := coding.NewRow()
	var t talk
	top, sample := 20, percentFlag(100)
	cmd := &cobra.Command{
		Use:   "stats [TABLE]",
		Short: "Print how large the rows of a table are, and when they expire",
		Long: `Print how large the rows of a table are, which rows and hash keys are the
largest, and when rows expire. All rows are read, in memory that does not grow
with the table; with --sample some partitions of it, whose hash keys are those
of chance.

Sizes are those of keys and values; percentiles are too large by an eighth at
most. It is no snapshot. --timeout is for each request. If it is interrupted it
prints what it has seen, and the status is 130; if a partition cannot be read
likewise, and it is 6.`,
		Example: `  pegasus stats users --top 20
  pegasus stats users --sample 5% -o json`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, _, err := a.arguments(cmd, args)
			switch {
			case err != nil:
				return err
			case top < 0 || top > maxTop:
				return exit.Errorf(exit.Usage, "--top: %d is not 0 to %d", top, maxTop)
			}
			if err := a.reportFormat(); err != nil {
				return err
			}
			s := newTableStats(top, codings)
			s.talk = t
			return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
				return a.stats(ctx, t, table, s, float64(sample)/100)
			})
		},
	}
	encodingFlag(cmd, &codings)
	t.addFlags(cmd)
	cmd.Flags().IntVar(&top, "top", top, "how `many` of the largest rows and hash keys to print")
	cmd.Flags().Var(&sample, "sample", "`part` of the table to read, such as 5%: whole partitions, one at least")
	return cmd
}

// maxTop bounds the keys that are kept.
const maxTop = 1000

// percentFlag is a share of a whole.
type percentFlag float64

// Set takes "5%", more than 0 and up to 100.
func (p *percentFlag) Set(s string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !strings.HasSuffix(s, "%") || !(n > 0 && n <= 100) {
		return fmt.Errorf("%q is not a part such as 5%%, up to 100%%", s)
	}
	*p = percentFlag(n)
	return nil
}

// Type names the kind of value in the help.
func (p *percentFlag) Type() string { return "part" }

// String returns what Set takes.
func (p *percentFlag) String() string { return strconv.FormatFloat(float64(*p), 'g', -1, 64) + "%" }

// tableStats is what was seen of a table.
type tableStats struct {
	rows                          int64
	hashKeys                      int64
	hashKey, sortKey, value, row  tally.Sizes
	perHashKeyRows, perHashKeySum tally.Sizes
	largestRows                   *tally.Top[[2]string]
	largestKeys                   *tally.Top[keyText]
	expiry                        [len(expirySpread)]int64
	partitions, of                int // that were read
	end                           error

	talk    talk
	codings coding.Row
	wrong   error // a key that is not of its coding
	now     time.Time
	classes int
	open    map[int]*keyTotal // the hash key that each class of partitions is at
}

// keyTotal is what a hash key has.
type keyTotal struct {
	key         []byte
	rows, bytes int64
}

// keyText is the same, written for people.
type keyText struct {
	key  string
	rows int64
}

func newTableStats(top int, codings coding.Row) *tableStats {
	return &tableStats{
		codings:     codings,
		largestRows: tally.NewTop[[2]string](top), largestKeys: tally.NewTop[keyText](top), open: make(map[int]*keyTotal), now: time.Now(),
	}
}

// expirySpread are the times to live that are told apart. The first are rows that do not
// expire.
var expirySpread = [...]struct {
	name string
	less time.Duration
}{
	{"never", 0},
	{"under 1m", time.Minute},
	{"under 1h", time.Hour},
	{"under 1d", 24 * time.Hour},
	{"under 7d", 7 * 24 * time.Hour},
	{"under 30d", 30 * 24 * time.Hour},
	{"under 1y", 365 * 24 * time.Hour},
	{"longer", math.MaxInt64},
}

// splits is how many doublings of the partitions may happen during a scan. The rows of a
// hash key follow each other in its partition; if that becomes two, they do in either.
const splits = 4

func (s *tableStats) add(r pegasus.Row) {
	size := int64(len(r.HashKey) + len(r.SortKey) + len(r.Value))
	s.rows++
	s.hashKey.Add(int64(len(r.HashKey)))
	s.sortKey.Add(int64(len(r.SortKey)))
	s.value.Add(int64(len(r.Value)))
	s.row.Add(size)
	s.largestRows.Offer(size, func() [2]string {
		return [2]string{s.text(s.codings.Hash, r.HashKey), s.text(s.codings.Sort, r.SortKey)}
	})
	for i, e := range expirySpread {
		if i == 0 && r.Expires.IsZero() || i > 0 && !r.Expires.IsZero() && r.Expires.Sub(s.now) < e.less {
			s.expiry[i]++
			break
		}
	}
	if len(r.HashKey) == 0 { // such rows have nothing in common
		return
	}
	class := int(schema.PartitionHash(r.HashKey, nil) % uint64(s.classes))
	at := s.open[class]
	if at == nil {
		at = new(keyTotal)
		s.open[class] = at
	}
	if !bytes.Equal(at.key, r.HashKey) {
		s.close(at)
		*at = keyTotal{key: append(at.key[:0], r.HashKey...)}
	}
	at.rows++
	at.bytes += size
}

// close counts a hash key that is complete.
func (s *tableStats) close(k *keyTotal) {
	if k.rows == 0 {
		return
	}
	s.hashKeys++
	s.perHashKeyRows.Add(k.rows)
	s.perHashKeySum.Add(k.bytes)
	s.largestKeys.Offer(k.bytes, func() keyText { return keyText{s.text(s.codings.Hash, k.key), k.rows} })
}

// text writes a key for people. If that cannot be done the scan ends.
func (s *tableStats) text(c coding.Coding, key []byte) string {
	text, err := c.Format(key)
	if err != nil {
		s.wrong = err
	}
	return text
}

func (a *app) stats(ctx context.Context, t *pegasus.Table, name string, s *tableStats, share float64) error {
	o := pegasus.ScanOptions{WithExpiry: true}
	if share < 1 {
		o.Parallel = 1 // so that partitions are read one after the other
	}
	scan, err := t.Scan(ctx, o)
	if err != nil {
		return err
	}
	s.of = scan.Progress().Partitions
	s.classes = s.of << splits
	s.partitions = max(1, int(math.Ceil(share*float64(s.of))))
	enough := s.partitions
	m := a.meter(s.talk, "stats "+name, func() progress.Sample {
		p := scan.Progress()
		return progress.Sample{Rows: p.Rows, Bytes: p.Bytes, Done: min(1, p.Done*float64(s.of)/float64(enough))}
	})
	s.end = s.read(scan.BorrowedRows(ctx), scan.Progress)
	m.Stop()
	if s.end != nil {
		s.partitions = scan.Progress().Completed
	}
	if s.wrong != nil {
		return s.wrong
	}
	if err := a.printer().Document(statsScreen(s, name), statsDocument(s, name)); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return exit.Errorf(exit.Interrupted, "interrupted: %d rows of the table were seen", s.rows)
	case s.end != nil && s.rows > 0:
		return &exit.Error{Code: exit.Partly, Err: s.end}
	}
	return s.end
}

// read reads the rows, until enough partitions are complete.
func (s *tableStats) read(rows iter.Seq2[pegasus.Row, error], progress func() pegasus.Progress) error {
	partition := -1
	for row, err := range rows {
		if err != nil {
			return err
		}
		if s.partitions < s.of {
			// The row is of a partition behind those that are enough?
			p := int(schema.PartitionHash(row.HashKey, row.SortKey) % uint64(s.of))
			if p != partition && progress().Completed >= s.partitions {
				break
			}
			partition = p
		}
		if s.add(row); s.wrong != nil {
			return s.wrong
		}
	}
	for _, class := range slices.Sorted(maps.Keys(s.open)) {
		s.close(s.open[class])
	}
	clear(s.open)
	return nil
}
