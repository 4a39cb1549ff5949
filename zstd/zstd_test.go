package zstd_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/zstd"
	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\x00\xff")), 1, 2000).Draw(t, "value")
		stored, err := zstd.Values().Encode(value)
		if err != nil {
			t.Fatal(err)
		}
		back, err := zstd.Values().Decode(stored)
		if err != nil || !bytes.Equal(back, value) {
			t.Fatalf("%x comes back as %x, %v", value, back, err)
		}
	})
}

// Values that the zstd tool has compressed (version 1.5.4: printf 'pegasus %.0s' {1..20} |
// zstd), and values that are not compressed.
func TestDecode(t *testing.T) {
	frame, err := base64.StdEncoding.DecodeString(toolFrame)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		stored, want string
	}{
		"a frame of the tool":      {string(frame), strings.Repeat("pegasus ", 20)},
		"plain":                    {"plain", "plain"},
		"the beginning of a frame": {string(frame[:3]), string(frame[:3])},
	} {
		if got, err := zstd.Values().Decode([]byte(tc.stored)); string(got) != tc.want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	damaged := bytes.Clone(frame)
	damaged[len(damaged)-3] ^= 0xff
	if got, err := zstd.Values().Decode(damaged[:len(damaged)-1]); err == nil {
		t.Errorf("damaged: %q", got)
	}
	// A frame that says that it has 2^40 bytes.
	if _, err := zstd.Values().Decode([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}); err == nil {
		t.Error("a bomb")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("plain"))
	stored, _ := zstd.Values().Encode([]byte("some value"))
	f.Add(stored)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = zstd.Values().Decode(b) })
}

// Every way to write stores the value compressed, and every way to read undoes that.
func TestEveryPath(t *testing.T) {
	c := pegasustest.Start(t)
	ctx, h := t.Context(), []byte("h")
	tb := c.Table.With(pegasus.TableOptions{Values: zstd.Values()})
	value := bytes.Repeat([]byte("value "), 100)
	writes := map[string]func(s []byte) error{
		"Set":      func(s []byte) error { return tb.Set(ctx, h, s, value) },
		"SetTTL":   func(s []byte) error { return tb.SetTTL(ctx, h, s, value, time.Hour) },
		"MultiSet": func(s []byte) error { return tb.MultiSet(ctx, h, [][]byte{s}, [][]byte{value}) },
		"SetMany": func(s []byte) error {
			out, err := tb.SetMany(ctx, []pegasus.Put{{HashKey: h, SortKey: s, Value: value}})
			return errors.Join(err, out.Err())
		},
		"MultiSetMany": func(s []byte) error {
			out, err := tb.MultiSetMany(ctx, []pegasus.PutRows{{HashKey: h, Rows: []pegasus.KeyValue{{SortKey: s, Value: value}}}})
			return errors.Join(err, out.Err())
		},
		"SetIfAbsent": func(s []byte) error { _, err := tb.SetIfAbsent(ctx, h, s, value, pegasus.NoTTL); return err },
		"CheckAndSet": func(s []byte) error {
			_, err := tb.CheckAndSet(ctx, h, s, pegasus.CheckTypeValueNotExist, nil, s, value, nil)
			return err
		},
		"Update": func(s []byte) error {
			got, err := tb.Update(ctx, h, s, pegasus.NoTTL, func(pegasus.Current) ([]byte, error) { return value, nil })
			if !bytes.Equal(got, value) {
				t.Errorf("Update returns %q", got)
			}
			return err
		},
	}
	var names []string
	for name, write := range writes {
		if err := write([]byte(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stored, err := c.Table.Get(ctx, h, []byte(name))
		if err != nil || len(stored) > 100 || len(stored) == 0 {
			t.Errorf("%s stores %d bytes, %v", name, len(stored), err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	key := []byte(names[0])
	keys := []pegasus.CompositeKey{{HashKey: h, SortKey: key}, {HashKey: h, SortKey: []byte("Set")}}
	check := func(name string, got []byte, err error) {
		t.Helper()
		if !bytes.Equal(got, value) || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	got, err := tb.Get(ctx, h, key)
	check("Get", got, err)
	got, _, err = tb.AppendGet(ctx, []byte("x"), h, key)
	check("AppendGet", got[1:], err)
	row, _, err := tb.GetRow(ctx, h, key)
	check("GetRow", row.Value, err)
	kvs, _, err := tb.MultiGet(ctx, h, nil)
	for _, kv := range kvs {
		check("MultiGet", kv.Value, err)
	}
	batch, err := tb.BatchGet(ctx, keys)
	check("BatchGet", batch[1], err)
	many, err := tb.GetMany(ctx, keys)
	check("GetMany", many[1].Value, errors.Join(err, many.Err()))
	rows, err := tb.MultiGetMany(ctx, []pegasus.HashKeyRows{{HashKey: h}})
	check("MultiGetMany", rows[0].Rows[0].Value, errors.Join(err, rows.Err()))
	for _, reverse := range []bool{false, true} {
		n := 0
		for row, err := range tb.Rows(ctx, h, pegasus.Select{Reverse: reverse}) {
			check("Rows", row.Value, err)
			n++
		}
		if n != len(writes) {
			t.Errorf("%d rows", n)
		}
	}
	page, err := tb.Page(ctx, h, pegasus.Select{}, "", 1)
	check("Page", page.Rows[0].Value, err)
	scan, err := tb.Scan(ctx, pegasus.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range scan.Rows(ctx) {
		check("Scan", row.Value, err)
	}
	scanner, err := tb.GetScanner(ctx, h, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Close()
	_, _, _, got, err = scanner.Next(ctx)
	check("Next", got, err)
	res, err := tb.CheckAndMutate(h).If(pegasus.Exists(key)).Set([]byte("x"), value, pegasus.NoTTL).ReturnChecked().Do(ctx)
	check("CheckAndMutate", res.Checked, err)
	cas, err := tb.CheckAndSet(ctx, h, key, pegasus.CheckTypeValueExist, nil, []byte("y"), value, &pegasus.CheckAndSetOptions{ReturnCheckValue: true})
	check("CheckAndSet", cas.CheckValue, err)
	if _, err := tb.Update(ctx, h, key, pegasus.KeepTTL, func(cur pegasus.Current) ([]byte, error) {
		check("Update", cur.Value, nil)
		return append(cur.Value, '!'), nil
	}); err != nil {
		t.Error(err)
	}
	if got, err := tb.Get(ctx, h, key); string(got) != string(value)+"!" || err != nil {
		t.Error("after Update:", len(got), err)
	}

	// Comparisons would compare what is stored.
	if _, err := tb.CompareAndSwap(ctx, h, key, value, value, pegasus.NoTTL); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	}
	if _, err := tb.CheckAndSet(ctx, h, key, pegasus.CheckTypeBytesEqual, value, key, value, nil); !errors.Is(err, pegasus.ErrInvalidArgument) {
		t.Error(err)
	}
	// Empty stays empty, and absent absent.
	if err := tb.Set(ctx, h, key, []byte{}); err != nil {
		t.Fatal(err)
	}
	if got, err := tb.Get(ctx, h, key); got == nil || len(got) != 0 || err != nil {
		t.Error(got, err)
	}
	if got, err := tb.Get(ctx, h, []byte("none")); got != nil || err != nil {
		t.Error(got, err)
	}
	if err := tb.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Table.Get(ctx, h, key); !errors.Is(err, pegasus.ErrTableClosed) {
		t.Error(err)
	}
}

func Example() {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
	if err != nil {
		panic(err)
	}
	defer box.Close()
	cluster, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		panic(err)
	}
	defer cluster.Close()
	ctx := context.Background()
	plain, err := cluster.Open(ctx, "temp")
	if err != nil {
		panic(err)
	}
	table := plain.With(pegasus.TableOptions{Values: zstd.Values()})
	if err := table.Set(ctx, []byte("ann"), []byte("text"), bytes.Repeat([]byte("Pegasus "), 1000)); err != nil {
		panic(err)
	}
	value, err := table.Get(ctx, []byte("ann"), []byte("text"))
	fmt.Println(len(value), err)
	stored, err := plain.Get(ctx, []byte("ann"), []byte("text"))
	fmt.Println(len(stored) < 100, err)
	// Output:
	// 8000 <nil>
	// true <nil>
}

const toolFrame = "KLUv/SSgfQAAQHBlZ2FzdXMgAQCVUYULhV2ROA=="
