package conformance

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func readCases(t *testing.T) []Case {
	t.Helper()
	f, err := os.Open("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases, err := ReadCases(f)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestCasesCanBeSent builds the request of every step of every case.
func TestCasesCanBeSent(t *testing.T) {
	cases := readCases(t)
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		seen[c.ID] = true
		steps := append([]Step{}, c.Given...)
		steps = append(steps, c.Op)
		for _, check := range c.Then {
			steps = append(steps, check.Op)
		}
		s := &scope{vars: map[string]any{"$APP_ID": int64(5)}, replicas: 1, table: "p_t", prefix: "p_"}
		tbl := &table{name: "p_t", id: 5, primaries: []string{"a:1", "b:2", "c:3"}}
		for _, step := range steps {
			var q *Request
			var err error
			if strings.HasPrefix(step.RPC, "meta.") {
				def := rpcNamed(step.RPC)
				if def == nil {
					t.Fatalf("%s: %s is not in the interface", c.ID, step.RPC)
				}
				q = &Request{Code: def.code}
				q.Arg, err = s.structure(def.arg.def, step.Args)
			} else {
				q, err = s.request(tbl, step)
			}
			if err == nil {
				_, err = AppendRequest(nil, q)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", c.ID, step.RPC, err)
			}
			for variable := range step.Save {
				s.vars[variable] = int64(9)
			}
		}
	}
}

func TestRequestSugar(t *testing.T) {
	tbl := &table{id: 3, primaries: make([]string, 8)}
	s := &scope{vars: map[string]any{"ctx": int64(1 << 33)}, prefix: "p_"}
	for name, c := range map[string]struct {
		step string
		want Request
	}{
		"key": {
			`{"rpc":"get","args":{"hash_key":"hash_key","sort_key":"sort_key"}}`,
			Request{Code: "RPC_RRDB_RRDB_GET", PartitionIndex: 5, PartitionHash: 7305998816215738733, Arg: []byte("\x00\x08hash_keysort_key")},
		},
		"key without hash key goes by its sort key": {
			`{"rpc":"remove","args":{"hash_key":"","sort_key":"a"}}`,
			Request{Code: "RPC_RRDB_RRDB_REMOVE", PartitionIndex: 4, PartitionHash: 10101437924136188988, Arg: []byte("\x00\x00a")},
		},
		"another partition gets no hash": {
			`{"rpc":"ttl","args":{"hash_key":"b","sort_key":"","route":{"other_partition_of":"b"}}}`,
			Request{Code: "RPC_RRDB_RRDB_TTL", PartitionIndex: 0, Arg: []byte("\x00\x01b")},
		},
		"raw key, partition, app id": {
			`{"rpc":"get","args":{"raw_key":{"hex":"00"},"route":{"partition":-1,"app_id":0}}}`,
			Request{Code: "RPC_RRDB_RRDB_GET", AppID: -3, PartitionIndex: -1, Arg: []byte{0}},
		},
		"generated": {
			`{"rpc":"multi_remove","args":{"hash_key":{"rep":"a","n":1},"sort_keys":{"gen":2,"key":"k%02d"}}}`,
			Request{
				Code: "RPC_RRDB_RRDB_MULTI_REMOVE", PartitionIndex: 4, PartitionHash: 10101437924136188988,
				Arg: Struct{"hash_key": []byte("a"), "sort_keys": []any{[]byte("k00"), []byte("k01")}, "max_count": int64(0)},
			},
		},
		"variable": {
			`{"rpc":"scan","args":{"context_id":{"var":"ctx"},"route":{"hash_key":"b"}}}`,
			Request{Code: "RPC_RRDB_RRDB_SCAN", PartitionIndex: 7, Arg: Struct{"context_id": int64(1 << 33)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.request(tbl, parseStep(t, c.step))
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got.Arg, c.want.Arg) {
				t.Errorf("argument %v, want %v", got.Arg, c.want.Arg)
			}
			wantApp := 3 + c.want.AppID
			if got.Code != c.want.Code || got.AppID != wantApp || got.PartitionIndex != c.want.PartitionIndex ||
				got.PartitionHash != c.want.PartitionHash || got.ThreadHash != wantApp*7919+c.want.PartitionIndex {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestRequestRefusesUnknownFields(t *testing.T) {
	tbl := &table{id: 3, primaries: make([]string, 8)}
	s := &scope{}
	for _, step := range []string{
		`{"rpc":"get","args":{"hash_key":"a","sort_key":"b","typo":1}}`,
		`{"rpc":"multi_get","args":{"hash_key":"a","max_kv_cuont":1}}`,
		`{"rpc":"get","args":{"hash_key":"a","sort_key":"b","route":{"planet":3}}}`,
		`{"rpc":"scan","args":{"context_id":{"var":"unsaved"}}}`,
		`{"rpc":"put","args":{"hash_key":"a","sort_key":"b","value":7}}`,
		`{"rpc":"multi_get","args":{"hash_key":"a","sort_key_filter_type":"FT_NO_SUCH"}}`,
		`{"rpc":"no_such","args":{}}`,
	} {
		if q, err := s.request(tbl, parseStep(t, step)); err == nil {
			t.Errorf("%s became %+v", step, q)
		}
	}
}

func parseStep(t *testing.T, text string) Step {
	t.Helper()
	var step Step
	parseNumbers(t, text, &step)
	return step
}

func parseNumbers(t *testing.T, text string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestSkip(t *testing.T) {
	for _, c := range []struct {
		c    Case
		t    Target
		skip bool
	}{
		{Case{}, Target{}, false},
		{Case{Targets: []string{"embedded"}}, Target{}, true},
		{Case{Targets: []string{"embedded"}}, Target{Embedded: true}, false},
		{Case{Since: "2.4"}, Target{}, false},
		{Case{Since: "2.4"}, Target{Version: "2.3"}, true},
		{Case{Since: "2.4"}, Target{Version: "master"}, false},
		{Case{Until: "2.5"}, Target{Version: "2.5"}, false},
		{Case{Until: "2.5"}, Target{Version: "master"}, true},
	} {
		if got := c.c.Skip(c.t); (got != "") != c.skip {
			t.Errorf("%+v against %+v: skip %q", c.c, c.t, got)
		}
	}
}

func TestMatch(t *testing.T) {
	answer := Struct{
		"error": int64(7), "err": "ERR_OK", "value": []byte("v\x00"), "done": true, "app_name": "p_t", "context_id": int64(-3),
		"status": int64(6), "primary": Address(0x7f00000187290001), "none": Address(0), "text": "",
		"envs":  []Pair{{"a", "1"}},
		"kvs":   []any{Struct{"key": []byte("k"), "n": int64(1)}, Struct{"key": []byte("l"), "n": int64(2)}},
		"empty": []any{},
	}
	s := &scope{vars: map[string]any{"x": int64(7)}, replicas: 7, table: "p_t", prefix: "p_"}
	for _, c := range []struct {
		matches, differs string // expectations
	}{
		{`{"error":7}`, `{"error":0}`},
		{`{"err":"ERR_OK"}`, `{"err":"ERR_BUSY"}`},
		{`{"err":{"in":["ERR_BUSY","ERR_OK"]}}`, `{"err":{"in":["ERR_BUSY"]}}`},
		{`{"error":{"var":"x"}}`, `{"context_id":{"var":"x"}}`},
		{`{"error":{"gt":6,"le":7}}`, `{"error":{"gt":6,"le":6}}`},
		{`{"error":{"ge":7}}`, `{"error":{"lt":7}}`},
		{`{"error":{"eq":{"var":"x"}}}`, `{"error":{"ne":{"var":"x"}}}`},
		{`{"error":"$REPLICAS"}`, `{"context_id":"$REPLICAS"}`},
		{`{"status":"AS_DROPPED"}`, `{"status":"AS_AVAILABLE"}`},
		{`{"value":{"hex":"7600"}}`, `{"value":"v"}`},
		{`{"done":true}`, `{"done":false}`},
		{`{"app_name":"t"}`, `{"app_name":"p_t"}`},
		{`{"app_name":"$TABLE"}`, `{"app_name":"u"}`},
		{`{"context_id":{"live":true}}`, `{"error":{"live":false}}`},
		{`{"primary":{"nonempty":true}}`, `{"none":{"nonempty":true}}`},
		{`{"err":{"nonempty":true}}`, `{"text":{"nonempty":true}}`},
		{`{"gone":{"absent":true}}`, `{"error":{"absent":true}}`},
		{`{"error":{"ge":0}}`, `{"gone":0}`},
		{`{"kvs_len":2}`, `{"kvs_len":3}`},
		{`{"envs":{"a":"1"}}`, `{"envs":{"a":"1","b":"2"}}`},
		{`{"empty":[]}`, `{"envs":{}}`},
		{`{"kvs":[{"key":"k"},{"n":2}]}`, `{"kvs":[{"key":"k"}]}`},
		{`{"kvs":[{"key":"k","n":1},{"key":"l"}]}`, `{"kvs":[{"key":"l"},{"key":"k"}]}`},
		{`{"kvs":{"contains":{"n":2}}}`, `{"kvs":{"contains":{"n":3}}}`},
		{`{"kvs":{"not_contains":{"n":3}}}`, `{"kvs":{"not_contains":{"n":2}}}`},
		{`{"kvs":{"all":{"n":{"gt":0}}}}`, `{"kvs":{"all":{"n":{"gt":1}}}}`},
	} {
		var want map[string]any
		parseNumbers(t, c.matches, &want)
		if err := s.matchFields(want, answer); err != nil {
			t.Errorf("%s: %v", c.matches, err)
		}
		want = nil
		parseNumbers(t, c.differs, &want)
		if s.matchFields(want, answer) == nil {
			t.Errorf("%s is taken for equal", c.differs)
		}
	}
	if err := s.matchFields(map[string]any{"error": map[string]any{"typo": true}}, answer); err == nil {
		t.Error("an unknown predicate holds")
	}
}

// What may end a process of a real cluster is sent to none unless that is asked for.
func TestRisky(t *testing.T) {
	risky := 0
	for _, c := range readCases(t) {
		if len(c.Targets) > 0 || c.Until != "" {
			continue
		}
		if c.Risky() {
			risky++
		}
		if (c.Skip(Target{}) != "") != c.Risky() || c.Skip(Target{Risky: true}) != "" || c.Skip(Target{Embedded: true}) != "" {
			t.Errorf("%s, risky %v: %q, %q", c.ID, c.Risky(), c.Skip(Target{}), c.Skip(Target{Risky: true}))
		}
	}
	if risky < 5 {
		t.Errorf("%d risky cases", risky)
	}
}
