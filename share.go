package pegasus

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/route"
)

// Share is a part of a table, for scans that several loops or processes divide among them:
// the entries whose partition hash is Index modulo Of. Shares of the same Of have nothing in
// common, and together are the table. The zero value is all of it.
type Share struct {
	Index int
	// Of is the number of partitions, or what divides it. Splits that double the partitions
	// leave shares what they are.
	Of int
}

// all reports whether s is the whole table.
func (s Share) all() bool { return s == Share{} }

func (s Share) validate(name string) error {
	switch {
	case s.all():
		return nil
	case s.Of < 1:
		return argumentError(name+".Of", "is %d, must be > 0", s.Of)
	case s.Index < 0 || s.Index >= s.Of:
		return argumentError(name+".Index", "is %d, must be from 0 to %d", s.Index, s.Of-1)
	}
	return nil
}

// of returns the ranges of the share.
func (s Share) of(snap *route.Snapshot, name string) ([]route.Range, error) {
	if s.all() {
		return snap.Ranges(), nil
	}
	if snap.Count%s.Of == 0 {
		if ranges, ok := snap.Cover(route.Range{Index: int32(s.Index), Modulus: int32(s.Of)}); ok {
			return ranges, nil
		}
	}
	return nil, argumentError(name+".Of", "is %d, which does not divide the %d partitions of the table", s.Of, partitions(snap))
}

// partitions is the number of partitions that serve. While a split is under way that is the
// old number.
func partitions(snap *route.Snapshot) int {
	n := snap.Count
	for _, r := range snap.Ranges() {
		n = min(n, int(r.Modulus))
	}
	return n
}

// TableInfo is what a table is to the cluster.
type TableInfo struct {
	// ID is the id of the table. A table that was dropped and made again has another one.
	ID int
	// Partitions is the number of partitions that serve. A split doubles it when it has ended.
	Partitions int
}

var opInfo = &operation{name: "Info"}

// Info tells the id of the table and the number of its partitions, as they are known; it asks
// the meta servers only if they are not.
func (t *Table) Info(ctx context.Context) (TableInfo, error) {
	if err := t.mayBegin(ctx); err != nil {
		return TableInfo{}, t.refuse(opInfo, err)
	}
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	x := exchange{op: opInfo}
	snap, err := t.snapshot(ctx, &x)
	if err != nil {
		return TableInfo{}, t.failure(&x, err)
	}
	return TableInfo{ID: int(snap.AppID), Partitions: partitions(snap)}, nil
}
