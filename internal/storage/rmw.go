package storage

import (
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// IncrResult is the outcome of Incr.
type IncrResult struct {
	WriteResult
	NewValue int64 // on overflow the old value, on other errors 0
}

// Incr adds by to the integer in a record and stores the sum as decimal text. A missing record and
// an empty value count as 0. If expire is 0 the record keeps its expiry, if negative it loses it.
// Status InvalidArgument: malformed key, value not an integer, sum out of range.
func (p *Partition) Incr(key []byte, by int64, expire int32, now uint32) (IncrResult, Commit) {
	if _, _, ok := schema.SplitKey(key); !ok {
		res, c := p.refuse(InvalidArgument)
		return IncrResult{WriteResult: res}, c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kb := newKeyBuf()
	defer kb.release()
	sum, newExpire, status := by, uint32(0), IOError
	if !p.closed {
		kb.other, newExpire, status = p.get(p.db.pebble, kb.other[:0], key, now)
	}
	if status != OK && status != NotFound {
		res, c := p.refuseLocked(status)
		return IncrResult{WriteResult: res}, c
	}
	if len(kb.other) > 0 {
		n, ok := schema.ParseInt(kb.other)
		if !ok {
			res, c := p.refuseLocked(InvalidArgument)
			return IncrResult{WriteResult: res}, c
		}
		if sum = n + by; (by > 0) != (sum > n) && by != 0 {
			res, c := p.refuseLocked(InvalidArgument)
			return IncrResult{WriteResult: res, NewValue: n}, c
		}
	}
	if expire > 0 {
		newExpire = uint32(expire)
	} else if expire < 0 {
		newExpire = 0
	}
	newExpire = p.expiry(newExpire, now)
	kb.other = strconv.AppendInt(kb.other[:0], sum, 10)
	b := p.db.pebble.NewBatch()
	p.addPut(b, rawKey{whole: key}, kb.other, newExpire)
	res, c := p.commitLocked(b, newExpire)
	if res.Status != OK {
		sum = 0
	}
	return IncrResult{WriteResult: res, NewValue: sum}, c
}

// CheckAndSet asks to store a record if another record of the hash key, or itself, passes a check.
type CheckAndSet struct {
	HashKey, CheckSortKey []byte
	Check                 CheckType
	Operand               []byte
	SetDiffSortKey        bool // store under SetSortKey rather than under CheckSortKey
	SetSortKey, SetValue  []byte
	SetExpire             uint32
	ReturnCheckValue      bool
}

// CheckResult is the outcome of CheckAndSet and CheckAndMutate.
type CheckResult struct {
	WriteResult
	// CheckValueReturned is set if the value was asked for and the request got as far as the
	// check, CheckValueExist if there was a record then. CheckValue is the value before the write;
	// the caller owns it.
	CheckValueReturned, CheckValueExist bool
	CheckValue                          []byte
}

// CheckAndSet carries out req. Status TryAgain: the check did not pass. InvalidArgument: unknown
// check type, hash key too long, or what had to be compared as integers is none.
func (p *Partition) CheckAndSet(req *CheckAndSet, now uint32) (CheckResult, Commit) {
	if len(req.HashKey) > schema.MaxHashKeyLen || !req.Check.valid() {
		res, c := p.refuse(InvalidArgument)
		return CheckResult{WriteResult: res}, c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	res, status := p.checkLocked(req.HashKey, req.CheckSortKey, req.Check, req.Operand, req.ReturnCheckValue, now)
	var c Commit
	if status != OK {
		res.WriteResult, c = p.refuseLocked(status)
		return res, c
	}
	sortKey := req.CheckSortKey
	if req.SetDiffSortKey {
		sortKey = req.SetSortKey
	}
	expire := p.expiry(req.SetExpire, now)
	b := p.db.pebble.NewBatch()
	p.addPut(b, rawKey{hashKey: req.HashKey, sortKey: sortKey}, req.SetValue, expire)
	res.WriteResult, c = p.commitLocked(b, expire)
	return res, c
}

// MutateOperation says what a Mutation does. The values are those of the wire protocol.
type MutateOperation int32

// The operations of a Mutation.
const (
	MutatePut    MutateOperation = 0
	MutateRemove MutateOperation = 1
)

// Mutation is one change of a CheckAndMutate. Value and Expire are those of a put.
type Mutation struct {
	Operation      MutateOperation
	SortKey, Value []byte
	Expire         uint32
}

// CheckAndMutate asks to change several records of a hash key at once if one of its records
// passes a check.
type CheckAndMutate struct {
	HashKey, CheckSortKey []byte
	Check                 CheckType
	Operand               []byte
	Mutations             []Mutation // applied in order
	ReturnCheckValue      bool
}

// CheckAndMutate carries out req. Statuses are those of CheckAndSet, and InvalidArgument for no
// mutations or an unknown operation.
func (p *Partition) CheckAndMutate(req *CheckAndMutate, now uint32) (CheckResult, Commit) {
	if len(req.HashKey) > schema.MaxHashKeyLen || !req.Check.valid() || !validMutations(req.Mutations) {
		res, c := p.refuse(InvalidArgument)
		return CheckResult{WriteResult: res}, c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	res, status := p.checkLocked(req.HashKey, req.CheckSortKey, req.Check, req.Operand, req.ReturnCheckValue, now)
	var c Commit
	if status != OK {
		res.WriteResult, c = p.refuseLocked(status)
		return res, c
	}
	b := p.db.pebble.NewBatch()
	earliest := p.addMutations(b, req, now)
	res.WriteResult, c = p.commitLocked(b, earliest)
	return res, c
}

func validMutations(mutations []Mutation) bool {
	for i := range mutations {
		if op := mutations[i].Operation; op != MutatePut && op != MutateRemove {
			return false
		}
	}
	return len(mutations) > 0
}

// addMutations adds the changes of req to a batch and returns the earliest expiry among them.
func (p *Partition) addMutations(b *pebble.Batch, req *CheckAndMutate, now uint32) (earliest uint32) {
	for i := range req.Mutations {
		m := &req.Mutations[i]
		key := rawKey{hashKey: req.HashKey, sortKey: m.SortKey}
		if m.Operation == MutateRemove {
			p.addRemove(b, key)
			continue
		}
		expire := p.expiry(m.Expire, now)
		p.addPut(b, key, m.Value, expire)
		if expire != 0 && (earliest == 0 || expire < earliest) {
			earliest = expire
		}
	}
	return earliest
}

// checkLocked reads the record to check and checks it. p.mu is held.
func (p *Partition) checkLocked(hashKey, sortKey []byte, check CheckType, operand []byte, wantValue bool, now uint32) (CheckResult, Status) {
	kb := newKeyBuf()
	defer kb.release()
	if p.closed {
		return CheckResult{}, IOError
	}
	kb.key = schema.AppendKey(append(kb.key[:0], p.prefix[:]...), hashKey, sortKey)
	var status Status
	kb.other, _, status = p.getStored(p.db.pebble, kb.other[:0], kb.key, now)
	if status != OK && status != NotFound {
		return CheckResult{}, status
	}
	exist := status == OK
	var res CheckResult
	if wantValue {
		res.CheckValueReturned = true
		if exist {
			res.CheckValueExist = true
			res.CheckValue = append([]byte(nil), kb.other...)
		}
	}
	return res, check.check(exist, kb.other, operand)
}
