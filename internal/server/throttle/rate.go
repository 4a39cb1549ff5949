// Package throttle counts what clients do in a partition and says when it is
// too much. It knows rates and no requests.
package throttle

import (
	"math"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// Rate is what happens to requests beyond a number of units in a second.
type Rate struct {
	delayUnits, rejectUnits int64 // 0: never
	delay, rejectDelay      time.Duration
}

// ParseRate reads a throttling environment such as "2K*delay*100,4K*reject*200"
// for one of count partitions. It returns nil if there is none or it makes no
// sense.
func ParseRate(text string, count int) *Rate {
	if text == "" {
		return nil
	}
	r := new(Rate)
	for _, part := range strings.Split(text, ",") {
		f := strings.Split(strings.TrimSpace(part), "*")
		if len(f) != 3 {
			return nil
		}
		units, ok := ParseUnits(f[0])
		ms, ok2 := schema.ParseInt([]byte(f[2]))
		if !ok || !ok2 || ms < 0 || ms > math.MaxInt32 {
			return nil
		}
		units = units/int64(count) + 1
		delay := time.Duration(ms) * time.Millisecond
		switch {
		case f[1] == "delay" && r.delayUnits == 0:
			r.delayUnits, r.delay = units, delay
		case f[1] == "reject" && r.rejectUnits == 0:
			r.rejectUnits, r.rejectDelay = units, delay
		default:
			return nil
		}
	}
	return r
}

// ParseUnits reads a number that is not negative, with K or M for thousands or
// millions.
func ParseUnits(text string) (int64, bool) {
	factor := int64(1)
	switch {
	case strings.HasSuffix(text, "K"):
		factor = 1000
	case strings.HasSuffix(text, "M"):
		factor = 1000 * 1000
	}
	if factor > 1 {
		text = text[:len(text)-1]
	}
	n, ok := schema.ParseInt([]byte(text))
	if !ok || n < 0 || n > math.MaxInt64/factor {
		return 0, false
	}
	return n * factor, true
}
