package wire

// Message is a value that travels as the sole argument or the result of an
// RPC.
type Message interface {
	// ThriftType is the type code of the value.
	ThriftType() byte
	// AppendValue appends the value.
	AppendValue(dst []byte) []byte
}

// appendArgument appends m as the only field of a struct: id 1 for the
// arguments of THFT, 0 for results and for everything in RDSN.
func appendArgument[M Message](dst []byte, id int16, m M) []byte {
	dst = AppendField(dst, m.ThriftType(), id)
	dst = m.AppendValue(dst)
	return append(dst, TypeStop)
}

// structMessage gives a Message the type of a struct. It is also the type code
// of a blob.
type structMessage struct{}

// ThriftType returns TypeStruct.
func (structMessage) ThriftType() byte { return TypeStruct }
