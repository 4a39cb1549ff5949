package replica

import (
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// records is an answer that records are being appended to.
type records struct {
	k         *call
	dst       []byte
	start, at int  // of the reply, of the response in it
	n, size   int  // records so far, bytes of their keys and values
	asked     int  // records that room was asked for
	refused   bool // there was no memory
}

func (k *call) beginRecords(dst []byte) *records {
	r := &records{k: k, start: len(dst)}
	dst = k.r.BeginReply(dst, k.h.ack, wire.ErrOK, wire.TypeStruct)
	r.at = len(dst)
	r.dst = wire.BeginRecords(dst)
	return r
}

// room makes room for a record of n bytes. It returns false if there is no
// memory for it, or if the read is no quick one.
func (r *records) room(n int) bool {
	req := r.k.r
	r.asked++
	if req.Quick && (r.asked > quickRecords || len(r.dst)-r.start+n > quickSize) {
		req.Long = true
		return false
	}
	if req.Room != nil && !req.Room(n) {
		r.refused = true
		return false
	}
	return true
}

// end completes the answer to a multi_get or batch_get.
func (r *records) end(status storage.Status) []byte {
	k := r.k
	k.read(r.n, r.size)
	if r.refused && r.n == 0 {
		return k.fail(r.dst[:r.start], wire.ErrBusy)
	}
	dst := wire.EndRecords(r.dst, r.at, wire.Status(status), r.n, k.source())
	return k.finishRead(dst, r.start, len(dst)-r.at)
}
