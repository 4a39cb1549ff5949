package pegasus_test

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// What docs/migrating.md names in place of methods of other clients are methods that
// there are.
func TestMigratingNamesMethods(t *testing.T) {
	doc, err := os.ReadFile("docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string]bool{"New": true}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[*pegasus.Table](), reflect.TypeFor[*pegasus.Cluster](), reflect.TypeFor[*admin.Client](),
	} {
		for i := range typ.NumMethod() {
			methods[typ.Method(i).Name] = true
		}
	}
	_, table, ok := strings.Cut(string(doc), "| Java | here | |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if !ok || len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	name := regexp.MustCompile("`([^`]*)`")
	for _, row := range rows {
		for _, m := range name.FindAllStringSubmatch(strings.Split(row, "|")[2], -1) {
			if !methods[m[1]] {
				t.Errorf("there is no method %s: %s", m[1], row)
			}
		}
	}
}

// What docs/migrating.md says is different from the official Go client, and the switches.
func TestMigratingDifferences(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h, a, b := t.Context(), []byte("h"), []byte("a"), []byte("b")
	set := func(value string) {
		t.Helper()
		if err := c.Table.Set(ctx, h, a, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}

	// Empty ranges.
	scanner, err := c.Table.GetScanner(ctx, h, b, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	if completed, _, _, _, err := scanner.Next(ctx); !completed || err != nil {
		t.Errorf("a scanner of nothing: %v, %v", completed, err)
	}
	if err := c.Table.DelRange(ctx, h, b, a); err != nil {
		t.Error(err)
	}

	// CheckTypeIntGreater, and what the official client sends for it.
	for checkType, want := range map[pegasus.CheckType]bool{pegasus.CheckTypeIntGreater: false, pegasus.CheckTypeBytesGreater: true} {
		set("9")
		res, err := c.Table.CheckAndSet(ctx, h, a, checkType, []byte("10"), b, []byte("v"), nil)
		if err != nil || res.SetSucceed != want {
			t.Errorf("check %d: %+v, %v", checkType, res, err)
		}
	}

	// Times to live.
	if err := c.Table.SetTTL(ctx, h, a, []byte("v"), 60); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Errorf("60 ns: %v", err)
	}
	if err := c.Table.SetTTL(ctx, h, a, []byte("v"), 900*time.Millisecond); err != nil {
		t.Error(err)
	}
	if ttl, err := c.Table.TTL(ctx, h, a); ttl < 0 || err != nil {
		t.Errorf("900 ms: %d, %v", ttl, err)
	}

	// A connector of its own.
	set("v")
	other, err := c.Client.OpenTable(ctx, "temp")
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	if v, err := c.Table.Get(ctx, h, a); string(v) != "v" || err != nil {
		t.Errorf("after another connector was closed: %q, %v", v, err)
	}

	// A lost answer: sent again, or not with the switch.
	for policy, want := range map[pegasus.RetryPolicy]error{{}: nil, {MaxAttempts: 1}: pegasus.ErrInDoubt} {
		var lost atomic.Bool
		c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
			if r.Task != onebox.TaskPut || lost.Swap(true) {
				return onebox.Action{}
			}
			return onebox.Action{LoseAnswer: true, Close: true}
		})
		err := c.Table.Set(pegasus.WithRetryPolicy(ctx, policy), h, a, []byte("v"))
		if !errors.Is(err, want) || !lost.Load() {
			t.Errorf("%+v: %v, lost: %v", policy, err, lost.Load())
		}
	}
}
