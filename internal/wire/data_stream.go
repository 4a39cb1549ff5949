package wire

import "encoding/binary"

// A server appends values and records straight from its storage to a reply,
// whose counts, lengths and status it learns on the way. The functions here
// build a response in that order: Begin..., the caller's bytes, End...; start
// is the length of dst before Begin. The bytes are those of the response's
// AppendValue.

const (
	statusAt = 3       // of the error field's value, from the start of a response
	decreeAt = 3*7 + 3 // of the decree's, from the start of an UpdateResponse

	valueLengthAt = 7 + 3
	valueAt       = valueLengthAt + 4

	// ReadOverhead is the number of bytes that BeginRead appends.
	ReadOverhead = valueAt

	recordCountAt = 7 + 3 + 1
)

// SetStatus changes the status of the data response whose value begins at
// dst[start:].
func SetStatus(dst []byte, start int, status Status) {
	binary.BigEndian.PutUint32(dst[start+statusAt:], uint32(status))
}

// SetUpdate changes status and decree of the UpdateResponse whose value begins at
// dst[start:].
func SetUpdate(dst []byte, start int, status Status, decree int64) {
	SetStatus(dst, start, status)
	binary.BigEndian.PutUint64(dst[start+decreeAt:], uint64(decree))
}

// BeginRead appends the part of a ReadResponse in front of the value's bytes.
func BeginRead(dst []byte) []byte {
	return append(dst,
		TypeI32, 0, 1, 0, 0, 0, 0,
		TypeStruct, 0, 2, 0, 0, 0, 0)
}

// EndRead completes a ReadResponse: everything appended since BeginRead is the
// value.
func EndRead(dst []byte, start int, status Status, src Source) []byte {
	SetStatus(dst, start, status)
	binary.BigEndian.PutUint32(dst[start+valueLengthAt:], uint32(len(dst)-start-valueAt))
	return appendSource(dst, src)
}

// BeginRecords appends the part of a MultiGetResponse, BatchGetResponse or
// ScanResponse in front of the first record. The caller appends records with
// AppendValue of KeyValue or FullData.
func BeginRecords(dst []byte) []byte {
	return append(dst,
		TypeI32, 0, 1, 0, 0, 0, 0,
		TypeList, 0, 2, TypeStruct, 0, 0, 0, 0)
}

// EndRecords completes a MultiGetResponse or BatchGetResponse of n records.
func EndRecords(dst []byte, start int, status Status, n int, src Source) []byte {
	setRecords(dst, start, status, n)
	return appendSource(dst, src)
}

// EndScan completes a ScanResponse of n records. A kvCount below zero is left
// out.
func EndScan(dst []byte, start int, status Status, n int, contextID int64, kvCount int32, src Source) []byte {
	setRecords(dst, start, status, n)
	dst = appendI64Field(dst, 3, contextID)
	dst = appendI32Field(dst, 4, src.AppID)
	dst = appendI32Field(dst, 5, src.PartitionIndex)
	dst = appendStringField(dst, 6, src.Server)
	if kvCount >= 0 {
		dst = appendI32Field(dst, 7, kvCount)
	}
	return append(dst, TypeStop)
}

func setRecords(dst []byte, start int, status Status, n int) {
	SetStatus(dst, start, status)
	binary.BigEndian.PutUint32(dst[start+recordCountAt:], uint32(n))
}

// appendSource appends the last fields of the responses of reads.
func appendSource(dst []byte, src Source) []byte {
	dst = appendI32Field(dst, 3, src.AppID)
	dst = appendI32Field(dst, 4, src.PartitionIndex)
	dst = appendStringField(dst, 6, src.Server)
	return append(dst, TypeStop)
}
