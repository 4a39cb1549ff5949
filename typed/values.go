package typed

import (
	"encoding"
	"encoding/json"
	"fmt"
)

// Values is a codec of values. A Decode may keep b.
type Values[V any] interface {
	Encode(v V) ([]byte, error)
	Decode(b []byte) (V, error)
}

type valueFuncs[V any] struct {
	encode func(V) ([]byte, error)
	decode func([]byte) (V, error)
}

func (f valueFuncs[V]) Encode(v V) ([]byte, error) { return f.encode(v) }
func (f valueFuncs[V]) Decode(b []byte) (V, error) { return f.decode(b) }

// JSON encodes values by encoding/json.
func JSON[V any]() Values[V] {
	return valueFuncs[V]{
		func(v V) ([]byte, error) { return json.Marshal(v) },
		func(b []byte) (v V, err error) {
			if err = json.Unmarshal(b, &v); err != nil {
				err = fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			return v, err
		},
	}
}

// Raw is for values that are bytes.
var Raw Values[[]byte] = valueFuncs[[]byte]{
	func(v []byte) ([]byte, error) { return v, nil },
	func(b []byte) ([]byte, error) { return b, nil },
}

// Text is for values that are strings.
var Text Values[string] = valueFuncs[string]{
	func(v string) ([]byte, error) { return []byte(v), nil },
	func(b []byte) (string, error) { return string(b), nil },
}

// Binary encodes values by their own methods, those of the package encoding:
//
//	typed.Binary[*url.URL]()
func Binary[P interface {
	*V
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}, V any]() Values[P] {
	return valueFuncs[P]{
		func(v P) ([]byte, error) {
			if v == nil {
				return nil, fmt.Errorf("typed: nil has no encoding")
			}
			return v.MarshalBinary()
		},
		func(b []byte) (P, error) {
			v := P(new(V))
			if err := v.UnmarshalBinary(b); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			return v, nil
		},
	}
}
