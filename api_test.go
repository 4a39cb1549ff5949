package pegasus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

func b(s string) []byte { return []byte(s) }

func TestIncrTTL(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	for _, step := range []struct {
		ttl   time.Duration
		value int64
		left  int
	}{
		{pegasus.KeepTTL, 1, -1}, {100 * time.Second, 2, 100}, {pegasus.KeepTTL, 3, 100}, {pegasus.NoTTL, 4, -1}, {1500 * time.Millisecond, 5, 2},
	} {
		n, err := c.Table.IncrTTL(ctx, b("h"), nil, 1, step.ttl)
		if n != step.value || err != nil {
			t.Fatalf("%v: %d, %v", step.ttl, n, err)
		}
		if left, err := c.Table.TTL(ctx, b("h"), b("")); err != nil || left > step.left || left < step.left-1 {
			t.Errorf("%v: time to live %d, want %d, %v", step.ttl, left, step.left, err)
		}
	}
	for _, ttl := range []time.Duration{-2, 10, 100 * 365 * 24 * time.Hour} {
		if _, err := c.Table.IncrTTL(ctx, b("h"), nil, 1, ttl); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Errorf("%v: %v", ttl, err)
		}
	}
	if n, err := c.Table.MultiDelCount(ctx, b("h"), [][]byte{nil, b("x"), b("x")}); n != 3 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
}

func TestAppendGet(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	if err := c.Table.Set(ctx, b("h"), b(""), b("value")); err != nil {
		t.Fatal(err)
	}
	got, found, err := c.Table.AppendGet(ctx, b("a "), b("h"), nil)
	if string(got) != "a value" || !found || err != nil {
		t.Errorf("%q, %v, %v", got, found, err)
	}
	got, found, err = c.Table.AppendGet(ctx, b("a "), b("h"), b("none"))
	if string(got) != "a " || found || err != nil {
		t.Errorf("absent: %q, %v, %v", got, found, err)
	}
	got, _, err = c.Table.AppendGet(ctx, b("a "), nil, nil)
	if string(got) != "a " || !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Errorf("no hash key: %q, %v", got, err)
	}

	// An answer that comes after its context has ended is written nowhere.
	block := make(chan struct{})
	c.Onebox().Intercept(func(onebox.Request) onebox.Action { return onebox.Action{Until: block} })
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	buf := append(make([]byte, 0, 100), "mine"...)
	if _, _, err := c.Table.AppendGet(short, buf, b("h"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(block)
	c.Onebox().Intercept(nil)
	if _, err := c.Table.Get(ctx, b("h"), b("")); err != nil { // behind the late answer
		t.Fatal(err)
	}
	if !bytes.Equal(buf[:20], append(b("mine"), make([]byte, 16)...)) {
		t.Errorf("the buffer has %q", buf[:20])
	}
}

func TestCheckAndMutate(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h := t.Context(), b("h")
	tb := c.Table
	mustSet := func(s, v string) {
		t.Helper()
		if err := tb.Set(ctx, h, b(s), b(v)); err != nil {
			t.Fatal(err)
		}
	}
	mustSet("state", "old")
	mustSet("draft", "x")
	mustSet("empty", "")
	mustSet("n", "7")
	for name, tc := range map[string]struct {
		check         pegasus.Check
		applied       bool
		checked       string
		checkedExists bool
	}{
		"none":               {pegasus.Check{}, true, "", false},
		"equal":              {pegasus.ValueEquals(b("state"), b("old")), true, "old", true},
		"not equal":          {pegasus.ValueEquals(b("state"), b("other")), false, "old", true},
		"equal to nothing":   {pegasus.ValueEquals(b("none"), nil), false, "", false},
		"exists":             {pegasus.Exists(b("empty")), true, "", true},
		"not empty":          {pegasus.NotEmpty(b("empty")), false, "", true},
		"absent":             {pegasus.Absent(b("none")), true, "", false},
		"absent or empty":    {pegasus.AbsentOrEmpty(b("empty")), true, "", true},
		"less":               {pegasus.IntLess(b("n"), 8), true, "7", true},
		"not less":           {pegasus.IntLess(b("n"), 7), false, "7", true},
		"greater":            {pegasus.IntGreater(b("n"), -1), true, "7", true},
		"equal integer":      {pegasus.IntEquals(b("n"), 7), true, "7", true},
		"prefix":             {pegasus.Check{SortKey: b("state"), Type: pegasus.CheckTypeMatchPrefix, Operand: b("ol")}, true, "old", true},
		"nothing to compare": {pegasus.IntEquals(b("none"), 0), false, "", false},
	} {
		value := b(name)
		m := tb.CheckAndMutate(h).If(tc.check).Set(b("a/"+name), value, pegasus.NoTTL).
			Set(b("b/"+name), nil, time.Minute).Del(b("draft")).ReturnChecked()
		copy(value, "changed") // it was copied
		res, err := m.Do(ctx)
		if err != nil || res.Applied != tc.applied || string(res.Checked) != tc.checked || res.CheckedExists != tc.checkedExists || (res.Checked != nil) != tc.checkedExists {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
		got, err := tb.Get(ctx, h, b("a/"+name))
		if err != nil || (got != nil) != tc.applied || tc.applied && string(got) != name {
			t.Errorf("%s: set to %q, %v", name, got, err)
		}
		if left, _ := tb.TTL(ctx, h, b("b/"+name)); tc.applied && (left < 59 || left > 60) {
			t.Errorf("%s: time to live %d", name, left)
		}
		if _, err := m.Do(ctx); !errors.Is(err, pegasus.ErrInvalidArgument) {
			t.Errorf("%s: the second Do: %v", name, err)
		}
	}
	_, err := tb.CheckAndMutate(h).If(pegasus.IntLess(b("state"), 1)).Del(b("x")).Do(ctx)
	if !errors.Is(err, pegasus.StorageInvalidArgument) {
		t.Errorf("an integer check of text: %v", err)
	}
	for name, m := range map[string]*pegasus.Mutation{
		"no hash key":    tb.CheckAndMutate(nil).Del(nil),
		"nothing":        tb.CheckAndMutate(h).If(pegasus.Exists(nil)),
		"two checks":     tb.CheckAndMutate(h).If(pegasus.Exists(nil)).If(pegasus.Exists(nil)).Del(nil),
		"no check type":  tb.CheckAndMutate(h).If(pegasus.Check{Type: 99}).Del(nil),
		"keep the TTL":   tb.CheckAndMutate(h).Set(nil, nil, pegasus.KeepTTL),
		"an illegal TTL": tb.CheckAndMutate(h).Set(nil, nil, 5),
	} {
		_, err := m.Do(ctx)
		var ae *pegasus.ArgumentError
		if !errors.As(err, &ae) || ae.Name == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCompareAndSwap(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h, s := t.Context(), b("h"), b("s")
	step := func(name string, want bool, got bool, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	ok, err := c.Table.CompareAndSwap(ctx, h, s, nil, b("1"), pegasus.NoTTL)
	step("swap of nothing", false, ok, err)
	ok, err = c.Table.SetIfAbsent(ctx, h, s, b("1"), time.Minute)
	step("set", true, ok, err)
	ok, err = c.Table.SetIfAbsent(ctx, h, s, b("2"), pegasus.NoTTL)
	step("set again", false, ok, err)
	ok, err = c.Table.CompareAndSwap(ctx, h, s, b("1"), b("2"), pegasus.NoTTL)
	step("swap", true, ok, err)
	ok, err = c.Table.DelIfEqual(ctx, h, s, b("1"))
	step("delete another value", false, ok, err)
	ok, err = c.Table.DelIfEqual(ctx, h, s, b("2"))
	step("delete", true, ok, err)
}

// Batches do what single operations do, item by item, also when some of them fail.
func TestMany(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	ctx := t.Context()
	const n = 300
	var puts []pegasus.Put
	var keys []pegasus.CompositeKey
	for i := range n {
		p := pegasus.Put{HashKey: fmt.Appendf(nil, "h%d", i), SortKey: b("s"), Value: fmt.Appendf(nil, "v%d", i)}
		if i == 7 {
			p.SortKey, p.TTL = nil, time.Hour
			p.Value = bytes.Repeat(b("large"), 20_000)
		}
		puts = append(puts, p)
		keys = append(keys, pegasus.CompositeKey{HashKey: p.HashKey, SortKey: p.SortKey})
	}
	// A tenth of the requests meets an error that passes.
	var requests atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Meta || requests.Add(1)%10 != 0 {
			return onebox.Action{}
		}
		return onebox.Action{Error: "ERR_BUSY"}
	})
	out, err := c.Table.SetMany(ctx, puts)
	if err != nil || len(out) != n || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	res, err := c.Table.GetMany(ctx, append(keys, pegasus.CompositeKey{HashKey: b("none")}))
	if err != nil || len(res) != n+1 || res.Err() != nil {
		t.Fatal(err, res.Err())
	}
	for i := range puts {
		if !res[i].Found || !bytes.Equal(res[i].Value, puts[i].Value) {
			t.Errorf("%d: %+v", i, res[i])
		}
	}
	if res[n].Found || res[n].Value != nil || res[n].Err != nil {
		t.Errorf("an absent key: %+v", res[n])
	}
	if left, err := c.Table.TTL(ctx, keys[7].HashKey, b("")); left < 3500 || err != nil {
		t.Errorf("time to live %d, %v", left, err)
	}
	out, err = c.Table.DelMany(ctx, keys[:100])
	if err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	res, _ = c.Table.GetMany(ctx, keys)
	for i, r := range res {
		if r.Found != (i >= 100) || r.Err != nil {
			t.Errorf("%d: %+v", i, r)
		}
	}

	// One item that is refused fails alone.
	c.Onebox().Intercept(nil)
	puts[5].Value = make([]byte, 2<<20)
	out, err = c.Table.SetMany(ctx, puts[:10])
	if err != nil || !errors.Is(out[5], pegasus.ErrInvalidData) || !errors.Is(out.Err(), pegasus.ErrInvalidData) {
		t.Errorf("%v, %v", err, out.Err())
	}
	for i, err := range out {
		if i != 5 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := c.Table.SetMany(ctx, []pegasus.Put{{HashKey: b("h")}, {}}); err == nil || !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	} else if ae := new(pegasus.ArgumentError); !errors.As(err, &ae) || ae.Name != "puts[1].hashKey" {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Table.SetMany(ended, puts[:1]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if out, err := c.Table.DelMany(ctx, nil); len(out) != 0 || err != nil || out.Err() != nil {
		t.Error("nothing to delete:", out, err)
	}
}

// What cannot be sent before the time is over says so.
func TestManyNotAttempted(t *testing.T) {
	c := pegasustest.Start(t)
	c.Kill(0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	out, err := c.Table.SetMany(ctx, []pegasus.Put{{HashKey: b("a")}, {HashKey: b("b")}})
	if err != nil || len(out) != 2 {
		t.Fatal(err)
	}
	for _, err := range out {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

func TestManyRows(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	var puts []pegasus.PutRows
	var items []pegasus.HashKeyRows
	for i := range 50 {
		h := fmt.Appendf(nil, "h%d", i)
		puts = append(puts, pegasus.PutRows{HashKey: h, Rows: []pegasus.KeyValue{{SortKey: b("a"), Value: b("1")}, {SortKey: b("b"), Value: h}}})
		items = append(items, pegasus.HashKeyRows{HashKey: h})
	}
	if out, err := c.Table.MultiSetMany(ctx, puts); err != nil || out.Err() != nil {
		t.Fatal(err, out.Err())
	}
	items = append(items, pegasus.HashKeyRows{HashKey: b("h1"), Limit: 1}, pegasus.HashKeyRows{HashKey: b("h1"), SortKeys: [][]byte{b("b"), b("x")}}, pegasus.HashKeyRows{HashKey: b("none")})
	res, err := c.Table.MultiGetMany(ctx, items)
	if err != nil || res.Err() != nil {
		t.Fatal(err, res.Err())
	}
	for i := range 50 {
		if len(res[i].Rows) != 2 || !res[i].Complete || string(res[i].Rows[1].Value) != string(items[i].HashKey) {
			t.Errorf("%d: %+v", i, res[i])
		}
	}
	if len(res[50].Rows) != 1 || res[50].Complete || len(res[51].Rows) != 1 || !res[51].Complete || len(res[52].Rows) != 0 || !res[52].Complete {
		t.Errorf("%+v", res[50:])
	}
	if _, err := c.Table.MultiSetMany(ctx, []pegasus.PutRows{{HashKey: b("h")}}); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestUpdate(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h := t.Context(), b("h")
	count := func(v []byte) int64 {
		text, _, _ := bytes.Cut(v, b("/"))
		n, _ := strconv.ParseInt(string(text), 10, 64)
		return n
	}
	var unique atomic.Int64
	add := func(cur pegasus.Current) ([]byte, error) {
		return fmt.Appendf(nil, "%d/%d", count(cur.Value)+1, unique.Add(1)), nil
	}
	// Callers side by side lose nothing, also when answers get lost.
	var seen atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskCheckAndMutate && seen.Add(1)%7 == 0 {
			return onebox.Action{LoseAnswer: true, Close: true}
		}
		return onebox.Action{}
	})
	var wg sync.WaitGroup
	var doubts, done atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 25 {
				switch _, err := c.Table.Update(ctx, h, nil, pegasus.NoTTL, add); {
				case errors.Is(err, pegasus.ErrInDoubt):
					doubts.Add(1)
				case err != nil:
					t.Error(err)
				default:
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	c.Onebox().Intercept(nil)
	v, err := c.Table.Get(ctx, h, b(""))
	if n := count(v); err != nil || n < done.Load() || n > done.Load()+doubts.Load() {
		t.Errorf("%d after %d updates and %d in doubt, %v", n, done.Load(), doubts.Load(), err)
	}

	if v, err := c.Table.Update(ctx, h, b("ttl"), time.Hour, func(cur pegasus.Current) ([]byte, error) {
		if cur.Exists || cur.Value != nil {
			t.Errorf("%+v", cur)
		}
		return nil, nil
	}); len(v) != 0 || err != nil {
		t.Error(v, err)
	}
	if _, err := c.Table.Update(ctx, h, b("ttl"), pegasus.KeepTTL, func(cur pegasus.Current) ([]byte, error) {
		if !cur.Exists {
			t.Errorf("%+v", cur)
		}
		return b("x"), nil
	}); err != nil {
		t.Error(err)
	}
	if left, err := c.Table.TTL(ctx, h, b("ttl")); left < 3590 || left > 3600 || err != nil {
		t.Errorf("time to live %d, %v", left, err)
	}
	mine := errors.New("mine")
	if _, err := c.Table.Update(ctx, h, b("ttl"), pegasus.NoTTL, func(pegasus.Current) ([]byte, error) { return nil, mine }); !errors.Is(err, mine) {
		t.Error(err)
	}
	if v, err := c.Table.Update(ctx, h, b("ttl"), pegasus.NoTTL, func(pegasus.Current) ([]byte, error) { return nil, pegasus.ErrSkip }); string(v) != "x" || err != nil {
		t.Error(v, err)
	}
	_, err = c.Table.Update(ctx, h, b("ttl"), pegasus.NoTTL, func(cur pegasus.Current) ([]byte, error) {
		other := slices.Concat(cur.Value, b("y")) // another writer is always faster
		return b("z"), c.Table.Set(ctx, h, b("ttl"), other)
	})
	if !errors.Is(err, pegasus.ErrContention) {
		t.Error(err)
	}
	if _, err := c.Table.Update(ctx, h, nil, pegasus.NoTTL, nil); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	}
}

// A write in doubt that is carried out late, after Update has looked and sent it again, counts
// once.
func TestUpdateLandsLate(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h, k := t.Context(), b("h"), b("n")
	late, landed := make(chan struct{}), make(chan struct{})
	link := c.Link(c.Onebox().Replica(0).Addr())
	var writes atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task != onebox.TaskCheckAndMutate {
			return onebox.Action{}
		}
		switch writes.Add(1) {
		case 1:
			link.Orphan()
			return onebox.Action{Until: late}
		case 2:
			close(late)
			go func() {
				defer close(landed)
				for v := []byte(nil); v == nil && ctx.Err() == nil; {
					v, _ = c.Table.Get(ctx, h, k)
				}
			}()
			return onebox.Action{Until: landed}
		}
		return onebox.Action{}
	})
	v, err := c.Table.Update(ctx, h, k, pegasus.NoTTL, func(cur pegasus.Current) ([]byte, error) {
		n, _ := strconv.Atoi(string(cur.Value))
		return strconv.AppendInt(nil, int64(n)+1, 10), nil
	})
	if string(v) != "1" || err != nil {
		t.Errorf("%q, %v after one update of nothing", v, err)
	}
}
