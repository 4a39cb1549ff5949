// Package typed makes a Pegasus table one of Go values: keys of your types that are stored so
// that their order as bytes is their order as values, and values of your types.
//
//	orders := typed.New(table, typed.Key(typed.String, typed.Desc(typed.Time)), typed.JSON[Order]())
//	order, found, err := orders.Get(ctx, typed.Pair[string, time.Time]{"ann", at})
//
// A key has two parts: the first is the hash key, the second the sort key, by which rows of a
// hash key come in order. Each has a codec. What codecs have written can be read by all later
// versions: their encodings do not change.
//
// Decoding refuses bytes that encoding would not have made, so that there is one form for each
// value; nothing panics, whatever the bytes are.
package typed

import "errors"

// ErrEncoding: bytes are not the encoding of a value.
var ErrEncoding = errors.New("typed: not an encoding of this type")
