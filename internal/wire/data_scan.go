package wire

// GetScannerRequest is the argument of get_scanner.
type GetScannerRequest struct {
	structMessage
	StartKey              Key
	StopKey               Key
	StartInclusive        bool
	StopInclusive         bool
	BatchSize             int32
	NoValue               bool
	HashFilterType        int32
	HashFilterPattern     []byte
	SortFilterType        int32
	SortFilterPattern     []byte
	ValidatePartitionHash *bool // nil means true
	ReturnExpireTS        *bool
	FullScan              *bool
	OnlyReturnCount       *bool
}

// AppendValue appends the struct.
func (m GetScannerRequest) AppendValue(dst []byte) []byte {
	dst = m.StartKey.appendField(dst, 1)
	dst = m.StopKey.appendField(dst, 2)
	dst = appendBoolField(dst, 3, m.StartInclusive)
	dst = appendBoolField(dst, 4, m.StopInclusive)
	dst = appendI32Field(dst, 5, m.BatchSize)
	dst = appendBoolField(dst, 6, m.NoValue)
	dst = appendI32Field(dst, 7, m.HashFilterType)
	dst = appendBlobField(dst, 8, m.HashFilterPattern)
	dst = appendI32Field(dst, 9, m.SortFilterType)
	dst = appendBlobField(dst, 10, m.SortFilterPattern)
	if m.ValidatePartitionHash != nil {
		dst = appendBoolField(dst, 11, *m.ValidatePartitionHash)
	}
	if m.ReturnExpireTS != nil {
		dst = appendBoolField(dst, 12, *m.ReturnExpireTS)
	}
	if m.FullScan != nil {
		dst = appendBoolField(dst, 13, *m.FullScan)
	}
	if m.OnlyReturnCount != nil {
		dst = appendBoolField(dst, 14, *m.OnlyReturnCount)
	}
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *GetScannerRequest) Read(r *Reader) {
	m.StartKey.Raw, m.StopKey.Raw = []byte{}, []byte{}
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeStruct:
			m.StartKey = Key{Raw: r.Blob()}
		case id == 2 && typ == TypeStruct:
			m.StopKey = Key{Raw: r.Blob()}
		case id == 3 && typ == TypeBool:
			m.StartInclusive = r.Bool()
		case id == 4 && typ == TypeBool:
			m.StopInclusive = r.Bool()
		case id == 5 && typ == TypeI32:
			m.BatchSize = r.I32()
		case id == 6 && typ == TypeBool:
			m.NoValue = r.Bool()
		case id == 7 && typ == TypeI32:
			m.HashFilterType = r.I32()
		case id == 8 && typ == TypeStruct:
			m.HashFilterPattern = r.Blob()
		case id == 9 && typ == TypeI32:
			m.SortFilterType = r.I32()
		case id == 10 && typ == TypeStruct:
			m.SortFilterPattern = r.Blob()
		case id == 11 && typ == TypeBool:
			v := r.Bool()
			m.ValidatePartitionHash = &v
		case id == 12 && typ == TypeBool:
			v := r.Bool()
			m.ReturnExpireTS = &v
		case id == 13 && typ == TypeBool:
			v := r.Bool()
			m.FullScan = &v
		case id == 14 && typ == TypeBool:
			v := r.Bool()
			m.OnlyReturnCount = &v
		default:
			r.Skip(typ)
		}
	}
}

// ScanRequest is the argument of scan.
type ScanRequest struct {
	structMessage
	ContextID int64
}

// AppendValue appends the struct.
func (m ScanRequest) AppendValue(dst []byte) []byte {
	dst = appendI64Field(dst, 1, m.ContextID)
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *ScanRequest) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI64:
			m.ContextID = r.I64()
		default:
			r.Skip(typ)
		}
	}
}

// ScanResponse is the result of get_scanner and scan.
type ScanResponse struct {
	structMessage
	Error     int32
	KVs       []KeyValue
	ContextID int64
	KVCount   *int32 // only if the scanner was asked to count
	Source
}

// AppendValue appends the struct.
func (m ScanResponse) AppendValue(dst []byte) []byte {
	dst = appendI32Field(dst, 1, m.Error)
	dst = appendKeyValues(dst, 2, m.KVs)
	dst = appendI64Field(dst, 3, m.ContextID)
	dst = appendI32Field(dst, 4, m.AppID)
	dst = appendI32Field(dst, 5, m.PartitionIndex)
	dst = appendStringField(dst, 6, m.Server)
	if m.KVCount != nil {
		dst = appendI32Field(dst, 7, *m.KVCount)
	}
	return append(dst, TypeStop)
}

// Read decodes the struct.
func (m *ScanResponse) Read(r *Reader) {
	for {
		switch typ, id := r.Field(); {
		case typ == TypeStop:
			return
		case id == 1 && typ == TypeI32:
			m.Error = r.I32()
		case id == 2 && typ == TypeList:
			m.KVs = readKeyValues(r, m.KVs)
		case id == 3 && typ == TypeI64:
			m.ContextID = r.I64()
		case id == 4 && typ == TypeI32:
			m.AppID = r.I32()
		case id == 5 && typ == TypeI32:
			m.PartitionIndex = r.I32()
		case id == 6 && typ == TypeString:
			m.Server = r.Blob()
		case id == 7 && typ == TypeI32:
			v := r.I32()
			m.KVCount = &v
		default:
			r.SkipOuter(typ)
		}
	}
}
