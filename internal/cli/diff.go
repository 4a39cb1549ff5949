package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/spf13/cobra"
)

// diff is what the flags of the command say, and what it has found.
type diff struct {
	selection
	talk
	ttl    bool
	limit  int
	settle time.Duration
	part   percentFlag // of the tables

	left, right *place

	mu     sync.Mutex
	out    *output.Stream
	counts map[verdict]int64
	shares int   // that are done,
	todo   int   // of so many,
	of     int   // which the tables have
	likely int64 // rows, 0 if nobody says
}

// verdict is what a comparison says of a row.
type verdict string

const (
	same      verdict = "same"
	differs   verdict = "differs"
	leftOnly  verdict = "left only"
	rightOnly verdict = "right only"
)

func newDiffCommand(a *app) *cobra.Command {
	d := diff{selection: selection{codings: coding.NewRow()}, part: 100}
	cmd := &cobra.Command{
		Use:   "diff [TABLE] TO",
		Short: "Compare the rows of two tables",
		Long: `Compare the rows of two tables, and print those that differ or are in one only. TO is a
table, or CLUSTER:TABLE as that of copy; so may the first one be. The status is 0 if there is no difference and 3 if there is one.

Values are compared, and with --ttl the times at which rows expire, two seconds more or
less. What seems to differ is read again after --settle, so that rows that are written at
this moment do not count. The numbers of partitions need not be the same. Memory does not
grow with the tables. --timeout is for each request.

With --sample a part of both is compared, other hash keys each time: whole partitions, one
at least; where the numbers of partitions differ, those that have the same hash keys. The
result says how large the part was, as does the last line of jsonl.`,
		Example: `  pegasus diff users users2
  pegasus diff users 10.0.0.1:34601,10.0.0.2:34601:users --ttl
  pegasus diff users users2 --sample 5%
  pegasus diff users users2 --limit 0 -o jsonl > differences`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case d.limit < 0:
				return exit.Errorf(exit.Usage, "--limit: %d is negative", d.limit)
			case d.settle < 0:
				return exit.Errorf(exit.Usage, "--settle: %s is negative", d.settle)
			case a.format == output.Raw:
				return exit.Errorf(exit.Usage, "-o raw: a difference has more than one value")
			}
			var err error
			if d.left, d.right, err = a.openPair(cmd, args, false); err != nil {
				return err
			}
			defer d.left.close()
			defer d.right.close()
			return d.run(cmd.Context(), a)
		},
	}
	d.addHashFlag(cmd)
	d.addSortFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&d.ttl, "ttl", false, "compare when rows expire, too")
	f.IntVar(&d.limit, "limit", 100, "the most `differences` that are printed, 0 for all; all are counted")
	f.DurationVar(&d.settle, "settle", 2*time.Second, "`time` after which what differs is read again")
	f.Var(&d.part, "sample", "`part` of the tables to compare, such as 5%")
	d.talk.addFlags(cmd)
	return cmd
}

func (d *diff) run(ctx context.Context, a *app) error {
	o, err := d.options()
	if err != nil {
		return err
	}
	o.WithExpiry = d.ttl
	leftBatch, err := batchFor(ctx, d.left.Table, false)
	if err != nil {
		return err
	}
	rightBatch, err := batchFor(ctx, d.right.Table, false)
	if err != nil {
		return err
	}
	o.BatchSize = min(leftBatch, rightBatch)
	d.counts = make(map[verdict]int64)
	d.of = gcd(d.left.Partitions, d.right.Partitions)
	d.todo = int(math.Ceil(float64(d.of) * float64(d.part) / 100))
	if o.HashKeyFilter.Type == pegasus.FilterTypeNoFilter && o.SortKeyFilter.Type == pegasus.FilterTypeNoFilter {
		d.likely = likely(ctx, d.left.at, d.left.Place.Table) * int64(d.todo) / int64(d.of)
	}
	m := a.meter(d.talk, "diff "+d.left.name+" "+d.right.name, d.sample)
	printer := a.printer()
	printer.Out = m.Over(printer.Out)
	d.out = printer.Stream("diff", "hk", "sk", "detail")
	err = someShares(ctx, rand.Perm(d.of)[:d.todo], d.of, func(ctx context.Context, share pegasus.Share) error {
		return d.compare(ctx, o, share)
	})
	m.Stop()
	n := func(v verdict) string { return progress.Number(d.counts[v]) }
	text := fmt.Sprintf("%s same, %s differ, %s left only, %s right only", n(same), n(differs), n(leftOnly), n(rightOnly))
	var more []output.Field
	if d.part < 100 {
		text += fmt.Sprintf(", in a sample: %d of %d parts, %.3g%% of the tables", d.todo, d.of, 100*float64(d.todo)/float64(d.of))
		more = append(more, output.Field{Name: "sample", Value: float64(d.todo) / float64(d.of)})
	}
	different := d.counts[differs] + d.counts[leftOnly] + d.counts[rightOnly]
	if err = d.out.End(err, more...); errors.Is(err, errNoReader) && different > 0 {
		return &exit.Error{Code: exit.Absent} // so much is known
	}
	if err != nil {
		if code := exit.Of(err); code == exit.Failed && ctx.Err() == nil && d.counts[same]+different > 0 {
			err = exit.Errorf(exit.Partly, "%w; so far %s", short{err}, text)
		}
		return err
	}
	a.say(d.talk, "%s", text)
	if shown := int64(d.limit); shown > 0 && different > shown {
		a.say(d.talk, "%s more differences are not shown: --limit", progress.Number(different-shown))
	}
	if different > 0 {
		return &exit.Error{Code: exit.Absent}
	}
	return nil
}

// gcd is in how many shares both tables can be compared share by share.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (d *diff) sample() progress.Sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s progress.Sample
	for _, n := range d.counts {
		s.Rows += n
	}
	s.Done = float64(d.shares) / float64(max(1, d.todo))
	if d.likely > 0 {
		s.Done = max(s.Done, min(0.99, float64(s.Rows)/float64(d.likely)))
	}
	return s
}

// compare compares a share of both tables, whose rows come in the same order. A table that is
// split meanwhile has them in another one; what seems to differ for that is found to be the
// same when it is read again.
func (d *diff) compare(ctx context.Context, o pegasus.ScanOptions, share pegasus.Share) error {
	left, err := merge(ctx, d.left.Table, o, share, d.left.Partitions)
	if err != nil {
		return err
	}
	defer left.close()
	right, err := merge(ctx, d.right.Table, o, share, d.right.Partitions)
	if err != nil {
		return err
	}
	defer right.close()
	doubts := doubts{diff: d}
	equal := 0
	for left.row() != nil || right.row() != nil {
		l, r := left.row(), right.row()
		order := 0
		switch {
		case r == nil:
			order = -1
		case l == nil:
			order = 1
		default:
			order = compareKeys(*l, *r)
		}
		if order == 0 && d.detail(l, r) == "" {
			if equal++; equal == 1000 {
				d.count(same, equal)
				equal = 0
			}
		} else if err := doubts.add(ctx, l, r, order); err != nil {
			return err
		}
		if order <= 0 {
			if err := left.advance(); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := right.advance(); err != nil {
				return err
			}
		}
	}
	d.count(same, equal)
	err = doubts.settle(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shares++
	return err
}

func (d *diff) count(v verdict, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[v] += int64(n)
}

// slack is how much times of expiry may differ.
const slack = 2 * time.Second

// detail says in what two rows of the same key differ, "" if they do not.
func (d *diff) detail(l, r *pegasus.Row) string {
	var parts []string
	if a, b := l.Value, r.Value; string(a) != string(b) {
		n := 0
		for n < min(len(a), len(b)) && a[n] == b[n] {
			n++
		}
		parts = append(parts, fmt.Sprintf("value %d B / %d B, first difference at byte %d", len(a), len(b), n))
	}
	if d.ttl && (l.Expires.IsZero() != r.Expires.IsZero() || l.Expires.Sub(r.Expires).Abs() > slack) {
		parts = append(parts, fmt.Sprintf("expires %s / %s", expiresText(l.Expires), expiresText(r.Expires)))
	}
	return strings.Join(parts, "; ")
}

func expiresText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// found counts a row that was read again, and prints it.
func (d *diff) found(v verdict, row *pegasus.Row, detail string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown := d.counts[differs] + d.counts[leftOnly] + d.counts[rightOnly]
	d.counts[v]++
	if v == same || d.limit > 0 && shown >= int64(d.limit) {
		return nil
	}
	hash, err := d.codings.Hash.Format(row.HashKey)
	if err != nil {
		return err
	}
	sort, err := d.codings.Sort.Format(row.SortKey)
	if err != nil {
		return err
	}
	return d.out.Row(nil, string(v), output.Escaped(hash), output.Escaped(sort), detail)
}
