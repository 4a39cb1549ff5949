package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus"
)

// remove deletes a package little by little.
func (t *tour) remove(ctx context.Context) error {
	p, _ := t.src.most(isGo)
	hashKey := []byte(p.path)
	left := int64(p.entries)
	// Each step deletes some of the keys that are left.
	for _, step := range []struct {
		name string
		keys func(keys [][]byte) [][]byte
		run  func(keys [][]byte) error
	}{
		{
			"Del of the first", func(keys [][]byte) [][]byte { return keys[:1] },
			func(keys [][]byte) error { return t.table.Del(ctx, hashKey, keys[0]) },
		},
		{
			"MultiDel of ten", func(keys [][]byte) [][]byte { return keys[:min(10, len(keys))] },
			func(keys [][]byte) error { return t.table.MultiDel(ctx, hashKey, keys) },
		},
		{
			"DelRangeOpt of the tests", testKeys,
			func([][]byte) error {
				options := *pegasus.DefaultDelRangeOptions
				options.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPostfix, Pattern: []byte("_test.go")}
				return t.table.DelRangeOpt(ctx, hashKey, nil, nil, &options)
			},
		},
		{
			"DelRange of the rest", func(keys [][]byte) [][]byte { return keys },
			func([][]byte) error { return t.table.DelRange(ctx, hashKey, nil, nil) },
		},
	} {
		keys, err := t.sortKeys(ctx, hashKey)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		doomed := step.keys(keys)
		if err := step.run(doomed); err != nil {
			return err
		}
		left -= int64(len(doomed))
		n, err := t.table.SortKeyCount(ctx, hashKey)
		if err != nil {
			return err
		}
		if n != left {
			return differs("after %s %d entries are left, want %d", step.name, n, left)
		}
		t.out.line("%-25s %4d of %s left", step.name, n, p.path)
	}
	return nil
}

func testKeys(keys [][]byte) [][]byte {
	var tests [][]byte
	for _, k := range keys {
		if bytes.HasSuffix(k, []byte("_test.go")) {
			tests = append(tests, k)
		}
	}
	return tests
}

// sortKeys returns all sort keys under a hash key.
func (t *tour) sortKeys(ctx context.Context, hashKey []byte) ([][]byte, error) {
	s, err := t.table.GetScanner(ctx, hashKey, nil, nil, &pegasus.ScannerOptions{NoValue: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var keys [][]byte
	for {
		completed, _, sortKey, _, err := s.Next(ctx)
		if err != nil || completed {
			return keys, err
		}
		keys = append(keys, sortKey)
	}
}

// errors shows how failures look.
func (t *tour) errors(ctx context.Context) error {
	for _, tc := range []struct {
		what string
		err  error
		want error
	}{
		{"an empty hash key", t.table.Set(ctx, nil, []byte("k"), []byte("v")), pegasus.ErrInvalidArgument},
		{"a value of 2 MiB", t.table.Set(ctx, []byte("h"), []byte("k"), make([]byte, 2<<20)), pegasus.ErrInvalidData},
		{"Incr of a text", t.incrText(ctx), pegasus.StorageInvalidArgument},
	} {
		if !errors.Is(tc.err, tc.want) {
			return fmt.Errorf("%w: %s: the error is %v, want %v", errDiffers, tc.what, tc.err, tc.want)
		}
		t.out.line("%s: %v", tc.what, tc.err)
	}
	return nil
}

func (t *tour) incrText(ctx context.Context) error {
	if err := t.table.Set(ctx, counterKey, []byte("text"), []byte("twelve")); err != nil {
		return err
	}
	_, err := t.table.Incr(ctx, counterKey, []byte("text"), 1)
	return err
}
