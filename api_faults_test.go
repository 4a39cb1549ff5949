package pegasus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/recipe"
)

// An Update that only renews the time to live, whose request is lost before it is carried out,
// must not say that it was carried out.
func TestUpdateRenewsTTL(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	if err := c.Table.SetTTL(ctx, b("h"), b("s"), b("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	n := 0
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskCheckAndMutate {
			if n++; n == 1 {
				return onebox.Action{Close: true} // not carried out
			}
		}
		return onebox.Action{}
	})
	_, err := c.Table.Update(ctx, b("h"), b("s"), time.Hour, func(cur pegasus.Current) ([]byte, error) { return cur.Value, nil })
	ttl, terr := c.Table.TTL(ctx, b("h"), b("s"))
	if terr != nil {
		t.Fatal(terr)
	}
	if err == nil && ttl < 3000 {
		t.Errorf("Update has succeeded, the time to live is %d s", ttl)
	}
}

// A link that is stalled is orphaned, too.
func TestOrphanOfStalledLink(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	link := c.Link(c.Onebox().Replica(0).Addr())
	if err := c.Table.Set(ctx, b("h"), b("s"), b("v")); err != nil {
		t.Fatal(err)
	}
	link.StallAfter(0)
	arrived, done := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskIncr {
			once.Do(func() { close(arrived) })
		}
		return onebox.Action{}
	})
	go func() {
		_, err := c.Table.Incr(ctx, b("h"), b("n"), 1)
		done <- err
	}()
	<-arrived
	link.Orphan()
	if err := <-done; !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("the request whose connection was orphaned: %v", err)
	}
	link.Heal()
	if n, err := c.Table.Incr(ctx, b("h"), b("n"), 1); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestScanContext(t *testing.T) {
	type k struct{}
	missing := map[string]int{}
	var mu sync.Mutex
	c := pegasustest.Start(t, pegasustest.WithClient(func(cfg *pegasus.Config) {
		cfg.Observers = []pegasus.Observer{{OperationStarted: func(ctx context.Context, e pegasus.OperationStarted) context.Context {
			mu.Lock()
			defer mu.Unlock()
			if ctx.Value(k{}) == nil {
				missing[e.Operation]++
			}
			return ctx
		}}}
	}))
	ctx := context.WithValue(t.Context(), k{}, 1)
	if _, err := c.Table.Count(ctx, b("h"), pegasus.Select{}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Table.Scan(ctx, pegasus.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range s.Rows(ctx) {
	}
	if _, err := c.Table.Page(ctx, b("h"), pegasus.Select{}, "", 5); err != nil {
		t.Fatal(err)
	}
	if missing["Count"]+missing["Scan"]+missing["Page"] > 0 {
		t.Error("observers do not get the values of the caller's context")
	}
}

type badCodec struct{}

func (badCodec) Encode(v []byte) ([]byte, error) { return v, nil }

func (badCodec) Decode(v []byte) ([]byte, error) {
	if string(v) == "bad" {
		return nil, errors.New("bad value")
	}
	return v, nil
}

// A write that was applied, and whose checked value cannot be decoded, is not a plain failure.
func TestAppliedButUndecodable(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	if err := c.Table.Set(ctx, b("h"), b("s"), b("bad")); err != nil {
		t.Fatal(err)
	}
	tb := c.Table.With(pegasus.TableOptions{Values: badCodec{}})
	res, err := tb.CheckAndMutate(b("h")).If(pegasus.Exists(b("s"))).Set(b("x"), b("new"), pegasus.NoTTL).ReturnChecked().Do(ctx)
	v, _ := c.Table.Get(ctx, b("h"), b("x"))
	if string(v) == "new" && !res.Applied && !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("CheckAndMutate was applied, and says %+v, %v", res, err)
	}
	cs, err := tb.CheckAndSet(ctx, b("h"), b("s"), pegasus.CheckTypeValueExist, nil, b("y"), b("new"), &pegasus.CheckAndSetOptions{ReturnCheckValue: true})
	v, _ = c.Table.Get(ctx, b("h"), b("y"))
	if string(v) == "new" && cs == nil && !errors.Is(err, pegasus.ErrInDoubt) {
		t.Errorf("CheckAndSet was applied, and says %v", err)
	}
}

// One value that cannot be decoded is the failure of one key.
func TestGetManyOneBad(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	for _, s := range []string{"a", "bad", "c"} {
		if err := c.Table.Set(ctx, b("h"), b(s), b(s)); err != nil {
			t.Fatal(err)
		}
	}
	tb := c.Table.With(pegasus.TableOptions{Values: badCodec{}})
	res, err := tb.GetMany(ctx, []pegasus.CompositeKey{{HashKey: b("h"), SortKey: b("a")}, {HashKey: b("h"), SortKey: b("bad")}, {HashKey: b("h"), SortKey: b("c")}})
	if err != nil || res[0].Err != nil || res[2].Err != nil {
		t.Errorf("%v, %+v", err, res)
	}
}

func TestHedgedAppendGetName(t *testing.T) {
	names := map[string]int{}
	var mu sync.Mutex
	c := pegasustest.Start(t, pegasustest.WithClient(func(cfg *pegasus.Config) {
		cfg.Observers = []pegasus.Observer{{OperationStarted: func(ctx context.Context, e pegasus.OperationStarted) context.Context {
			mu.Lock()
			defer mu.Unlock()
			names[e.Operation]++
			return ctx
		}}}
	}))
	tb := c.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{}})
	if _, _, err := tb.AppendGet(t.Context(), nil, b("h"), b("s")); err != nil {
		t.Fatal(err)
	}
	if names["AppendGet"] != 1 {
		t.Error(names)
	}
}

// An operation that returns an error is counted as one that has failed.
func TestDecodeFailureIsCounted(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	if err := c.Table.Set(ctx, b("h"), b("s"), b("bad")); err != nil {
		t.Fatal(err)
	}
	tb := c.Table.With(pegasus.TableOptions{Values: badCodec{}})
	if _, err := tb.Get(ctx, b("h"), b("s")); err == nil {
		t.Fatal("no error")
	}
	res, err := tb.MultiGetMany(ctx, []pegasus.HashKeyRows{{HashKey: b("h")}})
	var pe *pegasus.PError
	if err != nil || !errors.As(res[0].Err, &pe) || pe.Op != "MultiGetMany" || res[0].Rows != nil || res[0].Complete {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, ts := range c.Client.Stats().Tables {
		for _, o := range ts.Operations {
			if (o.Operation == "Get" || o.Operation == "MultiGetMany") && (o.Latency.Count != 0 || len(o.Failed) == 0) {
				t.Errorf("%s has failed: %d succeeded, failed %v", o.Operation, o.Latency.Count, o.Failed)
			}
		}
	}
}

// An index on a table with a codec works, or is refused before anything is written.
func TestIndexWithCodec(t *testing.T) {
	c := pegasustest.Start(t)
	x := &recipe.UniqueIndex{Table: c.Table.With(pegasus.TableOptions{Values: badCodec{}}), Prefix: "x/"}
	wrote := false
	err := x.Insert(t.Context(), b("v"), b("o"), func(context.Context) error { wrote = true; return nil })
	if err != nil && wrote {
		t.Errorf("the row was written, then: %v", err)
	}
}
