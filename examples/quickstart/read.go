package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/pegasus-go/pegasus"
)

// shown is the number of packages or files that a list shows.
const shown = 5

// count asks for the number of entries of every package.
func (t *tour) count(ctx context.Context) error {
	err := parallel(ctx, loaders, t.src.packages, func(ctx context.Context, p *pkg) error {
		n, err := t.table.SortKeyCount(ctx, []byte(p.path))
		if err == nil && n != int64(p.entries) {
			return differs("%s has %d entries, %d were written", p.path, n, p.entries)
		}
		return err
	})
	if err != nil {
		return err
	}
	biggest := slices.SortedFunc(slices.Values(t.src.packages), func(a, b *pkg) int {
		return cmp.Or(cmp.Compare(b.entries, a.entries), cmp.Compare(a.path, b.path))
	})
	for _, p := range biggest[:min(shown, len(biggest))] {
		t.out.line("%5d  %s", p.entries, p.path)
	}
	return nil
}

// single reads single entries, some of which do not exist.
func (t *tour) single(ctx context.Context) error {
	p, files := t.src.most(isGo)
	if len(files) == 0 {
		t.out.line("there is no .go file")
		return nil
	}
	f := files[0]
	hashKey, sortKey := []byte(p.path), []byte(f.name)
	want, err := f.readAll()
	if err != nil {
		return err
	}
	value, err := t.table.Get(ctx, hashKey, sortKey)
	if err != nil {
		return err
	}
	if value == nil || !bytes.Equal(value, want) {
		return differs("Get of %s", f.path)
	}
	t.out.line("Get %s/%s: %d bytes", p.path, f.name, len(value))

	none, err := t.table.Get(ctx, hashKey, []byte("no such file"))
	if err != nil {
		return err
	}
	exist, err := t.table.Exist(ctx, hashKey, sortKey)
	if err != nil {
		return err
	}
	ttl, err := t.table.TTL(ctx, hashKey, sortKey)
	if err != nil {
		return err
	}
	if none != nil || !exist || ttl != -1 {
		return differs("Get of no file is %v, Exist %v, TTL %d", none, exist, ttl)
	}
	t.out.line("Get of no file: nil; Exist: %v; TTL: %d, it does not expire", exist, ttl)
	return t.batch(ctx)
}

// batch reads one file of each of the largest packages, and one that does not
// exist, in one call.
func (t *tour) batch(ctx context.Context) error {
	var files []*file
	keys := []pegasus.CompositeKey{{HashKey: []byte("no such package"), SortKey: []byte("no such file")}}
	for _, p := range t.src.packages[:min(10*shown, len(t.src.packages))] {
		if whole := p.matching((*file).whole); len(whole) > 0 {
			files = append(files, whole[0])
			keys = append(keys, pegasus.CompositeKey{HashKey: []byte(p.path), SortKey: []byte(whole[0].name)})
		}
	}
	values, err := t.table.BatchGet(ctx, keys)
	if err != nil {
		return err
	}
	if values[0] != nil {
		return differs("BatchGet found a file that does not exist")
	}
	for i, f := range files {
		want, err := f.readAll()
		if err != nil {
			return err
		}
		if !bytes.Equal(values[i+1], want) {
			return differs("BatchGet of %s", f.path)
		}
	}
	t.out.line("BatchGet: %s of as many packages, and nil for one that is not there", plural(len(files), "file"))
	return nil
}

// filter reads the tests of the package that has the most of them.
func (t *tour) filter(ctx context.Context) error {
	p, tests := t.src.most(isTest)
	options := *pegasus.DefaultMultiGetOptions
	options.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPostfix, Pattern: []byte("_test.go")}
	options.MaxFetchCount, options.MaxFetchSize = 0, 0 // no limit
	kvs, all, err := t.table.MultiGetOpt(ctx, []byte(p.path), nil, &options)
	if err != nil {
		return err
	}
	if !all {
		return differs("MultiGetOpt of %s is incomplete", p.path)
	}
	if err := compare(kvs, tests); err != nil {
		return err
	}
	t.out.line("MultiGetOpt: %s has %s", p.path, plural(len(kvs), "test file"))
	if len(tests) == 0 {
		return nil
	}
	// By name, in any order; what does not exist is left out.
	first, last := tests[0], tests[len(tests)-1]
	kvs, _, err = t.table.MultiGet(ctx, []byte(p.path), [][]byte{[]byte(last.name), []byte("no such file"), []byte(first.name)})
	if err != nil {
		return err
	}
	t.out.line("MultiGet: %s and %s", first.name, last.name)
	return compare(kvs, slices.Compact([]*file{first, last}))
}

// compare reports the first difference between entries of a package and the
// files that they should be.
func compare(kvs []*pegasus.KeyValue, files []*file) error {
	if len(kvs) != len(files) {
		return differs("%d entries, want %d", len(kvs), len(files))
	}
	for i, kv := range kvs {
		want, err := files[i].readAll()
		if err != nil {
			return err
		}
		if string(kv.SortKey) != files[i].name || !bytes.Equal(kv.Value, want) {
			return differs("%s", files[i].path)
		}
	}
	return nil
}

// pageSize is the number of entries of a page.
const pageSize = 25

// pages reads the names of the files of a package, a page at a time. Each page
// begins behind the last name of the one before.
func (t *tour) pages(ctx context.Context) error {
	p, _ := t.src.most(isGo)
	options := *pegasus.DefaultMultiGetOptions
	options.MaxFetchCount = pageSize
	options.NoValue = true
	var start []byte
	var names [][]byte
	for pages := 1; ; pages++ {
		kvs, all, err := t.table.MultiGetRangeOpt(ctx, []byte(p.path), start, nil, &options)
		if err != nil {
			return err
		}
		for _, kv := range kvs {
			names = append(names, kv.SortKey)
		}
		if all {
			t.out.line("%s: %s of up to %d", p.path, plural(pages, "page"), pageSize)
			break
		}
		if len(kvs) == 0 {
			return differs("a page of %s is empty, and not the last", p.path)
		}
		start = names[len(names)-1]
		options.StartInclusive = false
	}
	var want [][]byte
	for _, f := range p.files {
		for part := range f.parts() {
			want = append(want, f.sortKey(part))
		}
	}
	if !slices.EqualFunc(names, want, bytes.Equal) {
		return differs("the pages of %s have %d names, want %d", p.path, len(names), len(want))
	}
	return nil
}

// parts puts the files that were too large for one entry together again.
func (t *tour) parts(ctx context.Context) error {
	var files []*file
	for _, p := range t.src.packages {
		files = append(files, p.matching(func(f *file) bool { return !f.whole() })...)
	}
	for _, f := range files {
		content, err := t.readParts(ctx, f)
		if err != nil {
			return err
		}
		want, err := f.readAll()
		if err != nil {
			return err
		}
		if !bytes.Equal(content, want) {
			return differs("%s", f.path)
		}
		if f.size > 4*partSize {
			t.out.line("%s in %d parts: %s/%s", size(f.size), f.parts(), f.pkg.path, f.name)
		}
	}
	t.out.line("%s whole again", plural(len(files), "file"))
	return nil
}

// readParts reads a file in parts: MultiGetRange ends early, after about
// 100000 bytes by default, and says so.
func (t *tour) readParts(ctx context.Context, f *file) ([]byte, error) {
	var content []byte
	start, stop := []byte(f.name+"\x00"), []byte(f.name+"\x01")
	for {
		kvs, all, err := t.table.MultiGetRange(ctx, []byte(f.pkg.path), start, stop)
		if err != nil {
			return nil, err
		}
		for _, kv := range kvs {
			content = append(content, kv.Value...)
			start = append(kv.SortKey, 0) // the least key behind this one
		}
		if all {
			return content, nil
		}
	}
}
