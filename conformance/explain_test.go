package conformance

import (
	"fmt"
	"testing"
)

func TestFields(t *testing.T) {
	q := &Request{Code: "RPC_RRDB_RRDB_MULTI_GET", Arg: completed(iface.types["multi_get_request"].def, Struct{
		"hash_key": []byte("h"), "sort_keys": []any{[]byte("a"), []byte("b")}, "sort_key_filter_type": int64(2), "reverse": true,
	})}
	got := ""
	for _, f := range q.Fields() {
		if f.Path != "start_sortkey" && f.Path != "stop_sortkey" {
			got += fmt.Sprintf("%s %s %v %s\n", f.Path, f.Type, f.Value, f.Name)
		}
	}
	want := `hash_key blob [104] 
sort_keys[0] blob [97] 
sort_keys[1] blob [98] 
max_kv_count i32 0 
max_kv_size i32 0 
no_value bool false 
start_inclusive bool false 
stop_inclusive bool false 
sort_key_filter_type filter_type 2 FT_MATCH_PREFIX
sort_key_filter_pattern blob [] 
reverse bool true 
`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p := &Response{Code: "RPC_CM_QUERY_APP_INFO", Result: Struct{}}
	if f := p.Fields(); f != nil {
		t.Errorf("an empty result has %v", f)
	}
	if f := (&Request{Code: "RPC_NONE"}).Fields(); f != nil {
		t.Errorf("an unknown procedure has %v", f)
	}
}
