package storage

import (
	"bytes"
	"cmp"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// CheckType is the check of a CheckAndSet or CheckAndMutate. The values are those of the wire
// protocol.
type CheckType int32

// The check types of Pegasus.
const (
	NoCheck               CheckType = 0
	ValueNotExist         CheckType = 1
	ValueNotExistOrEmpty  CheckType = 2
	ValueExist            CheckType = 3
	ValueNotEmpty         CheckType = 4
	ValueMatchAnywhere    CheckType = 5
	ValueMatchPrefix      CheckType = 6
	ValueMatchPostfix     CheckType = 7
	ValueBytesLess        CheckType = 8
	ValueBytesLessOrEqual CheckType = 9
	ValueBytesEqual       CheckType = 10
	ValueBytesGreaterOrEq CheckType = 11
	ValueBytesGreater     CheckType = 12
	ValueIntLess          CheckType = 13
	ValueIntLessOrEqual   CheckType = 14
	ValueIntEqual         CheckType = 15
	ValueIntGreaterOrEq   CheckType = 16
	ValueIntGreater       CheckType = 17
)

func (t CheckType) valid() bool { return t >= NoCheck && t <= ValueIntGreater }

// check compares the value of a record with an operand: OK if it passes, TryAgain if not,
// InvalidArgument if they have to be integers and are not.
func (t CheckType) check(exist bool, value, operand []byte) Status {
	pass := false
	switch {
	case t == NoCheck:
		pass = true
	case t == ValueNotExist:
		pass = !exist
	case t == ValueNotExistOrEmpty:
		pass = len(value) == 0
	case t == ValueExist:
		pass = exist
	case t == ValueNotEmpty:
		pass = len(value) > 0
	case !exist:
		// Nothing to compare, not even if the operand is not an integer.
	case t <= ValueMatchPostfix:
		pass = Filter{FilterType(t-ValueMatchAnywhere) + MatchAnywhere, operand}.match(value)
	case t <= ValueBytesGreater:
		pass = t.compare(ValueBytesLess, bytes.Compare(value, operand))
	default:
		a, ok := schema.ParseInt(value)
		b, ok2 := schema.ParseInt(operand)
		if !ok || !ok2 {
			return InvalidArgument
		}
		pass = t.compare(ValueIntLess, cmp.Compare(a, b))
	}
	if pass {
		return OK
	}
	return TryAgain
}

// compare applies the comparison t of the family that starts with less to the sign of a
// three-way comparison.
func (t CheckType) compare(less CheckType, sign int) bool {
	switch t - less {
	case 0:
		return sign < 0
	case 1:
		return sign <= 0
	case 2:
		return sign == 0
	case 3:
		return sign >= 0
	}
	return sign > 0
}
