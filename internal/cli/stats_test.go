package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/onebox"
)

// The rows of two hash keys that were of one partition come in turns when it was split
// during the scan, and are counted as two hash keys even so.
func TestStatsDuringASplit(t *testing.T) {
	const partitions = 2
	s := newTableStats(10, coding.NewRow())
	s.classes = partitions << splits
	var keys [][]byte // of partition 0, one for each of its two halves
	for i := 0; len(keys) < 2; i++ {
		key := fmt.Appendf(nil, "k%d", i)
		if h := schema.PartitionHash(key, nil); h%(2*partitions) == uint64(2*len(keys)) {
			keys = append(keys, key)
		}
	}
	for i := range 6 {
		s.add(pegasus.Row{HashKey: keys[i%2], SortKey: []byte{byte(i)}, Value: []byte("v")})
	}
	if err := s.read(func(func(pegasus.Row, error) bool) {}, nil); err != nil {
		t.Fatal(err)
	}
	if s.hashKeys != 2 || s.perHashKeyRows.Max != 3 {
		t.Errorf("%d hash keys, the largest with %d rows", s.hashKeys, s.perHashKeyRows.Max)
	}
}

// Interrupted, it prints what it has seen.
func TestStatsInterrupted(t *testing.T) {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp", Partitions: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	meta := box.MetaServers()[0]
	withTable(t, meta, "temp", func(table pegasus.TableConnector) {
		for i := range 3000 {
			if err := table.Set(t.Context(), fmt.Appendf(nil, "h%d", i), []byte("s"), []byte("v")); err != nil {
				t.Fatal(err)
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	box.Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGetScanner && r.Partition == 3 { // the first ones have been read
			cancel()
			return onebox.Action{Drop: true}
		}
		return onebox.Action{}
	})
	var out, stderr bytes.Buffer
	status := Run(ctx, []string{"stats", "temp", "--meta", meta, "--sample", "99%"}, ui.Streams{Out: &out, Err: &stderr})
	if status != int(exit.Interrupted) || !strings.Contains(out.String(), " at least ") || !strings.Contains(out.String(), "LARGEST ROWS") {
		t.Errorf("status %d, %s%s", status, &out, &stderr)
	}
}
