package conformance

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"testing"
)

// frameVector is a frame of vectors.json or frames-real.json.
type frameVector struct {
	Name      string
	Direction string
	Hex       string
	Decoded   map[string]any
}

// decodeFrame decodes the frame of v and returns how to encode it again.
func decodeFrame(t *testing.T, v frameVector) (decoded any, encode func() ([]byte, error)) {
	t.Helper()
	raw, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if v.Direction == "request" {
		q, err := DecodeRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		return q, func() ([]byte, error) { return AppendRequest(nil, q) }
	}
	p, err := DecodeResponse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p, func() ([]byte, error) { return AppendResponse(nil, p) }
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func readFrames(t *testing.T) (vectors, captured []frameVector) {
	t.Helper()
	var file struct{ Frames []frameVector }
	readJSON(t, "testdata/vectors.json", &file)
	readJSON(t, "testdata/frames-real.json", &captured)
	if len(file.Frames) != 158 || len(captured) != 148 {
		t.Fatalf("%d vectors and %d captured frames, want 158 and 148", len(file.Frames), len(captured))
	}
	return file.Frames, captured
}

func TestFramesReencodeToSameBytes(t *testing.T) {
	vectors, captured := readFrames(t)
	t.Logf("%d vectors of the official codecs, %d frames of a real server", len(vectors), len(captured))
	for _, v := range append(vectors, captured...) {
		t.Run(v.Direction+" "+v.Name, func(t *testing.T) {
			_, encode := decodeFrame(t, v)
			got, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got) != v.Hex {
				t.Errorf("re-encoded to\n%x, want\n%s", got, v.Hex)
			}
		})
	}
}

// TestVectorsDecodeAsDocumented compares every field of every vector with its documented decoded form.
func TestVectorsDecodeAsDocumented(t *testing.T) {
	vectors, _ := readFrames(t)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			switch f, _ := decodeFrame(t, v); f := f.(type) {
			case *Request:
				if name := nested(v.Decoded, "message", "name"); name != nil && name != f.Code {
					t.Errorf("code %s, want %s", f.Code, name)
				}
				if args, ok := v.Decoded["args"].(map[string]any); ok {
					def := iface.rpcs[f.Code]
					compareDocumented(t, documented(def.arg, f.Arg), onlyValue(args))
				}
			case *Response:
				if e := v.Decoded["error"]; e != nil && e != f.Error {
					t.Errorf("error %s, want %s", f.Error, e)
				}
				result, ok := v.Decoded["result"].(map[string]any)
				if ok != (f.Result != nil) {
					t.Fatalf("result %v, want %v", f.Result, v.Decoded["result"])
				}
				if ok {
					compareDocumented(t, documented(iface.rpcs[f.Code].result, f.Result), onlyValue(result))
				}
			}
		})
	}
}

// TestTruncatedFramesAreErrors cuts every frame at every length: an error each time, never a panic or a silent success.
func TestTruncatedFramesAreErrors(t *testing.T) {
	vectors, captured := readFrames(t)
	for _, v := range append(vectors, captured...) {
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		for n := range raw {
			var err error
			if v.Direction == "request" {
				_, err = DecodeRequest(raw[:n])
			} else {
				_, err = DecodeResponse(raw[:n])
			}
			if err == nil {
				t.Fatalf("%s %s: the first %d of %d bytes decode", v.Direction, v.Name, n, len(raw))
			}
		}
	}
}

func nested(m map[string]any, keys ...string) any {
	var v any = m
	for _, k := range keys {
		inner, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = inner[k]
	}
	return v
}

// onlyValue returns the value of a documented one-field struct; the field's name differs between producers.
func onlyValue(m map[string]any) any {
	for _, v := range m {
		return v
	}
	return nil
}

// documented turns a value into the form that vectors.json uses for it, with every number as decimal text.
func documented(t *typ, v any) any {
	switch v := v.(type) {
	case Struct:
		m := map[string]any{}
		for _, f := range t.def.fields {
			if fv, ok := v[f.name]; ok {
				m[fmt.Sprintf("%d:%s", f.id, f.name)] = documented(f.typ, fv)
			}
		}
		return m
	case []any:
		list := []any{}
		for _, e := range v {
			list = append(list, documented(t.elem, e))
		}
		return list
	case []Pair:
		m := map[string]any{}
		for _, p := range v {
			m[fmt.Sprint(p.Key)] = documented(t.elem, p.Value)
		}
		return m
	case []byte:
		return map[string]any{"blob_hex": hex.EncodeToString(v)}
	case Address:
		if v == 0 {
			return map[string]any{"addr": "0.0.0.0:0", "raw_hex": "0000000000000000"}
		}
		return map[string]any{"addr": v.String(), "raw_hex": fmt.Sprintf("%016x", uint64(v))}
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return v
	default:
		return fmt.Sprint(v)
	}
}

var namedNumber = regexp.MustCompile(`^\w+\((-?\d+)\)$`)

// plainNumbers replaces json numbers and "NAME(1)" by decimal text.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	case json.Number:
		return v.String()
	case string:
		if m := namedNumber.FindStringSubmatch(v); m != nil {
			return m[1]
		}
	}
	return v
}

func compareDocumented(t *testing.T, got, want any) {
	t.Helper()
	if want = plainNumbers(want); !reflect.DeepEqual(got, want) {
		t.Errorf("decoded as\n%v, want\n%v", got, want)
	}
}
