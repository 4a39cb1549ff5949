package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// reply returns the frame that answers the get with the id seq.
func reply(t testing.TB, seq int32, value []byte) []byte {
	t.Helper()
	frame := wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskGet, seq, wire.Key{})
	var q wire.Request
	if err := q.Parse(frame); err != nil {
		t.Fatal(err)
	}
	return wire.AppendReply(nil, &q, wire.TaskGet+wire.AckSuffix, wire.ReadResponse{Value: value})
}

func TestLargeReplies(t *testing.T) {
	sizes := []int{0, 100, readBuffer - 200, readBuffer, readBuffer + 1, firstChunk - 100, firstChunk, firstChunk + 1, 3*firstChunk + 7}
	value := func(key []byte) []byte { return bytes.Repeat(key[:1], sizes[key[0]]) }
	c, _ := connect(t, Options{}, func(r *peer.Request) { r.Reply(wire.ReadResponse{Value: value(hashKey(r))}) })
	for round := range 3 {
		errs := make(chan error, len(sizes))
		for i := range sizes {
			go func() {
				got, err := get(t.Context(), c, string([]byte{byte(i)}))
				if err == nil && got != string(value([]byte{byte(i)})) {
					err = errors.New("wrong value")
				}
				errs <- err
			}()
		}
		for range sizes {
			if err := <-errs; err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
}

// Two replies, in two writes that meet at each byte in turn.
func TestRepliesSplitAtEveryByte(t *testing.T) {
	size := len(reply(t, 0, []byte("first"))) + len(reply(t, 1, []byte("second")))
	for at := range size + 1 {
		synctest.Test(t, func(t *testing.T) {
			c, far := serve(t, Options{})
			go io.Copy(io.Discard, far)
			var values [2]string
			var wg sync.WaitGroup
			for i := range values {
				wg.Go(func() {
					v, err := get(t.Context(), c, "k")
					if err != nil {
						v = err.Error()
					}
					values[i] = v
				})
				synctest.Wait()
			}
			b := append(reply(t, 0, []byte("first")), reply(t, 1, []byte("second"))...)
			for _, part := range [][]byte{b[:at], b[at:]} {
				far.Write(part)
				synctest.Wait()
			}
			wg.Wait()
			if values != [2]string{"first", "second"} {
				t.Errorf("split at %d: %q", at, values)
			}
		})
	}
}

// An answer that is complete is delivered although a large one behind it is
// not, or what follows is garbage.
func TestAnswerInFrontOfTrouble(t *testing.T) {
	for name, behind := range map[string][]byte{
		"the start of a large reply": reply(t, 1, make([]byte, 2*readBuffer))[:readBuffer/2],
		"garbage":                    []byte("\x00\x00\x00\x64 this is not a reply................................................................................"),
		"an impossible length":       {0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, far := serve(t, Options{})
				go io.Copy(io.Discard, far)
				value := make(chan string, 1)
				go func() {
					v, err := get(context.Background(), c, "k")
					if err != nil {
						v = err.Error()
					}
					value <- v
				}()
				synctest.Wait()
				far.Write(append(reply(t, 0, []byte("whole")), behind...))
				if v := <-value; v != "whole" {
					t.Errorf("value %q", v)
				}
			})
		})
	}
}

// What does not follow the protocol ends the connection with an error that
// says so; the calls do not wait for their deadlines.
func TestGarbage(t *testing.T) {
	good := reply(t, 0, []byte("v"))
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for name, tc := range map[string]struct {
		bytes []byte
		text  string
	}{
		"HTTP":              {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "speaks HTTP"},
		"TLS alert":         {[]byte{0x15, 3, 1, 0, 2, 2, 70}, "speaks TLS"},
		"enormous length":   {change(func(b []byte) { binary.BigEndian.PutUint32(b, 1<<31) }), "2147483648 bytes"},
		"length zero":       {make([]byte, 100), "0 bytes"},
		"length of a stub":  {change(func(b []byte) { b[3] = 19 }), "19 bytes"},
		"error name length": {change(func(b []byte) { b[4] = 0x7f }), "bytes wanted"},
		"negative length":   {change(func(b []byte) { b[4] = 0xff }), "bytes wanted"},
		"a call, no reply":  {change(func(b []byte) { b[4+4+6+3] = 1 }), "type 1"},
		"message version":   {change(func(b []byte) { b[4+4+6+1] = 7 }), "version"},
		"a request":         {wire.AppendRequest(nil, wire.RequestHeader{}, wire.TaskGet, 0, wire.Key{}), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := connect(t, Options{}, func(r *peer.Request) { r.Send(tc.bytes) })
			_, err := get(t.Context(), c, "k")
			var re *Error
			if !errors.Is(err, wire.ErrMalformed) || !errors.As(err, &re) || !re.Sent || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v, want %q", err, tc.text)
			}
		})
	}
}

// A length alone costs no memory: the frame grows as its bytes come.
func TestLengthIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := serve(t, Options{})
		go io.Copy(io.Discard, far)
		errs := make(chan error, 1)
		go func() {
			_, err := get(context.Background(), c, "k")
			errs <- err
		}()
		synctest.Wait()
		b := make([]byte, readBuffer)
		binary.BigEndian.PutUint32(b, 200<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		far.Write(b)
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%d bytes allocated for a length and %d bytes", n, len(b))
		}
		start := time.Now()
		err := <-errs
		if !errors.Is(err, ErrStalled) {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d > 3*2*time.Second {
			t.Errorf("the stall in the middle of a reply was noticed after %v", d)
		}
	})
}

// A reply above the limit fails its call, but not the connection: calls before
// it and behind it get their answers. That holds wherever it ends.
func TestReplyLimit(t *testing.T) {
	for _, size := range []int{1000, readBuffer - 300, readBuffer, readBuffer + 1, 3*readBuffer + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var held []*peer.Request // answered together with the next large one
			c, _ := connect(t, Options{MaxReply: 1000}, func(r *peer.Request) {
				switch key := string(hashKey(r)); key {
				case "large":
					r.Reply(wire.ReadResponse{Value: make([]byte, size)})
					for _, h := range held {
						echo(h)
					}
					held = nil
				case "late":
					held = append(held, r)
				default:
					echo(r)
				}
			})
			for range 3 {
				late := make(chan error, 1)
				go func() {
					v, err := get(context.Background(), c, "late")
					if err == nil && v != "late" {
						err = fmt.Errorf("answer %q", v)
					}
					late <- err
				}()
				for pending(c) == 0 {
					runtime.Gosched()
				}
				_, err := get(t.Context(), c, "large")
				if !errors.Is(err, wire.ErrReplyTooLarge) || !strings.Contains(err.Error(), "limit 1000") {
					t.Errorf("error %v", err)
				}
				if v, err := get(t.Context(), c, "k"); v != "k" || err != nil {
					t.Errorf("the call after: %q, %v", v, err)
				}
				if err := <-late; err != nil {
					t.Errorf("the call behind: %v", err)
				}
			}
		})
	}
}

// The length of a large reply may be all that a peer says that does not speak
// the protocol. Nothing is read that far.
func TestReplyLimitOfGarbage(t *testing.T) {
	c, _ := connect(t, Options{}, func(r *peer.Request) {
		r.Send(append([]byte{0x20, 0, 0, 0}, make([]byte, 10_000)...))
	})
	if _, err := get(t.Context(), c, "k"); !errors.Is(err, wire.ErrMalformed) || !strings.Contains(err.Error(), "limit") {
		t.Errorf("error %v", err)
	}
	select {
	case <-c.Dead():
	case <-t.Context().Done():
	}
}

func TestUnknownErrorCode(t *testing.T) {
	c, _ := connect(t, Options{}, peer.Each(peer.Code("ERR_FROM_THE_FUTURE"), echo))
	if _, err := get(t.Context(), c, "k"); err != wire.ErrorCode("ERR_FROM_THE_FUTURE") {
		t.Errorf("error %v", err)
	}
	if v, err := get(t.Context(), c, "k"); v != "k" || err != nil {
		t.Errorf("the call after: %q, %v", v, err)
	}
}

// Any bytes from the server: each call ends, with its answer or an error.
func FuzzReplies(f *testing.F) {
	f.Add(reply(f, 0, []byte("v")), 3)
	f.Add(append(reply(f, 1, nil), reply(f, 0, make([]byte, 300))...), 100)
	f.Add([]byte("HTTP/1.1 200 OK\r\n"), 1)
	f.Add(reply(f, 0, make([]byte, readBuffer+10)), readBuffer)
	f.Fuzz(func(t *testing.T, b []byte, split int) {
		c, far := serve(t, Options{MaxReply: 1 << 20})
		go io.Copy(io.Discard, far)
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := get(context.Background(), c, "k")
				errs <- err
			}()
		}
		split = min(max(split, 0), len(b))
		far.Write(b[:split])
		far.Write(b[split:])
		far.Close()
		for range 2 {
			var re *Error
			var code wire.ErrorCode
			if err := <-errs; err != nil && !errors.As(err, &re) && !errors.As(err, &code) && !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("error %v", err)
			}
		}
		if n := pending(c); n != 0 {
			t.Errorf("%d calls are pending", n)
		}
	})
}

// A Call that is sent again has nothing left of the answer before. What Take has
// kept is not in the read buffer; a whole reply is the caller's.
func TestCallIsSentAgain(t *testing.T) {
	value := byte('a')
	c, _ := connect(t, Options{}, func(r *peer.Request) {
		if value == 'c' {
			r.Fail(wire.ErrBusy)
			return
		}
		r.Reply(wire.ReadResponse{Error: wire.Status(value), Value: []byte{value}})
	})
	cl := (*Pool)(nil).Call(wire.TaskGet)
	cl.Take = func(a *Answer, r *wire.Reader) {
		var resp wire.ReadResponse
		resp.Read(r)
		a.Status, a.Bytes = resp.Error, bytes.Clone(resp.Value)
	}
	do := func() {
		t.Helper()
		h := wire.RequestHeader{}
		err := c.Do(t.Context(), cl, time.Time{}, &h, func(dst []byte) []byte { return wire.AppendArgument(dst, wire.Key{}) })
		if err != nil || cl.Malformed != nil {
			t.Fatal(err, cl.Malformed)
		}
	}
	do()
	first := cl.Answer
	value = 'b'
	do()
	if string(first.Bytes) != "a" || string(cl.Bytes) != "b" || cl.Status != 'b' || cl.Reply.Size() != 0 {
		t.Errorf("first %+v, second %+v", first, cl.Answer)
	}
	value = 'c'
	do()
	if cl.Code != wire.ErrBusy || cl.Bytes != nil || cl.Status != 0 {
		t.Errorf("third %+v", cl.Answer)
	}
	value, cl.Take = 'd', nil
	do()
	whole := cl.Reply
	value = 'e'
	do()
	if r := whole.ResultReader(wire.TypeStruct); cl.Code != wire.ErrOK || !bytes.Contains(r.Rest(), []byte("d")) {
		t.Errorf("whole reply %+v", whole)
	}
}
