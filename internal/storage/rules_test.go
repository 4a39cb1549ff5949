package storage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/schema"
	"pgregory.net/rapid"
)

func TestParseOperationsRefused(t *testing.T) {
	const deleteAll = `{"ops":[{"type":"COT_DELETE","params":"","rules":[%s]}]}`
	const update = `{"ops":[{"type":"COT_UPDATE_TTL","params":%q,"rules":[{"type":"FRT_TTL_RANGE","params":"{\"start_ttl\":0,\"stop_ttl\":0}"}]}]}`
	rule := func(typ, params string) string {
		return fmt.Sprintf(deleteAll, fmt.Sprintf(`{"type":%q,"params":%q}`, typ, params))
	}
	for _, tc := range []struct{ text, want string }{
		{"test", "invalid character"},
		{"{}", `no "ops"`},
		{`{"ops":7}`, "cannot unmarshal"},
		{`{"ops":[{"type":"COT_INVALID"}]}`, `operation 0: unknown type "COT_INVALID"`},
		{fmt.Sprintf(deleteAll, ""), "no rules"},
		{fmt.Sprintf(update, "{}"), `no "value"`},
		{fmt.Sprintf(update, `{"type":"UTOT_FROM_CURRENT","value_xxx":2000}`), `no "value"`},
		{fmt.Sprintf(update, `{"type":"UTOT_LATER","value":1}`), `unknown type "UTOT_LATER"`},
		{fmt.Sprintf(update, `{"type":"UTOT_FROM_NOW","value":-1}`), "cannot unmarshal"},
		{fmt.Sprintf(update, `{"type":"UTOT_FROM_NOW","value":4294967296}`), "cannot unmarshal"},
		{rule("FRT_OTHER", "{}"), `operation 0: rule 0: unknown type "FRT_OTHER"`},
		{rule("FRT_HASHKEY_PATTERN", "nonsense"), "invalid character"},
		{rule("FRT_HASHKEY_PATTERN", `{"match_type":"SMT_MATCH_PREFIX"}`), `no "pattern"`},
		{rule("FRT_SORTKEY_PATTERN", `{"pattern":"p","match_type":"SMT_MATCH"}`), `unknown match_type "SMT_MATCH"`},
		{rule("FRT_SORTKEY_PATTERN", `{"pattern":"p"}`), `unknown match_type ""`},
		{rule("FRT_TTL_RANGE", `{"start_ttl":1}`), "are needed"},
		{rule("FRT_TTL_RANGE", `{"start_ttl":1,"stop_ttl":1.5}`), "cannot unmarshal"},
		{rule("FRT_TTL_RANGE", `{"start_ttl":4294967295,"stop_ttl":1}`), "is above"},
		{"{\"ops\":\"\xff\"}", "UTF-8"},
	} {
		if _, err := ParseOperations(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
	if ops, err := ParseOperations(""); len(ops) != 0 || err != nil {
		t.Errorf("empty text: %v, %v", ops, err)
	}
}

// The operations of the official tools' documentation.
func TestOperations(t *testing.T) {
	const now = 1000
	for _, tc := range []struct {
		name, op, params, rules string // rules are type=params, separated by |
		hashKey, sortKey        string
		expire, want            uint32
		remove                  bool
	}{
		{name: "prefix", op: "COT_DELETE", rules: `FRT_HASHKEY_PATTERN={"pattern":"hash","match_type":"SMT_MATCH_PREFIX"}`, hashKey: "hash1", remove: true},
		{name: "no prefix", op: "COT_DELETE", rules: `FRT_HASHKEY_PATTERN={"pattern":"hash","match_type":"SMT_MATCH_PREFIX"}`, hashKey: "1hash", expire: 5, want: 5},
		{name: "postfix", op: "COT_DELETE", rules: `FRT_SORTKEY_PATTERN={"pattern":"x","match_type":"SMT_MATCH_POSTFIX"}`, sortKey: "ax", remove: true},
		{name: "anywhere", op: "COT_DELETE", rules: `FRT_SORTKEY_PATTERN={"pattern":"x","match_type":"SMT_MATCH_ANYWHERE"}`, sortKey: "axb", remove: true},
		{name: "empty pattern", op: "COT_DELETE", rules: `FRT_SORTKEY_PATTERN={"pattern":"","match_type":"SMT_MATCH_ANYWHERE"}`, sortKey: "axb"},
		{name: "one rule of two", op: "COT_DELETE", rules: `FRT_SORTKEY_PATTERN={"pattern":"x","match_type":"SMT_MATCH_ANYWHERE"}|FRT_TTL_RANGE={"start_ttl":1,"stop_ttl":2}`, sortKey: "x"},
		{name: "no expiry", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`, remove: true},
		{name: "expires now", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`, expire: now, remove: true},
		{name: "expires later", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`, expire: now + 1, want: now + 1},
		{name: "range start", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":10,"stop_ttl":20}`, expire: now + 10, remove: true},
		{name: "range stop", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":10,"stop_ttl":20}`, expire: now + 20, remove: true},
		{name: "range beyond the last expiry", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":4294967290,"stop_ttl":4294967295}`, expire: now + 1, want: now + 1},
		{name: "past range", op: "COT_DELETE", rules: `FRT_TTL_RANGE={"start_ttl":10,"stop_ttl":20}`, expire: now + 21, want: now + 21},
		{name: "from now", op: "COT_UPDATE_TTL", params: `{"type":"UTOT_FROM_NOW","value":50}`, rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`, want: now + 50},
		{name: "from current", op: "COT_UPDATE_TTL", params: `{"type":"UTOT_FROM_CURRENT","value":50}`, rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":100}`, expire: now + 30, want: now + 80},
		{name: "from none", op: "COT_UPDATE_TTL", params: `{"type":"UTOT_FROM_CURRENT","value":50}`, rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`},
		{name: "timestamp", op: "COT_UPDATE_TTL", params: fmt.Sprintf(`{"type":"UTOT_TIMESTAMP","value":%d}`, schema.Epoch+77), rules: `FRT_TTL_RANGE={"start_ttl":0,"stop_ttl":0}`, want: 77},
	} {
		var rules []map[string]string
		for _, r := range strings.Split(tc.rules, "|") {
			typ, params, _ := strings.Cut(r, "=")
			rules = append(rules, map[string]string{"type": typ, "params": params})
		}
		text, _ := json.Marshal(map[string]any{"ops": []any{map[string]any{"type": tc.op, "params": tc.params, "rules": rules}}})
		ops, err := ParseOperations(string(text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if expire, remove := ops.apply([]byte(tc.hashKey), []byte(tc.sortKey), tc.expire, now); remove != tc.remove || expire != tc.want {
			t.Errorf("%s: expire %d, removed %v, want %d, %v", tc.name, expire, remove, tc.want, tc.remove)
		}
	}
}

// drawOperations returns the JSON of some operations on short keys of the letters a and b, and the
// same as a function that is written down independently: it returns false for a record that goes.
func drawOperations(rt *rapid.T) (text string, model func(r record, now uint32) (uint32, bool)) {
	type step struct {
		rules  []func(r record, now uint32) bool
		update func(expire, now uint32) uint32 // nil: remove
	}
	var steps []step
	var ops []any
	for range rapid.IntRange(0, 3).Draw(rt, "operations") {
		var s step
		op := map[string]any{"type": "COT_DELETE", "params": ""}
		if rapid.Bool().Draw(rt, "update") {
			op["type"] = "COT_UPDATE_TTL"
			kind := rapid.SampledFrom([]string{"UTOT_FROM_NOW", "UTOT_FROM_CURRENT", "UTOT_TIMESTAMP"}).Draw(rt, "type")
			value := rapid.Uint32Range(0, 200).Draw(rt, "value")
			stated := value
			switch kind {
			case "UTOT_FROM_NOW":
				s.update = func(_, now uint32) uint32 { return now + value }
			case "UTOT_FROM_CURRENT":
				s.update = func(expire, _ uint32) uint32 {
					if expire > 0 {
						expire += value
					}
					return expire
				}
			default:
				value += testNow
				stated = value + schema.Epoch
				s.update = func(_, _ uint32) uint32 { return value }
			}
			op["params"] = fmt.Sprintf(`{"type":%q,"value":%d}`, kind, stated)
		}
		var rules []any
		for range rapid.IntRange(1, 2).Draw(rt, "rules") {
			typ := rapid.SampledFrom([]string{"FRT_HASHKEY_PATTERN", "FRT_SORTKEY_PATTERN", "FRT_TTL_RANGE"}).Draw(rt, "rule")
			var params string
			if typ == "FRT_TTL_RANGE" {
				from := rapid.Uint32Range(0, 100).Draw(rt, "start")
				to := rapid.Uint32Range(from, 100).Draw(rt, "stop")
				params = fmt.Sprintf(`{"start_ttl":%d,"stop_ttl":%d}`, from, to)
				s.rules = append(s.rules, func(r record, now uint32) bool {
					if r.expire == 0 {
						return from == 0 && to == 0
					}
					return r.expire >= now+from && r.expire <= now+to
				})
			} else {
				pattern := rapid.StringMatching("[ab]{0,2}").Draw(rt, "pattern")
				match := rapid.SampledFrom([]string{"ANYWHERE", "PREFIX", "POSTFIX"}).Draw(rt, "match")
				params = fmt.Sprintf(`{"pattern":%q,"match_type":"SMT_MATCH_%s"}`, pattern, match)
				s.rules = append(s.rules, func(r record, _ uint32) bool {
					h, k, _ := schema.SplitKey([]byte(r.key))
					subject := string(h)
					if typ == "FRT_SORTKEY_PATTERN" {
						subject = string(k)
					}
					return pattern != "" && (match == "ANYWHERE" && strings.Contains(subject, pattern) ||
						match == "PREFIX" && strings.HasPrefix(subject, pattern) ||
						match == "POSTFIX" && strings.HasSuffix(subject, pattern))
				})
			}
			rules = append(rules, map[string]any{"type": typ, "params": params})
		}
		op["rules"] = rules
		ops = append(ops, op)
		steps = append(steps, s)
	}
	if ops == nil {
		return "", func(r record, _ uint32) (uint32, bool) { return r.expire, true }
	}
	b, _ := json.Marshal(map[string]any{"ops": ops})
	return string(b), func(r record, now uint32) (uint32, bool) {
		result := r.expire
	next:
		for _, s := range steps {
			for _, match := range s.rules {
				if !match(r, now) {
					continue next
				}
			}
			if s.update == nil {
				return 0, false
			}
			if r.expire > 0 || s.update(0, now) > 0 {
				result = s.update(r.expire, now)
			}
		}
		return result, true
	}
}

func FuzzParseOperations(f *testing.F) {
	f.Add("")
	f.Add(`{"ops":[{"type":"COT_DELETE","params":"","rules":[{"type":"FRT_HASHKEY_PATTERN","params":"{\"pattern\":\"a\",\"match_type\":\"SMT_MATCH_PREFIX\"}"}]}]}`)
	f.Add(`{"ops":[{"type":"COT_UPDATE_TTL","params":"{\"type\":\"UTOT_FROM_NOW\",\"value\":10}","rules":[{"type":"FRT_TTL_RANGE","params":"{\"start_ttl\":0,\"stop_ttl\":0}"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		ops, err := ParseOperations(text)
		if err != nil && ops != nil {
			t.Errorf("operations beside %v", err)
		}
		ops.apply([]byte("h"), []byte("s"), 1, testNow)
	})
}
