package rpc

import (
	"math"
	"testing"
	"time"
)

// A budget of any size is one.
func TestLargeBudget(t *testing.T) {
	b := Budget{perSecond: math.MaxInt}
	for range 2 {
		if wait := b.Take(time.Now()); wait != 0 {
			t.Errorf("the next retry is due in %v", wait)
		}
	}
}
