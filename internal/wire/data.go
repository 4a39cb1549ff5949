package wire

import "encoding/binary"

// Status is the storage status in the error field of a data response, a
// RocksDB code.
type Status = int32

// The statuses that servers send.
const (
	StatusOK              Status = 0
	StatusNotFound        Status = 1
	StatusCorruption      Status = 2
	StatusNotSupported    Status = 3
	StatusInvalidArgument Status = 4
	StatusIOError         Status = 5
	StatusIncomplete      Status = 7
	StatusTryAgain        Status = 13
)

// Scan context ids with a meaning of their own. Every other id, negative ones
// included, names a live context.
const (
	ScanCompleted int64 = -1
	ScanNotExist  int64 = -2
)

// Key is a full key: the length of the hash key, the hash key, the sort key.
// It is encoded from its parts, or from Raw if that is set; it is decoded into
// Raw, which is empty but not nil if the field was left out.
type Key struct {
	HashKey, SortKey []byte
	Raw              []byte
}

// ThriftType returns TypeStruct, the type code of a blob.
func (Key) ThriftType() byte { return TypeStruct }

// AppendValue appends the key as a blob.
func (k Key) AppendValue(dst []byte) []byte {
	if k.Raw != nil {
		return appendBlob(dst, k.Raw)
	}
	dst = appendI32(dst, int32(2+len(k.HashKey)+len(k.SortKey)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(k.HashKey)))
	dst = append(dst, k.HashKey...)
	return append(dst, k.SortKey...)
}

func (k Key) appendField(dst []byte, id int16) []byte {
	return k.AppendValue(AppendField(dst, TypeStruct, id))
}

// ThriftType returns TypeStruct, the type code of a blob.
func (Blob) ThriftType() byte { return TypeStruct }

// AppendValue appends the length and the bytes.
func (b Blob) AppendValue(dst []byte) []byte { return appendBlob(dst, b) }

// Text is a string as argument or result.
type Text string

// ThriftType returns TypeString.
func (Text) ThriftType() byte { return TypeString }

// AppendValue appends the length and the bytes.
func (t Text) AppendValue(dst []byte) []byte { return appendBlob(dst, t) }

// ContextID is the argument of clear_scanner.
type ContextID int64

// ThriftType returns TypeI64.
func (ContextID) ThriftType() byte { return TypeI64 }

// AppendValue appends the id.
func (c ContextID) AppendValue(dst []byte) []byte { return appendI64(dst, int64(c)) }

// Source says who answered: the last fields of every data response.
type Source struct {
	GPID
	Server []byte // "ip:port"
}

// KeyValue is a record in multi_put, multi_get and scans. Key is a sort key in
// the first two, a full key in scans.
type KeyValue struct {
	Key, Value []byte
	// ExpireTS is seconds since 2016, in scans that asked for it.
	ExpireTS    int32
	HasExpireTS bool
}

// minElement is the least that a struct in a list takes: one blob or integer,
// and the end. Every official peer writes more. It keeps what a list takes in
// memory within a small multiple of its bytes.
const minElement = fieldHeaderSize + 4 + 1

// AppendValue appends the struct.
func (kv KeyValue) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, kv.Key)
	dst = appendBlobField(dst, 2, kv.Value)
	if kv.HasExpireTS {
		dst = appendI32Field(dst, 3, kv.ExpireTS)
	}
	return append(dst, TypeStop)
}

func (kv *KeyValue) read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			kv.Key = r.Blob()
		case id == 2 && typ == TypeStruct:
			kv.Value = r.Blob()
		case id == 3 && typ == TypeI32:
			kv.ExpireTS, kv.HasExpireTS = r.I32(), true
		default:
			r.Skip(typ)
		}
	}
}

func appendKeyValues(dst []byte, id int16, kvs []KeyValue) []byte {
	dst = appendListField(dst, id, TypeStruct, len(kvs))
	for i := range kvs {
		dst = kvs[i].AppendValue(dst)
	}
	return dst
}

// readPlain reads a record in the form in which all servers write those without
// an expiry: key, value, end. It returns false, and reads nothing, if the record
// has another form. Large results are made of these; this is four times as fast
// as read.
func (kv *KeyValue) readPlain(r *Reader) bool {
	const prefix = fieldHeaderSize + 4 // in front of each blob
	b := r.b[r.pos:]
	if len(b) < 2*prefix+1 || b[0] != TypeStruct || b[1] != 0 || b[2] != 1 {
		return false
	}
	keyEnd := prefix + int(binary.BigEndian.Uint32(b[fieldHeaderSize:]))
	if keyEnd < prefix || keyEnd > len(b)-prefix-1 || b[keyEnd] != TypeStruct || b[keyEnd+1] != 0 || b[keyEnd+2] != 2 {
		return false
	}
	end := keyEnd + prefix + int(binary.BigEndian.Uint32(b[keyEnd+fieldHeaderSize:]))
	if end < keyEnd || end >= len(b) || b[end] != TypeStop {
		return false
	}
	*kv = KeyValue{Key: b[prefix:keyEnd:keyEnd], Value: b[keyEnd+prefix : end : end]}
	r.pos += end + 1
	return true
}

// readKeyValues reads a list into the memory of old, which may be nil.
func readKeyValues(r *Reader, old []KeyValue) []KeyValue {
	n := r.List(TypeStruct, minElement)
	kvs := old[:0]
	if cap(kvs) < n || kvs == nil {
		kvs = make([]KeyValue, 0, n)
	}
	kvs = kvs[:n]
	for i := range kvs {
		if kvs[i].readPlain(r) {
			continue
		}
		kvs[i] = KeyValue{}
		if kvs[i].read(r); r.err != nil {
			return nil
		}
	}
	return kvs
}

func appendBlobs(dst []byte, id int16, bs [][]byte) []byte {
	dst = appendListField(dst, id, TypeStruct, len(bs))
	for _, b := range bs {
		dst = appendBlob(dst, b)
	}
	return dst
}

func readBlobs(r *Reader) [][]byte {
	bs := make([][]byte, r.List(TypeStruct, 4))
	for i := range bs {
		bs[i] = r.Blob()
	}
	return bs
}
