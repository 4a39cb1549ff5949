package catalog

import (
	"maps"
	"math"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/access"
	"github.com/pegasus-go/pegasus/internal/server/throttle"
)

// Policy is what the environment of a table asks of its partitions, in a form
// that is quick to look at. It does not change; a new one replaces it.
type Policy struct {
	// Users are those who may use the table, where there is access control.
	Users               access.Users
	DenyRead, DenyWrite Denial
	ValidateHash        bool

	// The rates are per partition; nil is no limit.
	ReadQPS, WriteQPS, WriteSize, BackupQPS *throttle.Rate
	ReadSize                                int64 // bytes per second of a partition, 0 is no limit
}

// Denial says how to refuse requests.
type Denial byte

// The ways to refuse requests.
const (
	Allowed        Denial = iota
	DenyByTimeout         // do not answer
	DenyByReconfig        // claim not to be the primary
)

// newPolicy reads the environment of a table with count partitions. Values
// that make no sense, which create_app lets in, are ignored.
func newPolicy(envs map[string]string, count int) *Policy {
	p := &Policy{
		Users:        access.ParseUsers(envs[envAllowedUsers]),
		ValidateHash: strings.EqualFold(envs[envValidateHash], "true"),
		ReadQPS:      throttle.ParseRate(envs[envReadThrottling], count),
		WriteQPS:     throttle.ParseRate(envs[envWriteThrottling], count),
		WriteSize:    throttle.ParseRate(envs[envWriteThrottlingBySize], count),
		BackupQPS:    throttle.ParseRate(envs[envBackupThrottling], count),
	}
	if size, ok := throttle.ParseUnits(envs[envReadThrottlingBySize]); ok && size > 0 {
		p.ReadSize = max(1, size/int64(count))
	}
	mode, scope, _ := strings.Cut(envs[envDenyClientRequest], "*")
	d := Allowed
	switch mode {
	case "timeout":
		d = DenyByTimeout
	case "reconfig":
		d = DenyByReconfig
	}
	if scope == "all" || scope == "read" {
		p.DenyRead = d
	}
	if scope == "all" || scope == "write" {
		p.DenyWrite = d
	}
	return p
}

// applyEnvs puts the environment of a table's next view into force in the store.
func (c *Catalog) applyEnvs(old, next *View) {
	if !next.available() || old != nil && old.available() && old.Count() == next.Count() && maps.Equal(old.Info.Envs, next.Info.Envs) {
		return
	}
	envs := next.Info.Envs
	iteration := c.opts.IterationTime
	if ms, ok := schema.ParseInt([]byte(envs[envIterationThreshold])); ok && ms >= 0 {
		iteration = time.Duration(ms) * time.Millisecond
	}
	// As on a Pegasus server a default TTL that is removed from the
	// environment stays in force until a restart; setting it to 0 ends it.
	ttl, setTTL := schema.ParseInt([]byte(envs[envDefaultTTL]))
	setTTL = setTTL && ttl >= 0 && ttl <= math.MaxInt32
	for _, p := range next.parts {
		p.Store.SetIterationTime(iteration)
		if setTTL {
			p.Store.SetDefaultTTL(uint32(ttl))
		}
	}
}
