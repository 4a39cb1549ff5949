package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// within reports whether got is want, but for the precision of histograms.
func within(got, want float64) bool { return math.Abs(got-want) <= want/500+0.2 }

// stalls takes a millisecond for a request, and lets those of one second wait for its end.
func stalls(start time.Time, second time.Duration) func(context.Context, *rand.Rand) (int, int, error) {
	return func(context.Context, *rand.Rand) (int, int, error) {
		if at := time.Since(start); at >= second && at < second+time.Second {
			time.Sleep(second + time.Second - at)
		}
		time.Sleep(time.Millisecond)
		return 0, 1, nil
	}
}

// With a rate, a server that stands still for one second of ten is slow to a tenth of the
// requests; to a caller that waits for it, it is to one.
func TestCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Ops: []string{"read"}, Workers: 1, Rate: 500, Duration: 10 * time.Second, Do: stalls(time.Now(), 4*time.Second)}
		open := Run(t.Context(), load)
		op := open.Ops[0]
		if op.Count != 5000 || open.NotStarted != 0 || !within(op.Latency.P50, 1000) || !within(op.Service.P99, 1000) || !within(op.Service.Max, 1001000) {
			t.Errorf("%+v", op)
		}
		// While 500 wait, one goes each millisecond, and one comes each second one.
		if op.Latency.P90 < 200_000 || op.Latency.P99 < 800_000 || op.LateStarts < 900 || op.LateStarts > 1000 {
			t.Errorf("the stall is not seen: %+v", op)
		}
		load.Rate, load.Do = 0, stalls(time.Now(), 4*time.Second)
		closed := Run(t.Context(), load)
		if op := closed.Ops[0]; op.Count < 8990 || op.Count > 9010 || !within(op.Latency.P999, 1000) || !within(op.Latency.Max, 1001000) || op.LateStarts != 0 {
			t.Errorf("closed: %+v", op)
		}
	})
}

// What a load makes that the callers cannot carry is said.
func TestTooFewWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Run(t.Context(), Load{Ops: []string{"read"}, Workers: 2, Rate: 1000, Warmup: time.Second, Duration: 2 * time.Second, Do: func(context.Context, *rand.Rand) (int, int, error) {
			time.Sleep(10 * time.Millisecond)
			return 0, 0, nil
		}})
		if op := r.Ops[0]; op.Count != 400 || r.NotStarted != 1600 || op.Rate != 200 {
			t.Errorf("%d not started, %+v", r.NotStarted, op)
		}
	})
}

func TestWarmupErrorsAndSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var told []Second
		r := Run(t.Context(), Load{
			Ops: []string{"read", "write"}, Workers: 1, Rate: 100, Warmup: time.Second, Duration: 3 * time.Second, Seed: 7,
			Do: func(_ context.Context, random *rand.Rand) (int, int, error) {
				at := time.Since(start)
				time.Sleep(time.Millisecond)
				switch {
				case at < time.Second:
					return 0, 0, errors.New("of the warm-up")
				case at >= 2*time.Second && at < 3*time.Second:
					return 1, 0, context.DeadlineExceeded
				}
				return int(at/(10*time.Millisecond)) % 2, 2, nil
			},
			Progress: func(s []Second) { told = append(told, s...) },
		})
		read, write := r.Ops[0], r.Ops[1]
		if read.Count != 100 || read.Rows != 200 || read.Errors != 0 || write.Count != 100 || write.Errors != 100 || write.Timeouts != 100 || *write.FirstError != "context deadline exceeded" {
			t.Errorf("%+v, %+v", read, write)
		}
		if len(r.BySecond) != 6 || len(told) < 4 || r.BySecond[3] != (Second{Second: 2, Op: "write", Errors: 100}) || r.BySecond[0].Count != 50 || !within(r.BySecond[0].P99, 1000) {
			t.Errorf("by second %+v, told %d", r.BySecond, len(told))
		}
		if r.Seconds != 3 || r.Interrupted {
			t.Errorf("%g s, interrupted %v", r.Seconds, r.Interrupted)
		}
		h, err := hdrhistogram.Decode([]byte(read.Latency.HDR))
		if err != nil || h.TotalCount() != 100 || !within(float64(h.Max())/1000, 1000) {
			t.Errorf("the histogram: %v", err)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1550*time.Millisecond)
		defer cancel()
		r := Run(ctx, Load{Ops: []string{"scan"}, Workers: 3, Duration: time.Hour, Do: func(ctx context.Context, _ *rand.Rand) (int, int, error) {
			time.Sleep(100 * time.Millisecond)
			return 0, 0, ctx.Err()
		}})
		if count, failed, _ := r.Total(); !r.Interrupted || count != 45 || failed != 0 || r.Seconds != 1.6 {
			t.Errorf("%d requests, %d failed, %+v", count, failed, r)
		}
	})
}

// The spectrum goes up to the slowest request, and has a point for each doubling of nines.
func TestSpectrum(t *testing.T) {
	h := newHistogram()
	for i := range int64(1000) {
		_ = h.RecordValue((i + 1) * 1000)
	}
	got := times(h).Spectrum
	for i, p := range got {
		if i > 0 && (p.Quantile <= got[i-1].Quantile || p.Micros < got[i-1].Micros) {
			t.Errorf("point %d is %+v after %+v", i, p, got[i-1])
		}
	}
	if last := got[len(got)-1]; last.Quantile != 1 || !within(last.Micros, 1000) || len(got) != 21 {
		t.Errorf("%d points, the last %+v", len(got), last)
	}
	if empty := times(newHistogram()); empty.Spectrum != nil || empty.Max != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}

func TestDistributions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 1000} {
		for name, pick := range map[string]func(*rand.Rand) int{"uniform": Uniform(n), "zipfian": Zipfian(n)} {
			counts := make([]int, n)
			for range 100_000 {
				counts[pick(random)]++ // out of range panics
			}
			if n < 1000 {
				continue
			}
			first, last := float64(counts[0])/100_000, counts[n-1]
			switch {
			case name == "uniform" && (first < 0.0005 || first > 0.002):
				t.Errorf("uniform: the first key has %g", first)
			case name == "zipfian" && (first < 0.12 || first > 0.14 || last > 100): // 1/zeta(1000) is 0.128
				t.Errorf("zipfian: the first key has %g, the last %d", first, last)
			}
		}
	}
}

func TestRound(t *testing.T) {
	for us, want := range map[float64]string{0: "0 µs", 85.4: "85 µs", 999.4: "999 µs", 999.6: "1.0 ms", 1234: "1.2 ms", 12_345: "12 ms", 3_400_000: "3.4 s"} {
		if got := Round(us); got != want {
			t.Errorf("%g: %s, want %s", us, got, want)
		}
	}
}
