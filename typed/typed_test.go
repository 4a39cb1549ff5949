package typed_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/typed"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkOrder checks of any values that they come back, that the order of bytes is theirs, and
// that no encoding is the beginning of another.
func checkOrder[T any](t *testing.T, name string, o typed.Order[T], g *rapid.Generator[T], compare func(a, b T) int) {
	t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
		a, b := g.Draw(t, "a"), g.Draw(t, "b")
		ea, err := o.Append([]byte("x"), a)
		if err != nil {
			t.Fatal(err)
		}
		eb, err := o.Append([]byte("x"), b)
		if err != nil {
			t.Fatal(err)
		}
		want := compare(a, b)
		if got := bytes.Compare(ea, eb); got != want {
			t.Fatalf("bytes compare as %d, values as %d: %x, %x", got, want, ea, eb)
		}
		if want != 0 && (bytes.HasPrefix(ea, eb) || bytes.HasPrefix(eb, ea)) {
			t.Fatalf("%x and %x", ea, eb)
		}
		back, rest, err := o.Read(append(ea[1:], "rest"...))
		if err != nil || compare(back, a) != 0 || string(rest) != "rest" {
			t.Fatalf("%v comes back as %v, %q, %v", a, back, rest, err)
		}
		if _, _, err := o.Read(ea[1 : len(ea)-1]); !errors.Is(err, typed.ErrEncoding) {
			t.Fatalf("cut short: %v", err)
		}
	}))
}

func TestOrders(t *testing.T) {
	checkOrder(t, "uint64", typed.Uint64, rapid.Uint64(), cmp.Compare[uint64])
	checkOrder(t, "uint32", typed.Uint32, rapid.Uint32(), cmp.Compare[uint32])
	checkOrder(t, "uint16", typed.Uint16, rapid.Uint16(), cmp.Compare[uint16])
	checkOrder(t, "uint8", typed.Uint8, rapid.Uint8(), cmp.Compare[uint8])
	checkOrder(t, "int64", typed.Int64, rapid.Int64(), cmp.Compare[int64])
	checkOrder(t, "int32", typed.Int32, rapid.Int32(), cmp.Compare[int32])
	checkOrder(t, "int16", typed.Int16, rapid.Int16(), cmp.Compare[int16])
	checkOrder(t, "int8", typed.Int8, rapid.Int8(), cmp.Compare[int8])
	checkOrder(t, "int", typed.Int, rapid.Int(), cmp.Compare[int])
	checkOrder(t, "float64", typed.Float64, rapid.Float64(), cmp.Compare[float64])
	boolean := func(a, b bool) int {
		n := map[bool]int{true: 1}
		return n[a] - n[b]
	}
	checkOrder(t, "bool", typed.Bool, rapid.Bool(), boolean)
	raw := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 1, 2, 0xfe, 0xff}), 0, 5)
	checkOrder(t, "bytes", typed.Bytes, raw, bytes.Compare)
	text := rapid.Map(raw, func(b []byte) string { return string(b) })
	checkOrder(t, "string", typed.String, text, cmp.Compare[string])
	times := rapid.Map(rapid.Int64(), func(n int64) time.Time { return time.Unix(0, n) })
	checkOrder(t, "time", typed.Time, times, time.Time.Compare)
	checkOrder(t, "descending", typed.Desc(typed.String), text, func(a, b string) int { return -cmp.Compare(a, b) })
	type pair = typed.Pair[string, typed.Pair[bool, int8]]
	triples := rapid.Custom(func(t *rapid.T) pair {
		return pair{text.Draw(t, "1"), typed.Pair[bool, int8]{First: rapid.Bool().Draw(t, "2"), Second: rapid.Int8().Draw(t, "3")}}
	})
	checkOrder(t, "triple", typed.Pairs(typed.String, typed.Pairs(typed.Desc(typed.Bool), typed.Int8)), triples, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.First, b.First), -boolean(a.Second.First, b.Second.First), cmp.Compare(a.Second.Second, b.Second.Second))
	})
}

// What is stored can be read for ever.
func TestGolden(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	enc := func(b []byte, err error) string {
		if err != nil {
			t.Error(err)
		}
		return hex.EncodeToString(b)
	}
	for want, got := range map[string]string{
		"0102030405060708": enc(typed.Uint64.Append(nil, 0x0102030405060708)),
		"7fffffffffffffff": enc(typed.Int64.Append(nil, -1)),
		"8000":             enc(typed.Int16.Append(nil, 0)),
		"01":               enc(typed.Bool.Append(nil, true)),
		"bff8000000000000": enc(typed.Float64.Append(nil, 1.5)),
		"4007ffffffffffff": enc(typed.Float64.Append(nil, -1.5)),
		"6100ff620001":     enc(typed.String.Append(nil, "a\x00b")),
		"9dfffe":           enc(typed.Desc(typed.String).Append(nil, "b")),
		"61000180000001":   enc(typed.Pairs(typed.String, typed.Int32).Append(nil, typed.Pair[string, int32]{First: "a", Second: 1})),
		fmt.Sprintf("%016x", uint64(at.UnixNano())^1<<63): enc(typed.Time.Append(nil, at)),
	} {
		if got != want {
			t.Errorf("%s is encoded as %s", want, got)
		}
	}
	zero, _ := typed.Float64.Append(nil, math.Copysign(0, -1))
	if hex.EncodeToString(zero) != "8000000000000000" {
		t.Errorf("-0 is %x", zero)
	}
}

func TestWhatCannotBeEncoded(t *testing.T) {
	if _, err := typed.Float64.Append(nil, math.NaN()); err == nil {
		t.Error("NaN")
	}
	if _, err := typed.Time.Append(nil, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("the year 3000")
	}
	for _, b := range []string{"7fffffffffffffff", "0000000000000001"} { // -0, a NaN
		raw, _ := hex.DecodeString(b)
		if v, _, err := typed.Float64.Read(raw); !errors.Is(err, typed.ErrEncoding) {
			t.Errorf("%s is %v", b, v)
		}
	}
}

// fuzzOrder checks that whatever can be decoded is the encoding of what it decodes to.
func fuzzOrder[T any](t *testing.T, o typed.Order[T], b []byte) {
	v, rest, err := o.Read(b)
	if err != nil {
		if !errors.Is(err, typed.ErrEncoding) {
			t.Error(err)
		}
		return
	}
	again, err := o.Append(nil, v)
	if err != nil || !bytes.Equal(again, b[:len(b)-len(rest)]) {
		t.Errorf("%x decodes to %v, which is %x, %v", b, v, again, err)
	}
}

func FuzzOrders(f *testing.F) {
	f.Add([]byte("a\x00\xffb\x00\x01"))
	f.Add([]byte{0x80, 0, 0, 0, 0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzOrder(t, typed.Uint64, b)
		fuzzOrder(t, typed.Int8, b)
		fuzzOrder(t, typed.Int, b)
		fuzzOrder(t, typed.Bool, b)
		fuzzOrder(t, typed.Float64, b)
		fuzzOrder(t, typed.Time, b)
		fuzzOrder(t, typed.Bytes, b)
		fuzzOrder(t, typed.Desc(typed.String), b)
		fuzzOrder(t, typed.Pairs(typed.String, typed.Desc(typed.Float64)), b)
	})
}

type order struct {
	Item string
	N    int
}

func TestTable(t *testing.T) {
	c := pegasustest.Start(t)
	ctx := t.Context()
	orders := typed.New(c.Table, typed.Key(typed.String, typed.Desc(typed.Time)), typed.JSON[order]())
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for n := 1; n <= 5; n++ {
		if err := orders.Set(ctx, "ann", day(n), order{"bread", n}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if v, found, err := orders.Get(ctx, "ann", day(3)); v != (order{"bread", 3}) || !found || err != nil {
		t.Errorf("%+v, %v, %v", v, found, err)
	}
	if _, found, err := orders.Get(ctx, "bob", day(3)); found || err != nil {
		t.Error(found, err)
	}
	if err := orders.Del(ctx, "ann", day(5)); err != nil {
		t.Error(err)
	}
	v, err := orders.Update(ctx, "ann", day(4), pegasus.KeepTTL, func(old order, exists bool) (order, error) {
		if !exists {
			t.Error("there is none")
		}
		old.N *= 10
		return old, nil
	})
	if v.N != 40 || err != nil {
		t.Error(v, err)
	}
	v, err = orders.Update(ctx, "ann", day(4), pegasus.KeepTTL, func(order, bool) (order, error) { return order{}, pegasus.ErrSkip })
	if v.N != 40 || err != nil {
		t.Error(v, err)
	}
	from, to := day(4), day(1) // descending
	var got []int
	for row, err := range orders.Rows(ctx, "ann", typed.Range[time.Time]{From: &from, To: &to}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Hash != "ann" || row.Sort.Day()*10 != row.Value.N && row.Sort.Day() != row.Value.N {
			t.Errorf("%+v", row)
		}
		got = append(got, row.Value.N)
	}
	if !reflect.DeepEqual(got, []int{40, 3, 2}) {
		t.Error(got)
	}
	// What is stored there and is something else is an error.
	hashKey, _ := typed.String.Append(nil, "ann")
	if err := c.Table.Set(ctx, hashKey, []byte("x"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range orders.Rows(ctx, "ann", typed.Range[time.Time]{}) {
		last = err
	}
	if !errors.Is(last, typed.ErrEncoding) {
		t.Error(last)
	}

	links := typed.New(c.Table, typed.Key(typed.Int64, typed.Bool), typed.Binary[*url.URL]())
	if err := links.Set(ctx, -7, true, &url.URL{Scheme: "https", Host: "example.com"}, pegasus.NoTTL); err != nil {
		t.Fatal(err)
	}
	if v, _, err := links.Get(ctx, -7, true); err != nil || v.String() != "https://example.com" {
		t.Error(v, err)
	}
	if err := links.Set(ctx, 1, true, nil, pegasus.NoTTL); err == nil {
		t.Error("nil was encoded")
	}
	texts := typed.New(c.Table, typed.Key(typed.String, typed.Uint8), typed.Text)
	if err := texts.Set(ctx, "", 1, "", pegasus.NoTTL); err != nil {
		t.Fatal(err)
	}
	if v, found, err := texts.Get(ctx, "", 1); v != "" || !found || err != nil {
		t.Error(v, found, err)
	}
	if v, found, err := typed.New(c.Table, typed.Key(typed.String, typed.Uint8), typed.Raw).Get(ctx, "", 1); len(v) != 0 || !found || err != nil {
		t.Error(v, found, err)
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
	table, err := cluster.Open(ctx, "temp")
	if err != nil {
		panic(err)
	}
	scores := typed.New(table, typed.Key(typed.String, typed.Desc(typed.Int)), typed.Text)
	for player, score := range map[string]int{"ann": 30, "bob": -5, "cid": 120} {
		if err := scores.Set(ctx, "chess", score, player, pegasus.NoTTL); err != nil {
			panic(err)
		}
	}
	for row, err := range scores.Rows(ctx, "chess", typed.Range[int]{}) {
		fmt.Println(row.Sort, row.Value, err)
	}
	// Output:
	// 120 cid <nil>
	// 30 ann <nil>
	// -5 bob <nil>
}
