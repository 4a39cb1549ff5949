// Package wire is the Pegasus wire protocol as bytes: the framings of a
// connection (THFT versions 0 and 1, RDSN), Thrift binary values, and the
// messages of the data, meta and administration RPCs, each in both directions.
//
// It holds no sockets and no policy. Decoders take any input: they never
// panic, never allocate more than the input could describe, and report bad
// bytes as an error that wraps [ErrMalformed]. Byte slices in decoded values
// alias the input. Every field may be missing from the input; Read fills a
// zero value, so that what is missing has its default.
//
// The messages of the data RPCs are written by hand, because every operation
// passes through them. The others are plain structs whose fields name their
// Thrift id in a tag; one small reflective codec serves them all.
package wire
