// Package calls has every call that the page of the official client documents.
package calls

import (
	"context"
	"errors"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

// Calls makes them on one hash key.
func Calls(ctx context.Context, client pegasus.Client) error {
	var table pegasus.TableConnector
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		return err
	}
	h, a, b, v := []byte("calls"), []byte("a"), []byte("b"), []byte("1")
	errs := []error{
		table.Set(ctx, h, a, v),
		table.SetTTL(ctx, h, b, v, time.Hour),
		table.MultiSet(ctx, h, [][]byte{a, b}, [][]byte{v, v}),
		table.MultiSetOpt(ctx, h, [][]byte{a, b}, [][]byte{v, v}, time.Hour),
	}
	_, err = table.Get(ctx, h, a)
	errs = append(errs, err)
	_, err = table.TTL(ctx, h, a)
	errs = append(errs, err)
	_, err = table.Exist(ctx, h, a)
	errs = append(errs, err)
	_, err = table.SortKeyCount(ctx, h)
	errs = append(errs, err)
	_, err = table.Incr(ctx, h, a, 1)
	errs = append(errs, err)

	var entries []*pegasus.KeyValue
	entries, _, err = table.MultiGet(ctx, h, nil)
	errs = append(errs, err)
	_, _, err = table.MultiGetOpt(ctx, h, [][]byte{entries[0].SortKey}, pegasus.DefaultMultiGetOptions)
	errs = append(errs, err)
	_, _, err = table.MultiGetRange(ctx, h, a, nil)
	errs = append(errs, err)
	_, _, err = table.MultiGetRangeOpt(ctx, h, a, b, &pegasus.MultiGetOptions{
		StartInclusive: true,
		StopInclusive:  true,
		SortKeyFilter:  pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: a},
		MaxFetchCount:  10,
		MaxFetchSize:   1000,
		Reverse:        true,
		NoValue:        true,
	})
	errs = append(errs, err)
	_, err = table.BatchGet(ctx, []pegasus.CompositeKey{{HashKey: h, SortKey: a}, {HashKey: h, SortKey: b}})
	errs = append(errs, err)

	var result *pegasus.CheckAndSetResult
	result, err = table.CheckAndSet(ctx, h, a, pegasus.CheckTypeIntGreaterOrEqual, v, b, v,
		&pegasus.CheckAndSetOptions{SetValueTTLSeconds: 60, ReturnCheckValue: true})
	if err == nil && (!result.SetSucceed || !result.CheckValueExist || !result.CheckValueReturned) {
		err = errors.New("CheckAndSet has not set")
	}
	errs = append(errs, err)

	var scanner pegasus.Scanner
	scanner, err = table.GetScanner(ctx, h, nil, nil, pegasus.NewScanOptions())
	errs = append(errs, err)
	_, _, _, _, err = scanner.Next(ctx)
	errs = append(errs, err, scanner.Close())
	_, err = table.GetUnorderedScanners(ctx, 1, &pegasus.ScannerOptions{
		BatchSize:     10,
		HashKeyFilter: pegasus.Filter{Type: pegasus.FilterTypeMatchAnywhere, Pattern: h},
		NoValue:       true,
	})
	errs = append(errs, err)

	errs = append(errs,
		table.Del(ctx, h, a),
		table.MultiDel(ctx, h, [][]byte{a, b}),
		table.DelRange(ctx, h, a, b),
		table.DelRangeOpt(ctx, h, nil, nil, &pegasus.DelRangeOptions{StartInclusive: true, StopInclusive: true}),
	)
	for _, err := range errs {
		if err == nil {
			continue
		}
		var pe *pegasus.PError
		if errors.As(err, &pe) {
			var op pegasus.OpType = pe.Op
			if op == pegasus.OpGet {
				return pe.Err
			}
		}
		return err
	}
	return nil
}
