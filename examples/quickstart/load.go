package main

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	loaders = 8

	// Small files of a package travel together, up to these limits; larger
	// entries travel alone.
	batchEntries = 100
	batchBytes   = 256 << 10
	alone        = 64 << 10
)

// load writes all files. Packages are loaded at the same time.
func (t *tour) load(ctx context.Context) error {
	start := time.Now()
	var done, sets, multiSets atomic.Int64
	stop := t.out.progress(&done, t.src.bytes)
	err := parallel(ctx, loaders, t.src.packages, func(ctx context.Context, p *pkg) error {
		l := loader{tour: t, pkg: p}
		err := l.load(ctx, &done)
		sets.Add(l.sets)
		multiSets.Add(l.multiSets)
		return err
	})
	stop()
	if err != nil {
		return err
	}
	inParts, parts := 0, 0
	for _, f := range t.src.files {
		if !f.whole() {
			inParts++
			parts += f.parts()
		}
	}
	t.out.line("%s of %s, %s, from %s", plural(len(t.src.files), "file"), plural(len(t.src.packages), "package"), size(t.src.bytes), t.src.dir)
	t.out.line("%s empty, %d larger than %s and stored in %s", plural(t.src.empty, "file"), inParts, size(partSize), plural(parts, "part"))
	if t.src.skipped > 0 {
		t.out.line("%d not loaded: symbolic links, devices and the like", t.src.skipped)
	}
	t.out.line("%d Set and %d MultiSet in %s, %s", sets.Load(), multiSets.Load(), since(start), rate(t.src.bytes, start))
	return nil
}

// loader writes one package.
type loader struct {
	*tour
	pkg              *pkg
	sortKeys, values [][]byte // of the next MultiSet
	bytes            int
	sets, multiSets  int64
}

func (l *loader) load(ctx context.Context, done *atomic.Int64) error {
	for _, f := range l.pkg.files {
		for part := range f.parts() {
			value, err := f.read(part)
			if err != nil {
				return err
			}
			if err := l.put(ctx, f.sortKey(part), value); err != nil {
				return err
			}
			done.Add(int64(len(value)))
		}
	}
	return l.flush(ctx)
}

func (l *loader) put(ctx context.Context, sortKey, value []byte) error {
	if len(value) > alone {
		l.sets++
		return l.table.Set(ctx, []byte(l.pkg.path), sortKey, value)
	}
	l.sortKeys = append(l.sortKeys, sortKey)
	l.values = append(l.values, value)
	l.bytes += len(value)
	if len(l.sortKeys) < batchEntries && l.bytes < batchBytes {
		return nil
	}
	return l.flush(ctx)
}

func (l *loader) flush(ctx context.Context) error {
	if len(l.sortKeys) == 0 {
		return nil
	}
	l.multiSets++
	err := l.table.MultiSet(ctx, []byte(l.pkg.path), l.sortKeys, l.values)
	l.sortKeys, l.values, l.bytes = l.sortKeys[:0], l.values[:0], 0
	return err
}
