package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// Operations are what a compaction does with records that match rules: the environment
// user_specified_compaction of a table.
type Operations []operation

// An operation applies to the records that all of its rules match. It removes them if it has no change.
type operation struct {
	rules  []rule
	change change
}

// A rule matches records. expire is the stored expiry timestamp, now the time.
type rule func(hashKey, sortKey []byte, expire, now uint32) bool

// A change returns the new expiry timestamp of a record, unless it leaves the record alone.
type change func(expire, now uint32) (newExpire uint32, ok bool)

// ParseOperations reads operations in the JSON that Pegasus has for them:
//
//	{"ops": [{"type": "COT_DELETE", "params": "", "rules": [...]}, ...]}
//
// An operation is COT_DELETE, or COT_UPDATE_TTL with params {"type": t, "value": v}: UTOT_FROM_NOW lets
// records expire v seconds from now, UTOT_FROM_CURRENT v seconds later than they would (if ever), and
// UTOT_TIMESTAMP at the unix time v. Its rules, one at least, are
//
//	FRT_HASHKEY_PATTERN, FRT_SORTKEY_PATTERN  {"pattern": p, "match_type": m}
//	FRT_TTL_RANGE                             {"start_ttl": a, "stop_ttl": b}
//
// where m is SMT_MATCH_ANYWHERE, SMT_MATCH_PREFIX or SMT_MATCH_POSTFIX, and an empty pattern matches
// nothing. A range matches records that expire from a to b seconds from now, and if both are 0 those
// that do not expire. All params are JSON texts inside the JSON, numbers are unsigned of 32 bits.
//
// Where a Pegasus server leaves out what it does not understand, and so may do more than was meant, the
// whole text is refused here. The empty text has no operations.
func ParseOperations(text string) (Operations, error) {
	if text == "" {
		return nil, nil
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("not valid UTF-8")
	}
	var doc struct {
		Ops *[]struct {
			typedParams
			Rules []typedParams `json:"rules"`
		} `json:"ops"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	if doc.Ops == nil {
		return nil, errors.New(`no "ops"`)
	}
	var ops Operations
	for i, o := range *doc.Ops {
		op, err := parseOperation(o.typedParams, o.Rules)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// typedParams is how the JSON has operations and rules.
type typedParams struct {
	Type   string `json:"type"`
	Params string `json:"params"` // JSON in turn
}

func parseOperation(o typedParams, rules []typedParams) (op operation, err error) {
	switch o.Type {
	case "COT_DELETE": // which has no params
	case "COT_UPDATE_TTL":
		op.change, err = parseUpdateTTL(o.Params)
	default:
		err = fmt.Errorf("unknown type %q", o.Type)
	}
	if err != nil {
		return operation{}, err
	}
	if len(rules) == 0 {
		return operation{}, errors.New("no rules")
	}
	for i, r := range rules {
		parsed, err := parseRule(r)
		if err != nil {
			return operation{}, fmt.Errorf("rule %d: %w", i, err)
		}
		op.rules = append(op.rules, parsed)
	}
	return op, nil
}

func parseUpdateTTL(text string) (change, error) {
	var params struct {
		Type  string  `json:"type"`
		Value *uint32 `json:"value"`
	}
	if err := json.Unmarshal([]byte(text), &params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	if params.Value == nil {
		return nil, errors.New(`params: no "value"`)
	}
	value := *params.Value
	switch params.Type {
	case "UTOT_FROM_NOW":
		return func(_, now uint32) (uint32, bool) { return now + value, true }, nil
	case "UTOT_FROM_CURRENT":
		return func(expire, _ uint32) (uint32, bool) { return expire + value, expire != 0 }, nil
	case "UTOT_TIMESTAMP":
		// Like any timestamp it wraps: one before the epoch is in the far future.
		return func(uint32, uint32) (uint32, bool) { return value - schema.Epoch, true }, nil
	}
	return nil, fmt.Errorf("params: unknown type %q", params.Type)
}

func parseRule(r typedParams) (rule, error) {
	switch r.Type {
	case "FRT_HASHKEY_PATTERN":
		match, err := parsePattern(r.Params)
		return func(hashKey, _ []byte, _, _ uint32) bool { return match(hashKey) }, err
	case "FRT_SORTKEY_PATTERN":
		match, err := parsePattern(r.Params)
		return func(_, sortKey []byte, _, _ uint32) bool { return match(sortKey) }, err
	case "FRT_TTL_RANGE":
		return parseTTLRange(r.Params)
	}
	return nil, fmt.Errorf("unknown type %q", r.Type)
}

func parsePattern(text string) (match func([]byte) bool, err error) {
	var params struct {
		Pattern *string `json:"pattern"`
		Match   string  `json:"match_type"`
	}
	if err := json.Unmarshal([]byte(text), &params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	if params.Pattern == nil {
		return nil, errors.New(`params: no "pattern"`)
	}
	pattern := []byte(*params.Pattern)
	compare, ok := map[string]func(s, pattern []byte) bool{
		"SMT_MATCH_ANYWHERE": bytes.Contains,
		"SMT_MATCH_PREFIX":   bytes.HasPrefix,
		"SMT_MATCH_POSTFIX":  bytes.HasSuffix,
	}[params.Match]
	if !ok {
		return nil, fmt.Errorf("params: unknown match_type %q", params.Match)
	}
	return func(s []byte) bool { return len(pattern) > 0 && compare(s, pattern) }, nil
}

func parseTTLRange(text string) (rule, error) {
	var params struct {
		Start *uint32 `json:"start_ttl"`
		Stop  *uint32 `json:"stop_ttl"`
	}
	if err := json.Unmarshal([]byte(text), &params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	if params.Start == nil || params.Stop == nil {
		return nil, errors.New(`params: "start_ttl" and "stop_ttl" are needed`)
	}
	start, stop := int64(*params.Start), int64(*params.Stop)
	if start > stop {
		return nil, errors.New(`params: "start_ttl" is above "stop_ttl"`)
	}
	return func(_, _ []byte, expire, now uint32) bool {
		if expire == 0 && start == 0 && stop == 0 {
			return true
		}
		left := int64(expire) - int64(now)
		return start <= left && left <= stop
	}, nil
}

// apply returns what becomes of a record: its expiry timestamp, or that it goes. Every operation sees
// the record as it was; of several that change its expiry the last one counts.
func (ops Operations) apply(hashKey, sortKey []byte, expire, now uint32) (newExpire uint32, remove bool) {
	newExpire = expire
	for _, op := range ops {
		if !op.matches(hashKey, sortKey, expire, now) {
			continue
		}
		if op.change == nil {
			return 0, true
		}
		if changed, ok := op.change(expire, now); ok {
			newExpire = changed
		}
	}
	return newExpire, false
}

func (op *operation) matches(hashKey, sortKey []byte, expire, now uint32) bool {
	for _, match := range op.rules {
		if !match(hashKey, sortKey, expire, now) {
			return false
		}
	}
	return true
}
