package server

import (
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Names in the environment of a table that change what the server does.
const (
	envDefaultTTL            = "default_ttl"
	envDenyClientRequest     = "replica.deny_client_request"
	envWriteThrottling       = "replica.write_throttling"
	envWriteThrottlingBySize = "replica.write_throttling_by_size"
	envReadThrottling        = "replica.read_throttling"
	envReadThrottlingBySize  = "replica.read_throttling_by_size"
	envBackupThrottling      = "replica.backup_request_throttling"
	envIterationThreshold    = "replica.rocksdb_iteration_threshold_time_ms"
	envValidateHash          = "replica.split.validate_partition_hash"
	envWriteBufferSize       = "rocksdb.write_buffer_size"
	envNumLevels             = "rocksdb.num_levels"
	envCompactDisabled       = "manual_compact.disabled"
	envCompactOnce           = "manual_compact.once." // prefix
)

// envRules are the names that update_app_env takes. A rule returns why a value
// is not acceptable, or "".
var envRules = map[string]func(value string) string{
	envWriteThrottling:       throttlingRule,
	envWriteThrottlingBySize: throttlingRule,
	envReadThrottling:        throttlingRule,
	envBackupThrottling:      throttlingRule,
	envReadThrottlingBySize:  sizeThrottlingRule,
	envIterationThreshold:    integerRule("Rocksdb iteration threshold must be greater than zero", 0, 1<<63-1),
	envDenyClientRequest:     denyRule,
	envValidateHash:          boolRule,
	envWriteBufferSize: integerRule(
		"rocksdb.write_buffer_size suggest set val in range [16777216, 536870912]", 16<<20, 512<<20),
	envNumLevels:                          integerRule("rocksdb.num_levels suggest set val in range [1 , 10]", 1, 10),
	"replica.slow_query_threshold":        integerRule("Slow query threshold must be >= 20ms", 20, 1<<63-1),
	"replica.rocksdb_block_cache_enabled": boolRule,
	"rocksdb.allow_ingest_behind":         boolRule,

	envDefaultTTL:                                         anyRule,
	"business.info":                                       anyRule,
	"rocksdb.usage_scenario":                              anyRule,
	"rocksdb.checkpoint.reserve_min_count":                anyRule,
	"rocksdb.checkpoint.reserve_time_seconds":             anyRule,
	"user_specified_compaction":                           anyRule,
	envCompactDisabled:                                    anyRule,
	"manual_compact.max_concurrent_running_count":         anyRule,
	envCompactOnce + "trigger_time":                       anyRule,
	envCompactOnce + "target_level":                       anyRule,
	envCompactOnce + "bottommost_level_compaction":        anyRule,
	"manual_compact.periodic.trigger_time":                anyRule,
	"manual_compact.periodic.target_level":                anyRule,
	"manual_compact.periodic.bottommost_level_compaction": anyRule,
	"replica_access_controller.allowed_users":             anyRule,
	"replica_access_controller.ranger_policies":           anyRule,
}

func anyRule(string) string { return "" }

func throttlingRule(value string) string {
	if parseRate(value, 1) == nil {
		return fmt.Sprintf("invalid throttling %q, should be like 20000*delay*100,30000*reject*100", value)
	}
	return ""
}

func sizeThrottlingRule(value string) string {
	if n, ok := parseUnits(value); ok && n > 0 {
		return ""
	}
	return throttlingRule(value)
}

func denyRule(value string) string {
	mode, scope, _ := strings.Cut(value, "*")
	if (mode == "timeout" || mode == "reconfig") && (scope == "all" || scope == "write" || scope == "read") {
		return ""
	}
	return "Invalid deny client args, valid include: timeout*all, timeout*write, timeout*read; " +
		"reconfig*all, reconfig*write, reconfig*read"
}

func boolRule(value string) string {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return ""
	}
	return fmt.Sprintf("invalid string %s, should be \"true\" or \"false\"", value)
}

func integerRule(hint string, low, high int64) func(string) string {
	return func(value string) string {
		if n, ok := schema.ParseInt([]byte(value)); !ok || n < low || n > high {
			return hint
		}
		return ""
	}
}

// validCreateEnvs checks the few names that create_app looks at.
func validCreateEnvs(envs map[string]string) bool {
	for _, name := range []string{envNumLevels, envWriteBufferSize} {
		if value, ok := envs[name]; ok && envRules[name](value) != "" {
			return false
		}
	}
	return true
}

func (k *call) updateAppEnv(req *wire.UpdateAppEnvRequest, resp *wire.HintResponse) {
	var change func(envs map[string]string) (hint string)
	switch req.Op {
	case wire.AppEnvSet:
		if req.Keys == nil || req.Values == nil || len(*req.Keys) != len(*req.Values) || len(*req.Keys) == 0 {
			resp.Err, resp.Hint = wire.ErrInvalidParameters, "keys and values must be of the same number, at least one"
			return
		}
		for i, key := range *req.Keys {
			if hint := checkEnv(key, (*req.Values)[i]); hint != "" {
				resp.Err, resp.Hint = wire.ErrInvalidParameters, hint
				return
			}
		}
		change = func(envs map[string]string) string { return setEnvs(envs, *req.Keys, *req.Values) }
	case wire.AppEnvDel:
		if req.Keys == nil || len(*req.Keys) == 0 {
			resp.Err, resp.Hint = wire.ErrInvalidParameters, "keys must not be empty"
			return
		}
		change = func(envs map[string]string) string { return deleteEnvs(envs, *req.Keys) }
	case wire.AppEnvClear:
		if req.ClearPrefix == nil {
			resp.Err, resp.Hint = wire.ErrInvalidParameters, "clear_prefix must be set"
			return
		}
		change = func(envs map[string]string) string { return clearEnvs(envs, *req.ClearPrefix) }
	default:
		resp.Err, resp.Hint = wire.ErrInvalidParameters, "unknown operation"
		return
	}
	resp.Err, resp.Hint = k.s.changeEnvs(req.AppName, change)
}

func checkEnv(key, value string) (hint string) {
	rule, ok := envRules[key]
	if !ok {
		return fmt.Sprintf("app_env %q is not supported", key)
	}
	return rule(value)
}

// changeEnvs changes the environment of a table. It is in force when changeEnvs
// returns.
func (s *Server) changeEnvs(name string, change func(envs map[string]string) string) (wire.ErrorCode, string) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[name]
	if t == nil {
		return wire.ErrInvalidParameters, "invalid app name"
	}
	rec := t.rec.clone()
	if rec.Info.Envs == nil {
		rec.Info.Envs = make(map[string]string)
	}
	hint := change(rec.Info.Envs)
	if code, hint := s.save(t, rec); code != wire.ErrOK {
		return code, hint
	}
	s.applyEnvs(t)
	return wire.ErrOK, hint
}

func setEnvs(envs map[string]string, keys, values []string) string {
	for i, key := range keys {
		envs[key] = values[i]
	}
	return ""
}

func deleteEnvs(envs map[string]string, keys []string) string {
	var deleted []string
	for _, key := range keys {
		if _, ok := envs[key]; ok {
			delete(envs, key)
			deleted = append(deleted, key)
		}
	}
	return deletedHint(deleted)
}

// clearEnvs deletes the names that begin with prefix and a dot, or all if
// prefix is empty.
func clearEnvs(envs map[string]string, prefix string) string {
	var deleted []string
	for key := range envs {
		if prefix == "" || strings.HasPrefix(key, prefix+".") && len(key) > len(prefix)+1 {
			delete(envs, key)
			deleted = append(deleted, key)
		}
	}
	return deletedHint(deleted)
}

func deletedHint(deleted []string) string {
	if len(deleted) == 0 {
		return "no key needs to be deleted"
	}
	return "deleted keys:\n    " + strings.Join(deleted, "\n    ")
}
