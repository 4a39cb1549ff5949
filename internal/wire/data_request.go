package wire

// UpdateRequest is the argument of put.
type UpdateRequest struct {
	structMessage
	Key      Key
	Value    []byte
	ExpireTS int32 // seconds since 2016, 0 = no expiry
}

// AppendValue appends the struct.
func (m UpdateRequest) AppendValue(dst []byte) []byte {
	dst = m.Key.appendField(dst, 1)
	dst = appendBlobField(dst, 2, m.Value)
	dst = appendI32Field(dst, 3, m.ExpireTS)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *UpdateRequest) Read(r *Reader) {
	m.Key.Raw = []byte{}
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.Key = Key{Raw: r.Blob()}
		case id == 2 && typ == TypeStruct:
			m.Value = r.Blob()
		case id == 3 && typ == TypeI32:
			m.ExpireTS = r.I32()
		default:
			r.SkipOuter(typ)
		}
	}
}

// MultiPutRequest is the argument of multi_put.
type MultiPutRequest struct {
	structMessage
	HashKey  []byte
	KVs      []KeyValue
	ExpireTS int32 // of every record; 0 = no expiry
}

// AppendValue appends the struct.
func (m MultiPutRequest) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendKeyValues(dst, 2, m.KVs)
	dst = appendI32Field(dst, 3, m.ExpireTS)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *MultiPutRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeList:
			m.KVs = readKeyValues(r, m.KVs)
		case id == 3 && typ == TypeI32:
			m.ExpireTS = r.I32()
		default:
			r.Skip(typ)
		}
	}
}

// MultiRemoveRequest is the argument of multi_remove.
type MultiRemoveRequest struct {
	structMessage
	HashKey  []byte
	SortKeys [][]byte
	MaxCount int64 // ignored by servers
}

// AppendValue appends the struct.
func (m MultiRemoveRequest) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobs(dst, 2, m.SortKeys)
	dst = appendI64Field(dst, 3, m.MaxCount)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *MultiRemoveRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeList:
			m.SortKeys = readBlobs(r)
		case id == 3 && typ == TypeI64:
			m.MaxCount = r.I64()
		default:
			r.Skip(typ)
		}
	}
}

// MultiGetRequest is the argument of multi_get.
type MultiGetRequest struct {
	structMessage
	HashKey        []byte
	SortKeys       [][]byte // if not empty: exactly these, no range
	MaxKVCount     int32
	MaxKVSize      int32
	NoValue        bool
	StartSortKey   []byte
	StopSortKey    []byte
	StartInclusive bool
	StopInclusive  bool
	FilterType     int32
	FilterPattern  []byte
	Reverse        bool
}

// AppendValue appends the struct.
func (m MultiGetRequest) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobs(dst, 2, m.SortKeys)
	dst = appendI32Field(dst, 3, m.MaxKVCount)
	dst = appendI32Field(dst, 4, m.MaxKVSize)
	dst = appendBoolField(dst, 5, m.NoValue)
	dst = appendBlobField(dst, 6, m.StartSortKey)
	dst = appendBlobField(dst, 7, m.StopSortKey)
	dst = appendBoolField(dst, 8, m.StartInclusive)
	dst = appendBoolField(dst, 9, m.StopInclusive)
	dst = appendI32Field(dst, 10, m.FilterType)
	dst = appendBlobField(dst, 11, m.FilterPattern)
	dst = appendBoolField(dst, 12, m.Reverse)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *MultiGetRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeList:
			m.SortKeys = readBlobs(r)
		case id == 3 && typ == TypeI32:
			m.MaxKVCount = r.I32()
		case id == 4 && typ == TypeI32:
			m.MaxKVSize = r.I32()
		case id == 5 && typ == TypeBool:
			m.NoValue = r.Bool()
		case id == 6 && typ == TypeStruct:
			m.StartSortKey = r.Blob()
		case id == 7 && typ == TypeStruct:
			m.StopSortKey = r.Blob()
		case id == 8 && typ == TypeBool:
			m.StartInclusive = r.Bool()
		case id == 9 && typ == TypeBool:
			m.StopInclusive = r.Bool()
		case id == 10 && typ == TypeI32:
			m.FilterType = r.I32()
		case id == 11 && typ == TypeStruct:
			m.FilterPattern = r.Blob()
		case id == 12 && typ == TypeBool:
			m.Reverse = r.Bool()
		default:
			r.Skip(typ)
		}
	}
}

// FullKey is a key in batch_get.
type FullKey struct {
	HashKey []byte
	SortKey []byte
}

// AppendValue appends the struct.
func (m FullKey) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobField(dst, 2, m.SortKey)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *FullKey) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeStruct:
			m.SortKey = r.Blob()
		default:
			r.Skip(typ)
		}
	}
}

// BatchGetRequest is the argument of batch_get. All keys belong to one partition.
type BatchGetRequest struct {
	structMessage
	Keys []FullKey
}

// AppendValue appends the struct.
func (m BatchGetRequest) AppendValue(dst []byte) []byte {
	return BatchGetOf{N: len(m.Keys), Key: func(i int) FullKey { return m.Keys[i] }}.AppendValue(dst)
}

// BatchGetOf is a BatchGetRequest of N keys that stay where their caller has them.
type BatchGetOf struct {
	structMessage
	N   int
	Key func(i int) FullKey
}

// AppendValue appends the struct.
func (m BatchGetOf) AppendValue(dst []byte) []byte {
	dst = appendListField(dst, 1, TypeStruct, m.N)
	for i := range m.N {
		dst = m.Key(i).AppendValue(dst)
	}
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *BatchGetRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeList:
			m.Keys = make([]FullKey, r.List(TypeStruct, minElement))
			for i := range m.Keys {
				if m.Keys[i].Read(r); r.err != nil {
					return
				}
			}
		default:
			r.Skip(typ)
		}
	}
}

// IncrRequest is the argument of incr.
type IncrRequest struct {
	structMessage
	Key       Key
	Increment int64
	ExpireTS  int32 // 0 keeps the expiry, > 0 sets it, < 0 removes it
}

// AppendValue appends the struct.
func (m IncrRequest) AppendValue(dst []byte) []byte {
	dst = m.Key.appendField(dst, 1)
	dst = appendI64Field(dst, 2, m.Increment)
	dst = appendI32Field(dst, 3, m.ExpireTS)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *IncrRequest) Read(r *Reader) {
	m.Key.Raw = []byte{}
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.Key = Key{Raw: r.Blob()}
		case id == 2 && typ == TypeI64:
			m.Increment = r.I64()
		case id == 3 && typ == TypeI32:
			m.ExpireTS = r.I32()
		default:
			r.Skip(typ)
		}
	}
}

// CheckAndSetRequest is the argument of check_and_set.
type CheckAndSetRequest struct {
	structMessage
	HashKey          []byte
	CheckSortKey     []byte
	CheckType        int32
	CheckOperand     []byte
	SetDiffSortKey   bool // SetSortKey counts, else CheckSortKey
	SetSortKey       []byte
	SetValue         []byte
	SetExpireTS      int32
	ReturnCheckValue bool
}

// AppendValue appends the struct.
func (m CheckAndSetRequest) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobField(dst, 2, m.CheckSortKey)
	dst = appendI32Field(dst, 3, m.CheckType)
	dst = appendBlobField(dst, 4, m.CheckOperand)
	dst = appendBoolField(dst, 5, m.SetDiffSortKey)
	dst = appendBlobField(dst, 6, m.SetSortKey)
	dst = appendBlobField(dst, 7, m.SetValue)
	dst = appendI32Field(dst, 8, m.SetExpireTS)
	dst = appendBoolField(dst, 9, m.ReturnCheckValue)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *CheckAndSetRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeStruct:
			m.CheckSortKey = r.Blob()
		case id == 3 && typ == TypeI32:
			m.CheckType = r.I32()
		case id == 4 && typ == TypeStruct:
			m.CheckOperand = r.Blob()
		case id == 5 && typ == TypeBool:
			m.SetDiffSortKey = r.Bool()
		case id == 6 && typ == TypeStruct:
			m.SetSortKey = r.Blob()
		case id == 7 && typ == TypeStruct:
			m.SetValue = r.Blob()
		case id == 8 && typ == TypeI32:
			m.SetExpireTS = r.I32()
		case id == 9 && typ == TypeBool:
			m.ReturnCheckValue = r.Bool()
		default:
			r.Skip(typ)
		}
	}
}

// Mutate is one step of check_and_mutate.
type Mutate struct {
	Operation   int32
	SortKey     []byte
	Value       []byte
	SetExpireTS int32
}

// AppendValue appends the struct.
func (m Mutate) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Operation)
	dst = appendBlobField(dst, 2, m.SortKey)
	dst = appendBlobField(dst, 3, m.Value)
	dst = appendI32Field(dst, 4, m.SetExpireTS)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *Mutate) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Operation = r.I32()
		case id == 2 && typ == TypeStruct:
			m.SortKey = r.Blob()
		case id == 3 && typ == TypeStruct:
			m.Value = r.Blob()
		case id == 4 && typ == TypeI32:
			m.SetExpireTS = r.I32()
		default:
			r.Skip(typ)
		}
	}
}

// Operations of a Mutate.
const (
	MutatePut    = 0
	MutateDelete = 1
)

// CheckAndMutateRequest is the argument of check_and_mutate.
type CheckAndMutateRequest struct {
	structMessage
	HashKey          []byte
	CheckSortKey     []byte
	CheckType        int32
	CheckOperand     []byte
	Mutates          []Mutate
	ReturnCheckValue bool
}

// AppendValue appends the struct.
func (m CheckAndMutateRequest) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobField(dst, 2, m.CheckSortKey)
	dst = appendI32Field(dst, 3, m.CheckType)
	dst = appendBlobField(dst, 4, m.CheckOperand)
	dst = appendListField(dst, 5, TypeStruct, len(m.Mutates))
	for i := range m.Mutates {
		dst = m.Mutates[i].AppendValue(dst)
	}
	dst = appendBoolField(dst, 6, m.ReturnCheckValue)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *CheckAndMutateRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeStruct:
			m.CheckSortKey = r.Blob()
		case id == 3 && typ == TypeI32:
			m.CheckType = r.I32()
		case id == 4 && typ == TypeStruct:
			m.CheckOperand = r.Blob()
		case id == 5 && typ == TypeList:
			m.Mutates = make([]Mutate, r.List(TypeStruct, minElement))
			for i := range m.Mutates {
				if m.Mutates[i].Read(r); r.err != nil {
					return
				}
			}
		case id == 6 && typ == TypeBool:
			m.ReturnCheckValue = r.Bool()
		default:
			r.Skip(typ)
		}
	}
}
