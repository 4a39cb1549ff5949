package wire

import "testing"

// A server looks at the size of a request's list before it decodes it.
func TestListLen(t *testing.T) {
	keys := make([][]byte, 7)
	for name, tc := range map[string]struct {
		arg  Message
		want int
	}{
		"multi_get":        {MultiGetRequest{HashKey: []byte("h"), SortKeys: keys}, 7},
		"multi_get, range": {MultiGetRequest{HashKey: []byte("h")}, 0},
		"batch_get":        {BatchGetRequest{Keys: make([]FullKey, 5)}, 5},
		"multi_put":        {MultiPutRequest{HashKey: []byte("h"), KVs: make([]KeyValue, 3)}, 3},
		"multi_remove":     {MultiRemoveRequest{HashKey: []byte("h"), SortKeys: keys}, 7},
		"check_and_mutate": {CheckAndMutateRequest{HashKey: []byte("h"), Mutates: make([]Mutate, 2)}, 2},
		"get":              {ContextID(1), 0},
	} {
		b := tc.arg.AppendValue(nil)
		if got := ListLen(NewReader(b)); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
		for i := range b { // cut off, it is bad and does not panic
			ListLen(NewReader(b[:i]))
		}
	}
	if n := ListLen(NewReader([]byte{TypeList, 0, 1, TypeStruct, 0x7f, 0xff, 0xff, 0xff})); n != 0 {
		t.Errorf("a list that cannot be there has %d elements", n)
	}
}
