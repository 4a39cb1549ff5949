package pegasus

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// Any text as configuration: it is refused, or makes a client or an error that
// names a field, and comes back from its JSON form.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"meta_servers": ["0.0.0.0:34601", "0.0.0.0:34602"]}`))
	f.Add([]byte(`{"meta_servers": ["[::1]:34601"], "operation_timeout": "2s", "dial_timeout": "500ms"}`))
	f.Add([]byte(`{"meta_servers": ["host"], "operation_timeout": "-1h", "unknown": {}}`))
	f.Add([]byte(`{"meta_servers": null, "dial_timeout": 5}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var cfg Config
		if json.Unmarshal(text, &cfg) != nil {
			return
		}
		c, err := New(cfg)
		var ae *ArgumentError
		switch {
		case err == nil:
			c.Close()
		case !errors.As(err, &ae):
			t.Errorf("%q: %v", text, err)
		}
		b, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var again Config
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(again, cfg) {
			t.Errorf("%q became %s: %+v, %v", text, b, again, err)
		}
	})
}
