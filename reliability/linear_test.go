package reliability

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// integerCall is what porcupine calls an input: a call about the integer of one
// key.
type integerCall struct {
	key  int
	name string // Get, Incr, CheckAndSet
	arg  int64  // the increment, or the value to set
	old  int64  // what CheckAndSet expects
}

// integerResult is its output.
type integerResult struct {
	value int64 // of Get and Incr
	set   bool  // of CheckAndSet
	doubt bool  // no answer came; the call may have been carried out, then or later
}

// integerModel says which results an integer may give, one call after another.
var integerModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, integers)
		for _, op := range history {
			k := op.Input.(integerCall).key
			parts[k] = append(parts[k], op)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		value, call, result := state.(int64), input.(integerCall), output.(integerResult)
		switch call.name {
		case "Get":
			return result.value == value, value
		case "Incr":
			return result.doubt || result.value == value+call.arg, value + call.arg
		}
		equal := value == call.old
		if equal {
			value = call.arg
		}
		return result.doubt || result.set == equal, value
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

const (
	integers        = 40
	integerCallers  = 3 // of each integer
	integerPatience = 200 * time.Millisecond
	integerSearch   = time.Minute // proving that there is no order may take for ever
)

// Increments and conditional writes while connections break, answers get lost,
// servers die and partitions move: there is an order of the calls that explains
// all answers, in which none is carried out twice, and none that was reported as
// failed without a doubt.
func TestNothingIsAppliedTwice(t *testing.T) {
	for i := range scaled(3, 100) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			var h history
			bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
				h.record(t, c, scaled(50, 80))
			}, pegasustest.WithReplicaServers(3))
			result, _ := porcupine.CheckOperationsVerbose(integerModel, h.calls, integerSearch)
			if result != porcupine.Ok {
				t.Errorf("no order of the calls explains their results: %v", result)
			}
			if h.doubts == 0 || h.refusals == 0 {
				t.Errorf("%d calls in doubt, %d refused: that shows nothing", h.doubts, h.refusals)
			}
			t.Logf("%d calls, %d of them in doubt, %d refused", len(h.calls), h.doubts, h.refusals)
		})
	}
}

// history is what callers have done.
type history struct {
	clock atomic.Int64 // orders the beginnings and ends of calls

	mu               sync.Mutex
	calls            []porcupine.Operation
	doubts, refusals int
}

// record makes n calls by each caller while everything breaks.
func (h *history) record(t *testing.T, c *pegasustest.Cluster, n int) {
	var running sync.WaitGroup
	for i := range integers * integerCallers {
		running.Go(func() {
			for range n {
				h.call(t, c.Table, i%integers)
				time.Sleep(rand.N(20 * time.Millisecond))
			}
		})
	}
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Meta {
			return onebox.Action{}
		}
		// Few calls for each integer are in doubt: each of them doubles the number of
		// explanations to be looked through.
		switch n := rand.N(1000); {
		case n < 2:
			return onebox.Action{Close: true}
		case n < 6:
			return onebox.Action{LoseAnswer: true}
		case n < 9:
			return onebox.Action{Drop: true}
		case n < 12:
			return onebox.Action{Delay: integerPatience + 100*time.Millisecond}
		case n < 40:
			return onebox.Action{Error: "ERR_BUSY"}
		case n < 70:
			return onebox.Action{Error: "ERR_INVALID_STATE"}
		}
		return onebox.Action{Delay: time.Millisecond}
	})
	move := func(partition, replica int) {
		if err := c.Onebox().MovePrimary(pegasustest.DefaultTable, partition, replica); err != nil {
			t.Error(err)
		}
	}
	for i := range 4 {
		time.Sleep(100 * time.Millisecond)
		c.Kill(i % 3)
		time.Sleep(50 * time.Millisecond)
		c.Revive(i % 3)
		move(i, onebox.NoPrimary)
		time.Sleep(integerPatience + 50*time.Millisecond)
		for partition := range pegasustest.DefaultPartitions {
			move(partition, rand.N(3))
		}
	}
	running.Wait()
	c.Onebox().Intercept(nil)
	for key := range integers { // what has become of everything
		h.do(t, c.Table, integerCall{key: key, name: "Get"}, time.Minute)
	}
}

// call makes one random call.
func (h *history) call(t *testing.T, table pegasus.TableConnector, key int) {
	call := integerCall{key: key, name: "Get"}
	switch rand.N(4) {
	case 0:
		call.name, call.arg = "Incr", 1+rand.Int64N(1000)
	case 1, 2:
		call.name, call.arg = "CheckAndSet", 1+rand.Int64N(1_000_000)
		value, err := h.do(t, table, integerCall{key: key, name: "Get"}, integerPatience)
		if err != nil {
			return
		}
		call.old = value.value
	}
	h.do(t, table, call, integerPatience)
}

// do makes a call and adds it to the history.
func (h *history) do(t *testing.T, table pegasus.TableConnector, call integerCall, timeout time.Duration) (integerResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	begun := h.clock.Add(1)
	result, err := call.do(ctx, table)
	ended := h.clock.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(err, pegasus.ErrInDoubt) && call.name != "Get":
		h.doubts++
		result.doubt, ended = true, math.MaxInt64
	case err != nil:
		h.refusals++
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return result, err // it has not happened
	}
	h.calls = append(h.calls, porcupine.Operation{ClientId: len(h.calls), Input: call, Call: begun, Output: result, Return: ended})
	return result, err
}

func (c integerCall) do(ctx context.Context, table pegasus.TableConnector) (integerResult, error) {
	hashKey, sortKey := rowKey(c.key), []byte("n")
	switch c.name {
	case "Get":
		text, err := table.Get(ctx, hashKey, sortKey)
		if err != nil || text == nil {
			return integerResult{}, err
		}
		value, err := strconv.ParseInt(string(text), 10, 64)
		return integerResult{value: value}, err
	case "Incr":
		value, err := table.Incr(ctx, hashKey, sortKey, c.arg)
		return integerResult{value: value}, err
	}
	checkType, operand := pegasus.CheckTypeIntEqual, strconv.AppendInt(nil, c.old, 10)
	if c.old == 0 { // there is none yet
		checkType, operand = pegasus.CheckTypeValueNotExist, nil
	}
	r, err := table.CheckAndSet(ctx, hashKey, sortKey, checkType, operand, sortKey, strconv.AppendInt(nil, c.arg, 10), nil)
	if err != nil {
		return integerResult{}, err
	}
	return integerResult{set: r.SetSucceed}, nil
}
