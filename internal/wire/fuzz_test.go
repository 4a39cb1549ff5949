package wire_test

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/internal/wire/wiretest"
)

// The fuzz tests hold for any input: it is decoded or refused with an error
// that wraps ErrMalformed, without a panic and without allocating more than a
// small multiple of its size, and what is decoded comes back when it is
// encoded and decoded again.

func FuzzRequest(f *testing.F) {
	for _, v := range vectors(f, "request") {
		f.Add(v.frame)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < wire.RequestPrefix {
			return
		}
		n, err := wire.RequestSize(b, 1<<20)
		if err != nil {
			refused(t, err)
			return
		}
		if n > len(b) {
			return // more to come
		}
		var q wire.Request
		if err := q.Parse(b[:n]); err != nil {
			refused(t, err)
			return
		}
		if rpc, ok := wiretest.RPCs[string(q.Task)]; ok && q.ArgType == rpc.Arg().ThriftType() {
			fuzzValue(t, rpc.Arg, q.Arg)
		}
	})
}

func FuzzReply(f *testing.F) {
	for _, v := range vectors(f, "response") {
		f.Add(v.frame)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < wire.ReplyPrefix {
			return
		}
		n, err := wire.ReplySize(b, 1<<20)
		if errors.Is(err, wire.ErrReplyTooLarge) {
			return
		}
		if err != nil {
			refused(t, err)
			return
		}
		if n > len(b) {
			return // more to come
		}
		var p wire.Reply
		if err := p.Parse(b[wire.ReplyPrefix:n]); err != nil {
			refused(t, err)
			return
		}
		rpc := wiretest.RPCs[strings.TrimSuffix(string(p.Task), wire.AckSuffix)]
		if rpc.Result == nil {
			return
		}
		r := p.ResultReader(rpc.Result().ThriftType())
		if r.Err() != nil {
			refused(t, r.Err())
			return
		}
		fuzzValue(t, rpc.Result, r)
	})
}

func FuzzStruct(f *testing.F) {
	names := slices.Sorted(maps.Keys(wiretest.Structs))
	for i, name := range names {
		c := wiretest.Structs[name]()
		f.Add(byte(i), c.AppendValue(nil))
		fill(wiretest.ValueOf(c))
		f.Add(byte(i), c.AppendValue(nil))
	}
	f.Fuzz(func(t *testing.T, i byte, b []byte) {
		fuzzValue(t, wiretest.Structs[names[int(i)%len(names)]], wire.NewReader(b))
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("error %v does not wrap ErrMalformed", err)
	}
}

// fuzzValue decodes the message that r is placed at and checks what came out.
func fuzzValue(t *testing.T, newCodec func() wiretest.Codec, r wire.Reader) {
	t.Helper()
	c := newCodec()
	// 256 times the input is enough for the largest of the structs in lists,
	// 1 MiB for what the fuzzing engine does meanwhile.
	limit := 1<<20 + 256*uint64(len(r.Rest()))
	before := allocated()
	c.Read(&r)
	if n := allocated() - before; n > limit {
		t.Errorf("%d bytes allocated for %d", n, len(r.Rest()))
	}
	if r.Err() != nil {
		refused(t, r.Err())
		return
	}
	b := c.AppendValue(nil)
	again := newCodec()
	r = wire.NewReader(b)
	again.Read(&r)
	if r.Err() != nil || len(r.Rest()) > 0 {
		t.Fatalf("%x: decoded, encoded, then %v, left over: %x", b, r.Err(), r.Rest())
	}
	if b2 := again.AppendValue(nil); !bytes.Equal(b, b2) {
		t.Errorf("encoded as\n     %x\nthen %x", b, b2)
	}
}

// allocated returns the bytes allocated by the process so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// fill sets everything in v, one element in each list and map.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(7)
	case reflect.String:
		v.SetString("text")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k)
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f)
			}
		}
	}
}
