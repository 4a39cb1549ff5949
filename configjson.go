package pegasus

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// configKeys and policyKeys are the keys of the JSON forms.
var (
	configKeys = []string{"meta_servers", "operation_timeout", "dial_timeout", "retry", "retry_budget", "connections_per_server"}
	policyKeys = []string{"max_attempts", "min_pause", "max_pause"}
)

// officialKeys are keys that the official Go client has, and what to do about them.
var officialKeys = map[string]string{
	"enable_prometheus":       metricsHint,
	"prometheus_port":         metricsHint,
	"prometheus_const_labels": metricsHint,
}

const metricsHint = "is one of the official Go client: metrics are in package observe/prometheus here; " +
	"take the key out, see docs/migrating.md"

// UnmarshalJSON decodes the JSON form. Keys that it does not have are an *ArgumentError
// for each; all others of it are decoded all the same.
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config // without this method
	in := struct {
		*plain
		OperationTimeout jsonDuration `json:"operation_timeout"`
		DialTimeout      jsonDuration `json:"dial_timeout"`
	}{
		plain:            (*plain)(c),
		OperationTimeout: jsonDuration(c.OperationTimeout),
		DialTimeout:      jsonDuration(c.DialTimeout),
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	c.OperationTimeout = time.Duration(in.OperationTimeout)
	c.DialTimeout = time.Duration(in.DialTimeout)
	return unknownKeys(data, configKeys)
}

// unknownKeys reports the keys of an object that are not known. As in package json,
// case does not matter.
func unknownKeys(data []byte, known []string) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			continue
		}
		hint := officialKeys[strings.ToLower(name)]
		if hint == "" {
			hint = "is no key of the configuration, which has " + strings.Join(known, ", ")
		}
		errs = append(errs, argumentError(name, "%s", hint))
	}
	return errors.Join(errs...)
}

// MarshalJSON encodes what UnmarshalJSON decodes.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	return json.Marshal(struct {
		plain
		OperationTimeout jsonDuration `json:"operation_timeout,omitempty"`
		DialTimeout      jsonDuration `json:"dial_timeout,omitempty"`
	}{plain(c), jsonDuration(c.OperationTimeout), jsonDuration(c.DialTimeout)})
}

// jsonPolicy is the JSON form of a RetryPolicy.
type jsonPolicy struct {
	MaxAttempts int          `json:"max_attempts,omitempty"`
	MinPause    jsonDuration `json:"min_pause,omitempty"`
	MaxPause    jsonDuration `json:"max_pause,omitempty"`
}

// UnmarshalJSON decodes the JSON form. Keys that it does not have are an *ArgumentError.
func (p *RetryPolicy) UnmarshalJSON(data []byte) error {
	in := jsonPolicy{p.MaxAttempts, jsonDuration(p.MinPause), jsonDuration(p.MaxPause)}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*p = RetryPolicy{in.MaxAttempts, time.Duration(in.MinPause), time.Duration(in.MaxPause)}
	return unknownKeys(data, policyKeys)
}

// MarshalJSON encodes what UnmarshalJSON decodes.
func (p RetryPolicy) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonPolicy{p.MaxAttempts, jsonDuration(p.MinPause), jsonDuration(p.MaxPause)})
}

// jsonDuration is a duration that reads as "1m30s" in JSON.
type jsonDuration time.Duration

func (d *jsonDuration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = jsonDuration(v)
	return err
}

func (d jsonDuration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}
