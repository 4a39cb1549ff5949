package pegasus

import (
	"bytes"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Select says which entries of a hash key are meant, and how they come. Its zero value is
// all of them, in ascending order of their sort keys, with values.
type Select struct {
	// From and To bound the sort keys: From is included and To is not, unless the fields
	// below say otherwise. nil or empty is no bound.
	From, To      []byte
	FromExclusive bool
	ToInclusive   bool
	// Prefix is what sort keys begin with, within the bounds.
	Prefix []byte
	// Filter is another condition for sort keys.
	Filter Filter

	Reverse    bool // descending order
	KeysOnly   bool // without values
	WithExpiry bool // set Row.Expires: see ErrExpiryUnknown
	Limit      int  // the most entries; <= 0: no limit
}

func (s *Select) validate() error {
	for _, e := range []struct {
		name string
		b    []byte
	}{{"sel.From", s.From}, {"sel.To", s.To}, {"sel.Prefix", s.Prefix}} {
		if err := validateSize(e.name, e.b); err != nil {
			return err
		}
	}
	return validateFilter("sel.Filter", &s.Filter)
}

// bounds are sort keys between which entries are meant. An empty to is no bound.
type bounds struct {
	from, to      []byte
	fromExclusive bool
	toInclusive   bool
}

// bounds returns the bounds with the prefix taken into account.
func (s *Select) bounds() bounds {
	b := bounds{from: s.From, to: s.To, fromExclusive: s.FromExclusive && len(s.From) > 0, toInclusive: s.ToInclusive}
	if len(s.Prefix) == 0 {
		return b
	}
	if bytes.Compare(s.Prefix, b.from) > 0 {
		b.from, b.fromExclusive = s.Prefix, false
	}
	if next := schema.AppendNext(nil, s.Prefix); len(next) > 0 && (len(b.to) == 0 || bytes.Compare(next, b.to) <= 0) {
		b.to, b.toInclusive = next, false
	}
	return b
}

// empty reports whether nothing can be between the bounds.
func (b *bounds) empty() bool {
	if len(b.to) == 0 {
		return false
	}
	c := bytes.Compare(b.from, b.to)
	return c > 0 || c == 0 && (b.fromExclusive || !b.toInclusive)
}

// after leaves what comes behind a sort key, in the direction of the selection.
func (b *bounds) after(sortKey []byte, reverse bool) {
	if reverse {
		b.to, b.toInclusive = sortKey, false
	} else {
		b.from, b.fromExclusive = sortKey, true
	}
}

// scanRequest asks for the entries of a hash key within the bounds, in ascending order.
func (s *Select) scanRequest(hashKey []byte, b bounds) wire.GetScannerRequest {
	q := hashScanRequest(hashKey, b.from, b.to, &ScannerOptions{
		BatchSize: s.Limit, StartInclusive: !b.fromExclusive, StopInclusive: b.toInclusive, SortKeyFilter: s.Filter, NoValue: s.KeysOnly,
	})
	if s.WithExpiry {
		yes := true
		q.ReturnExpireTS = &yes
	}
	return q
}
