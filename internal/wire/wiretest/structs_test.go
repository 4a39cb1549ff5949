package wiretest

import (
	"reflect"
	"strings"
	"testing"
)

func TestStructsAreAllCovered(t *testing.T) {
	parts := make(map[string]bool)
	var visit func(typ string)
	visit = func(typ string) {
		if strings.Contains(typ, "<") {
			_, _, elem := Container(typ)
			visit(elem)
			return
		}
		parts[typ] = true
		for _, f := range IDL()[typ] {
			visit(f.Type)
		}
	}
	covered := make(map[reflect.Type]bool)
	for name, newCodec := range Structs {
		visit(name)
		covered[ValueOf(newCodec()).Type()] = true
	}
	for name := range IDL() {
		if !parts[name] {
			t.Errorf("%s is in no test", name)
		}
	}
	for task, rpc := range RPCs {
		for _, newCodec := range []func() Codec{rpc.Arg, rpc.Result} {
			if newCodec == nil {
				continue
			}
			if typ := ValueOf(newCodec()).Type(); typ.Kind() == reflect.Struct && !covered[typ] {
				t.Errorf("%v of %s is in no test", typ, task)
			}
		}
	}
}
