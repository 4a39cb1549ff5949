package cli

import (
	"context"
	"iter"

	"github.com/pegasus-go/pegasus"
)

// merged gives the rows of some partitions of a table in the order of their keys. When the
// table is split meanwhile that order has breaks; who uses it has to bear that.
type merged struct {
	streams []*stream
	first   *stream // whose row is next, nil at the end
}

// stream is the rows of a partition, which are in order. Its row is valid until it advances.
type stream struct {
	row  pegasus.Row
	ok   bool
	pull func() (pegasus.Row, error, bool)
	stop func()
}

func (s *stream) advance() (err error) {
	s.row, err, s.ok = s.pull()
	return err
}

// merge opens the partitions of a table whose index is a share's index modulo its size, of so
// many. o.BatchSize is what fits if there is one.
func merge(ctx context.Context, t *pegasus.Table, o pegasus.ScanOptions, share pegasus.Share, partitions int) (*merged, error) {
	m := new(merged)
	o.Parallel = 1
	streams := partitions / share.Of
	o.BatchSize = max(1, min(o.BatchSize, 8*o.BatchSize/streams)) // two of each partition are in memory
	for i := share.Index; i < partitions; i += share.Of {
		o.Share = pegasus.Share{Index: i, Of: partitions}
		scan, err := t.Scan(ctx, o)
		if err != nil {
			m.close()
			return nil, err
		}
		s := new(stream)
		s.pull, s.stop = iter.Pull2(scan.BorrowedRows(ctx))
		m.streams = append(m.streams, s)
		if err := s.advance(); err != nil {
			m.close()
			return nil, err
		}
	}
	m.choose()
	return m, nil
}

// choose finds the stream whose row is next.
func (m *merged) choose() {
	m.first = nil
	for _, s := range m.streams {
		if s.ok && (m.first == nil || compareKeys(s.row, m.first.row) < 0) {
			m.first = s
		}
	}
}

// row returns the next row, nil at the end. It is valid until advance.
func (m *merged) row() *pegasus.Row {
	if m.first == nil {
		return nil
	}
	return &m.first.row
}

func (m *merged) advance() error {
	err := m.first.advance()
	m.choose()
	return err
}

func (m *merged) close() {
	for _, s := range m.streams {
		s.stop()
	}
}
