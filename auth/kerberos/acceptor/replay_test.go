package acceptor

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestShown(t *testing.T) {
	var s shown
	const while = 10 * time.Minute
	now := time.Now()
	at := func(minute int) time.Time { return now.Add(time.Duration(minute) * time.Minute) }
	for minute := range 30 {
		what := fmt.Append(nil, minute)
		if err := s.first(what, at(minute), while); err != nil {
			t.Fatalf("minute %d: %v", minute, err)
		}
		for again := range min(minute, 10) + 1 {
			if err := s.first(fmt.Append(nil, minute-again), at(minute), while); !errors.Is(err, errReplay) {
				t.Errorf("shown again after %d minutes: %v", again, err)
			}
		}
		if n := len(s.last) + len(s.old); n > 20 {
			t.Errorf("minute %d: %d are remembered", minute, n)
		}
	}
	// The clock is set back.
	if err := s.first([]byte("29"), at(-100), while); !errors.Is(err, errReplay) {
		t.Errorf("after the clock was set back: %v", err)
	}
}
