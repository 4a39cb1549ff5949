package main

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
)

// maxScanners bounds the number of scanners of the whole table.
const maxScanners = 4

// scanAll reads the whole table with several scanners at the same time, and
// compares every entry with the file it was loaded from.
func (t *tour) scanAll(ctx context.Context) error {
	start := time.Now()
	scanners, err := t.table.GetUnorderedScanners(ctx, maxScanners, &pegasus.ScannerOptions{BatchSize: 100})
	if err != nil {
		return err
	}
	v := verifier{src: t.src, seen: make(map[string]bool)}
	stop := t.out.progress(&v.bytes, t.src.bytes)
	err = parallel(ctx, len(scanners), scanners, v.scan)
	stop()
	if err != nil {
		return err
	}
	if want := t.src.entries(); len(v.seen) != want {
		return differs("%d entries, %d were written", len(v.seen), want)
	}
	if v.bytes.Load() != t.src.bytes {
		return differs("%d bytes, the files have %d", v.bytes.Load(), t.src.bytes)
	}
	t.out.line("%s equal to the files, byte for byte: %s", plural(len(v.seen), "entry"), size(v.bytes.Load()))
	t.out.line("%s in %s, %s", plural(len(scanners), "scanner"), since(start), rate(t.src.bytes, start))
	return nil
}

// verifier compares entries with files.
type verifier struct {
	src   *source
	bytes atomic.Int64

	mu   sync.Mutex
	seen map[string]bool // by hash key, slash and sort key
}

// scan compares all entries of a scanner.
func (v *verifier) scan(ctx context.Context, s pegasus.Scanner) error {
	defer s.Close()
	for {
		completed, hashKey, sortKey, value, err := s.Next(ctx)
		if err != nil || completed {
			return err
		}
		if err := v.check(hashKey, sortKey, value); err != nil {
			return err
		}
	}
}

func (v *verifier) check(hashKey, sortKey, value []byte) error {
	f, part, ok := v.src.find(hashKey, sortKey)
	if !ok {
		return differs("entry %q, %q is of no file", hashKey, sortKey)
	}
	want, err := f.read(part)
	if err != nil {
		return err
	}
	if !bytes.Equal(value, want) {
		return differs("%s: %d bytes read, %d on disk", f.path, len(value), len(want))
	}
	v.bytes.Add(int64(len(value)))
	key := string(hashKey) + "/" + string(sortKey)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen[key] {
		return differs("%s was delivered twice", f.path)
	}
	v.seen[key] = true
	return nil
}

// scanRange reads a range of one package in order, without the values.
func (t *tour) scanRange(ctx context.Context) error {
	p, files := t.src.most(isGo)
	if len(files) == 0 {
		t.out.line("there is no .go file")
		return nil
	}
	from, to := files[len(files)/4], files[len(files)*3/4]
	s, err := t.table.GetScanner(ctx, []byte(p.path), []byte(from.name), []byte(to.name), &pegasus.ScannerOptions{
		StartInclusive: true,
		StopInclusive:  true,
		BatchSize:      10,
		NoValue:        true,
		SortKeyFilter:  pegasus.Filter{Type: pegasus.FilterTypeMatchPostfix, Pattern: []byte(".go")},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	want := p.matching(func(f *file) bool { return isGo(f) && f.name >= from.name && f.name <= to.name })
	n := 0
	for ; ; n++ {
		completed, _, sortKey, _, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if completed {
			break
		}
		if n >= len(want) || string(sortKey) != want[n].name {
			return differs("the scanner delivered %q as number %d", sortKey, n)
		}
	}
	if n != len(want) {
		return differs("the scanner delivered %d entries of %d", n, len(want))
	}
	t.out.line("%s: %s from %s to %s", p.path, plural(n, ".go file"), from.name, to.name)
	return nil
}
