package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/throttle"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// Names in the environment of a table that change what the server does.
const (
	envDefaultTTL            = "default_ttl"
	envAllowedUsers          = "replica_access_controller.allowed_users"
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
	EnvCompactOnce           = "manual_compact.once." // prefix
	envCompactPeriodic       = "manual_compact.periodic.trigger_time"
	envCompactRunning        = "manual_compact.max_concurrent_running_count"
	envCompactOperations     = "user_specified_compaction"
)

// envRules are the names that update_app_env takes. A rule returns why a value
// is not acceptable, or "". The meta servers of 2.5 look at fewer values, and
// their replicas ignore those that make no sense; later ones refuse them.
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

	envDefaultTTL:                                         numberRule(32, ">= 0", 0),
	"business.info":                                       anyRule,
	"rocksdb.usage_scenario":                              oneOfRule("normal", "prefer_write", "bulk_load"),
	"rocksdb.checkpoint.reserve_min_count":                numberRule(32, "> 0", 1),
	"rocksdb.checkpoint.reserve_time_seconds":             numberRule(32, ">= 0", 0),
	envCompactOperations:                                  operationsRule,
	envCompactDisabled:                                    boolRule,
	envCompactRunning:                                     numberRule(32, ">= 0", 0),
	EnvCompactOnce + "trigger_time":                       numberRule(64, ">= 0", 0),
	EnvCompactOnce + "target_level":                       levelRule,
	EnvCompactOnce + "bottommost_level_compaction":        oneOfRule("force", "skip"),
	envCompactPeriodic:                                    periodicRule,
	"manual_compact.periodic.target_level":                levelRule,
	"manual_compact.periodic.bottommost_level_compaction": oneOfRule("force", "skip"),
	envAllowedUsers:                                       anyRule,
	"replica_access_controller.ranger_policies":           anyRule,
}

func anyRule(string) string { return "" }

func operationsRule(value string) string {
	if _, err := storage.ParseOperations(value); err != nil {
		return "invalid operations of a compaction: " + err.Error()
	}
	return ""
}

func throttlingRule(value string) string {
	if throttle.ParseRate(value, 1) == nil {
		return fmt.Sprintf("invalid throttling %q, should be like 20000*delay*100,30000*reject*100", value)
	}
	return ""
}

func sizeThrottlingRule(value string) string {
	if n, ok := throttle.ParseUnits(value); ok && n > 0 {
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

// numberRule is the rule for an integer of so many bits that is not below low,
// in the words of the meta servers after 2.5, which look at these names.
func numberRule(bits int, limit string, low int64) func(string) string {
	return func(value string) string {
		switch n, ok := schema.ParseInt([]byte(value)); {
		case !ok, n != n<<(64-bits)>>(64-bits):
			return fmt.Sprintf("invalid value '%s', should be an %d bits integer", value, bits)
		case n < low:
			return fmt.Sprintf("invalid value '%s', should be '%s'", value, limit)
		}
		return ""
	}
}

func levelRule(value string) string {
	if n, ok := schema.ParseInt([]byte(value)); ok && (n == -1 || n >= 1) {
		return ""
	}
	return fmt.Sprintf("invalid value '%s', should be '-1 or >= 1'", value)
}

func oneOfRule(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return fmt.Sprintf("invalid value '%s', should be one of %s", value, strings.Join(values, " | "))
	}
}

// validCreateEnvs checks the few names that create_app looks at, and those that
// a compaction could do nothing with.
func validCreateEnvs(envs map[string]string) bool {
	for _, name := range []string{envNumLevels, envWriteBufferSize, envCompactOperations, envCompactPeriodic} {
		if value, ok := envs[name]; ok && envRules[name](value) != "" {
			return false
		}
	}
	return true
}

// CheckEnv returns why a value is not acceptable for a name in the environment
// of a table, or "".
func CheckEnv(key, value string) (hint string) {
	rule, ok := envRules[key]
	if !ok {
		return fmt.Sprintf("app_env %q is not supported", key)
	}
	return rule(value)
}

// ChangeEnvs lets f change the environment of a table. It is in force when
// ChangeEnvs returns.
func (c *Catalog) ChangeEnvs(table string, f func(envs map[string]string) error) error {
	return c.changeNamed(table, func(r *record) error { return f(r.envs()) })
}
