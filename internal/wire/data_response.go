package wire

// UpdateResponse is the result of put, multi_put and remove.
type UpdateResponse struct {
	structMessage
	Error  int32
	Decree int64
	Source
}

// AppendValue appends the struct.
func (m UpdateResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendI32Field(dst, 2, m.AppID)
	dst = appendI32Field(dst, 3, m.PartitionIndex)
	dst = appendI64Field(dst, 4, m.Decree)
	dst = appendStringField(dst, 5, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *UpdateResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 3 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 4 && typ == TypeI64:
			m.Decree = r.I64()
		case id == 5 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// ReadError decodes Error. It leaves the other fields unread if it comes first,
// as it does from every server.
func (m *UpdateResponse) ReadError(r *Reader) {
	b := r.b[r.pos:]
	if len(b) >= fieldHeaderSize+4 && b[0] == TypeI32 && b[1] == 0 && b[2] == 1 {
		r.pos += fieldHeaderSize
		m.Error = r.I32()
		return
	}
	m.Read(r)
}

// ReadResponse is the result of get.
type ReadResponse struct {
	structMessage
	Error int32
	Value []byte
	Source
}

// AppendValue appends the struct.
func (m ReadResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendBlobField(dst, 2, m.Value)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *ReadResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeStruct:
			m.Value = r.Blob()
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// ReadValue decodes the fields that a get is for, Error and Value. It leaves the
// others unread if those two come first, as they do from every server.
func (m *ReadResponse) ReadValue(r *Reader) {
	const valueAt = 2*fieldHeaderSize + 4 + 4
	b := r.b[r.pos:]
	if len(b) >= valueAt && b[0] == TypeI32 && b[1] == 0 && b[2] == 1 && b[7] == TypeStruct && b[8] == 0 && b[9] == 2 {
		r.pos += fieldHeaderSize
		m.Error = r.I32()
		r.pos += fieldHeaderSize
		m.Value = r.Blob()
		return
	}
	m.Read(r)
}

// TTLResponse is the result of ttl.
type TTLResponse struct {
	structMessage
	Error      int32
	TTLSeconds int32 // -1 = no expiry
	Source
}

// AppendValue appends the struct.
func (m TTLResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendI32Field(dst, 2, m.TTLSeconds)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *TTLResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeI32:
			m.TTLSeconds = r.I32()
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// CountResponse is the result of sortkey_count.
type CountResponse struct {
	structMessage
	Error int32
	Count int64 // -1 = the server gave up counting
	Source
}

// AppendValue appends the struct.
func (m CountResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendI64Field(dst, 2, m.Count)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *CountResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeI64:
			m.Count = r.I64()
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// MultiGetResponse is the result of multi_get.
type MultiGetResponse struct {
	structMessage
	Error int32
	KVs   []KeyValue
	Source
}

// AppendValue appends the struct.
func (m MultiGetResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendKeyValues(dst, 2, m.KVs)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *MultiGetResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeList:
			m.KVs = readKeyValues(r, m.KVs)
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// FullData is a record in the result of batch_get.
type FullData struct {
	HashKey []byte
	SortKey []byte
	Value   []byte
}

// AppendValue appends the struct.
func (m FullData) AppendValue(dst []byte) []byte {
	dst = appendBlobField(dst, 1, m.HashKey)
	dst = appendBlobField(dst, 2, m.SortKey)
	dst = appendBlobField(dst, 3, m.Value)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *FullData) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.HashKey = r.Blob()
		case id == 2 && typ == TypeStruct:
			m.SortKey = r.Blob()
		case id == 3 && typ == TypeStruct:
			m.Value = r.Blob()
		default:
			r.Skip(typ)
		}
	}
}

// BatchGetResponse is the result of batch_get.
type BatchGetResponse struct {
	structMessage
	Error int32
	Data  []FullData
	Source

	// Each, if it is not nil, is what Read gives the records to, one by one, in place of Data.
	// The bytes are those that Read reads from.
	Each func(*FullData)
}

// AppendValue appends the struct.
func (m BatchGetResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendListField(dst, 2, TypeStruct, len(m.Data))
	for i := range m.Data {
		dst = m.Data[i].AppendValue(dst)
	}
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *BatchGetResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeList:
			m.readData(r)
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

func (m *BatchGetResponse) readData(r *Reader) {
	n := r.List(TypeStruct, minElement)
	if m.Each == nil {
		m.Data = make([]FullData, n)
		for i := range m.Data {
			if m.Data[i].Read(r); r.err != nil {
				return
			}
		}
		return
	}
	var d FullData
	for range n {
		d = FullData{}
		if d.Read(r); r.err != nil {
			return
		}
		m.Each(&d)
	}
}

// MultiRemoveResponse is the result of multi_remove.
type MultiRemoveResponse struct {
	structMessage
	Error  int32
	Count  int64
	Decree int64
	Source
}

// AppendValue appends the struct.
func (m MultiRemoveResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendI64Field(dst, 2, m.Count)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendI64Field(dst, 5, m.Decree)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *MultiRemoveResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeI64:
			m.Count = r.I64()
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 5 && typ == TypeI64:
			m.Decree = r.I64()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// IncrResponse is the result of incr.
type IncrResponse struct {
	structMessage
	Error    int32
	NewValue int64
	Decree   int64
	Source
}

// AppendValue appends the struct.
func (m IncrResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendI64Field(dst, 2, m.NewValue)
	dst = appendI32Field(dst, 3, m.AppID)
	dst = appendI32Field(dst, 4, m.PartitionIndex)
	dst = appendI64Field(dst, 5, m.Decree)
	dst = appendStringField(dst, 6, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *IncrResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeI64:
			m.NewValue = r.I64()
		case id == 3 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 4 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 5 && typ == TypeI64:
			m.Decree = r.I64()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}

// CheckResponse is the result of check_and_set and check_and_mutate.
type CheckResponse struct {
	structMessage
	Error              int32
	CheckValueReturned bool
	CheckValueExist    bool
	CheckValue         []byte
	Decree             int64
	Source
}

// AppendValue appends the struct.
func (m CheckResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendBoolField(dst, 2, m.CheckValueReturned)
	dst = appendBoolField(dst, 3, m.CheckValueExist)
	dst = appendBlobField(dst, 4, m.CheckValue)
	dst = appendI32Field(dst, 5, m.AppID)
	dst = appendI32Field(dst, 6, m.PartitionIndex)
	dst = appendI64Field(dst, 7, m.Decree)
	dst = appendStringField(dst, 8, m.Server)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *CheckResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeBool:
			m.CheckValueReturned = r.Bool()
		case id == 3 && typ == TypeBool:
			m.CheckValueExist = r.Bool()
		case id == 4 && typ == TypeStruct:
			m.CheckValue = r.Blob()
		case id == 5 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 6 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 7 && typ == TypeI64:
			m.Decree = r.I64()
		case id == 8 && typ == TypeString:
			m.Server = r.Blob()
		default:
			r.SkipOuter(typ)
		}
	}
}
