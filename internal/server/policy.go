package server

import (
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// policy is what the environment of a table asks of its partitions, in a form
// that is quick to look at. It does not change; a new one replaces it.
type policy struct {
	denyRead, denyWrite denial
	validateHash        bool

	// The rates are per partition; nil is no limit.
	readQPS, writeQPS, writeSize, backupQPS *rate
	readSize                                int64 // bytes per second of a partition, 0 is no limit
}

// denial says how to refuse requests.
type denial byte

const (
	allowed        denial = iota
	denyByTimeout         // do not answer
	denyByReconfig        // claim not to be the primary
)

func (d denial) admission() (a admission, refused bool) {
	switch d {
	case denyByTimeout:
		return admission{drop: true}, true
	case denyByReconfig:
		return admission{code: wire.ErrInvalidState}, true
	}
	return admission{}, false
}

// newPolicy reads the environment of a table with count partitions. Values
// that make no sense, which create_app lets in, are ignored.
func newPolicy(envs map[string]string, count int) *policy {
	p := &policy{
		validateHash: strings.EqualFold(envs[envValidateHash], "true"),
		readQPS:      parseRate(envs[envReadThrottling], count),
		writeQPS:     parseRate(envs[envWriteThrottling], count),
		writeSize:    parseRate(envs[envWriteThrottlingBySize], count),
		backupQPS:    parseRate(envs[envBackupThrottling], count),
	}
	if size, ok := parseUnits(envs[envReadThrottlingBySize]); ok && size > 0 {
		p.readSize = max(1, size/int64(count))
	}
	mode, scope, _ := strings.Cut(envs[envDenyClientRequest], "*")
	d := allowed
	switch mode {
	case "timeout":
		d = denyByTimeout
	case "reconfig":
		d = denyByReconfig
	}
	if scope == "all" || scope == "read" {
		p.denyRead = d
	}
	if scope == "all" || scope == "write" {
		p.denyWrite = d
	}
	return p
}

// applyEnvs puts the environment of t into force. The catalog is locked.
func (s *Server) applyEnvs(t *table) {
	envs := t.rec.Info.Envs
	t.policy.Store(newPolicy(envs, t.count()))
	iteration := s.opts.Limits.IterationTime
	if ms, ok := schema.ParseInt([]byte(envs[envIterationThreshold])); ok && ms >= 0 {
		iteration = time.Duration(ms) * time.Millisecond
	}
	// As on a Pegasus server a default TTL that is removed from the
	// environment stays in force until a restart; setting it to 0 ends it.
	ttl, setTTL := schema.ParseInt([]byte(envs[envDefaultTTL]))
	setTTL = setTTL && ttl >= 0 && ttl <= maxInt32
	for _, p := range *t.partitions.Load() {
		p.store.SetIterationTime(iteration)
		if setTTL {
			p.store.SetDefaultTTL(uint32(ttl))
		}
	}
}
