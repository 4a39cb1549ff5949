package rpc

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The table against a map: whatever the order of calls, answers and deadlines,
// an id finds its own call once, and nothing else.
func TestCallTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := callTable{next: rapid.SampledFrom([]int32{0, 1, math.MaxInt32 - 70, math.MinInt32, -3}).Draw(t, "next")}
		model := make(map[int32]*Call)
		var ids []int32 // all that were ever given out
		base := time.Unix(1000, 0)
		anyID := rapid.Custom(func(t *rapid.T) int32 {
			if len(ids) > 0 && rapid.Bool().Draw(t, "known") {
				return rapid.SampledFrom(ids).Draw(t, "id")
			}
			return rapid.Int32().Draw(t, "id")
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "n") {
					c := &Call{}
					if s := rapid.IntRange(0, 3).Draw(t, "deadline"); s > 0 {
						c.deadline = base.Add(time.Duration(s) * time.Second)
					}
					table.add(c)
					if model[c.seq] != nil {
						t.Fatalf("id %d given out twice", c.seq)
					}
					model[c.seq] = c
					ids = append(ids, c.seq)
				}
			},
			"take": func(t *rapid.T) {
				id := anyID.Draw(t, "id")
				if got := table.take(id); got != model[id] {
					t.Fatalf("take(%d) = %v, want %v", id, got, model[id])
				}
				delete(model, id)
			},
			"expire": func(t *rapid.T) {
				now := base.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "now")) * time.Second)
				expired, next := table.takeExpired(now)
				for _, c := range expired {
					if model[c.seq] != c || c.deadline.IsZero() || c.deadline.After(now) {
						t.Fatalf("call %d expired", c.seq)
					}
					delete(model, c.seq)
				}
				var want time.Time
				for id, c := range model {
					switch {
					case c.deadline.IsZero():
					case !c.deadline.After(now):
						t.Fatalf("call %d did not expire", id)
					case want.IsZero() || c.deadline.Before(want):
						want = c.deadline
					}
				}
				if !next.Equal(want) {
					t.Fatalf("next deadline %v, want %v", next, want)
				}
			},
			"shrink": func(t *rapid.T) {
				table.shrink()
				if len(model) == 0 && len(table.slots) > minSlots {
					t.Fatalf("%d slots for no call", len(table.slots))
				}
			},
			"take all": func(t *rapid.T) {
				all := table.takeIf(func(*Call) bool { return true })
				if len(all) != len(model) {
					t.Fatalf("%d calls, want %d", len(all), len(model))
				}
				for _, c := range all {
					if model[c.seq] != c {
						t.Fatalf("call %d is not pending", c.seq)
					}
				}
				clear(model)
			},
			"": func(t *rapid.T) {
				if table.n != len(model) {
					t.Fatalf("%d pending, want %d", table.n, len(model))
				}
			},
		})
	})
}

// A call that stays pending while the ids go round does not lose its slot.
func TestCallTableSkipsSlotsInUse(t *testing.T) {
	var table callTable
	old := &Call{}
	table.add(old)
	for range 5 * minSlots {
		c := &Call{}
		table.add(c)
		if table.take(c.seq) != c {
			t.Fatalf("call %d lost", c.seq)
		}
	}
	if len(table.slots) != minSlots {
		t.Errorf("%d slots for 2 calls", len(table.slots))
	}
	if table.take(old.seq) != old {
		t.Error("the old call is lost")
	}
}
