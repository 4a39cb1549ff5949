package storage

import "bytes"

// FilterType says how a Filter compares. The values are those of the wire protocol.
type FilterType int32

// The filter types of Pegasus.
const (
	NoFilter      FilterType = 0 // matches everything, whatever the pattern
	MatchAnywhere FilterType = 1
	MatchPrefix   FilterType = 2
	MatchPostfix  FilterType = 3
)

// Filter selects hash keys or sort keys. An empty pattern matches everything.
type Filter struct {
	Type    FilterType
	Pattern []byte
}

func (f Filter) valid() bool {
	return f.Type >= NoFilter && f.Type <= MatchPostfix
}

func (f Filter) match(b []byte) bool {
	if len(f.Pattern) == 0 {
		return true
	}
	switch f.Type {
	case MatchAnywhere:
		return bytes.Contains(b, f.Pattern)
	case MatchPrefix:
		return bytes.HasPrefix(b, f.Pattern)
	case MatchPostfix:
		return bytes.HasSuffix(b, f.Pattern)
	}
	return true
}
