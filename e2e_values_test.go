package pegasus_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	pegasus "github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// What a method returns belongs to the caller: later answers on the same
// connection do not change it, whatever its size.
func TestResultsAreTheCallers(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithTable("temp", 1))
	ctx := t.Context()
	check := []byte("check")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var kept, want [][]byte
			keep := func(got, expected []byte, err error) {
				if err != nil {
					t.Error(err)
				}
				kept, want = append(kept, got), append(want, expected)
			}
			for i := range 60 {
				h, s := fmt.Appendf(nil, "hash%d-%d", g, i), fmt.Appendf(nil, "sort%d", i)
				value := bytes.Repeat([]byte{byte(1 + g + 8*i%100)}, i*i*3)
				if err := c.Table.Set(ctx, h, s, value); err != nil {
					t.Error(err)
					return
				}
				got, err := c.Table.Get(ctx, h, s)
				keep(got, value, err)
				kvs, _, err := c.Table.MultiGetOpt(ctx, h, nil, &pegasus.MultiGetOptions{})
				if len(kvs) != 1 {
					t.Errorf("%d entries of %s, %v", len(kvs), h, err)
					return
				}
				keep(kvs[0].Value, value, err)
				keep(kvs[0].SortKey, s, err)
				values, err := c.Table.BatchGet(ctx, []pegasus.CompositeKey{{HashKey: h, SortKey: s}, {HashKey: h, SortKey: check}})
				keep(values[0], value, err)
				res, err := c.Table.CheckAndSet(ctx, h, s, pegasus.CheckTypeValueExist, nil, check, nil, &pegasus.CheckAndSetOptions{ReturnCheckValue: true})
				if err != nil {
					t.Error(err)
					return
				}
				keep(res.CheckValue, value, err)
				scanner, err := c.Table.GetScanner(ctx, h, s, nil, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, scannedHash, scannedSort, scanned, err := scanner.Next(ctx)
				keep(scannedHash, h, err)
				keep(scannedSort, s, err)
				keep(scanned, value, err)
				scanner.Close()
			}
			for i := range kept {
				if !bytes.Equal(kept[i], want[i]) {
					t.Errorf("result %d is %.20q... of %d bytes, want %.20q... of %d", i, kept[i], len(kept[i]), want[i], len(want[i]))
				}
			}
		})
	}
	wg.Wait()
}
