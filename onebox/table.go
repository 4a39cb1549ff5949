package onebox

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/server"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// Table is a table to make.
type Table struct {
	Name string
	// Partitions is the number of partitions, at least 1. Some clients insist
	// on a power of two of at least 2. Default: 8, or as many as the table has.
	Partitions int
	// ReplicaCount is the number of replicas that clients are told of, 1 to 5;
	// the data is stored once. Default: 3.
	ReplicaCount int
	// Envs is the environment of the table, such as {"default_ttl": "3600"}:
	// names and values that a meta server lets administrators set. The value of
	// default_ttl, in seconds, may also be a duration such as "36h" or "1d".
	Envs map[string]string
}

const (
	defaultPartitions   = 8
	defaultReplicaCount = 3
	maxReplicaCount     = 5
	envDefaultTTL       = "default_ttl"
)

// tables returns the tables with defaults and without abbreviations.
func (o *Options) tables() ([]Table, error) {
	if o.ReadOnly && len(o.Tables) > 0 {
		return nil, badOption("Tables", "a read-only server makes no tables")
	}
	tables := slices.Clone(o.Tables)
	for i := range tables {
		t, field := &tables[i], tableField(i)
		t.ReplicaCount = cmp.Or(t.ReplicaCount, defaultReplicaCount)
		switch {
		case t.Name == "":
			return nil, badOption(field+"Name", "is empty")
		case slices.ContainsFunc(tables[:i], func(other Table) bool { return other.Name == t.Name }):
			return nil, badOption(field+"Name", "%q is given twice", t.Name)
		case t.Partitions < 0 || t.Partitions > server.MaxPartitions:
			return nil, badOption(field+"Partitions", "%d is not in 1 to %d", t.Partitions, server.MaxPartitions)
		case t.ReplicaCount < 1 || t.ReplicaCount > maxReplicaCount:
			return nil, badOption(field+"ReplicaCount", "%d is not in 1 to %d", t.ReplicaCount, maxReplicaCount)
		}
		t.Envs = maps.Clone(t.Envs)
		for _, name := range slices.Sorted(maps.Keys(t.Envs)) {
			if name == envDefaultTTL {
				seconds, err := ttlSeconds(t.Envs[name])
				if err != nil {
					return nil, badOption(field+"Envs", "%s: %v", name, err)
				}
				t.Envs[name] = seconds
			}
			if hint := server.CheckEnv(name, t.Envs[name]); hint != "" {
				return nil, badOption(field+"Envs", "%s: %s", name, hint)
			}
		}
	}
	return tables, nil
}

func tableField(i int) string { return fmt.Sprintf("Tables[%d].", i) }

// ttlSeconds returns the number of seconds of a time to live.
func ttlSeconds(s string) (string, error) {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n >= 0 {
		return s, nil
	}
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
		return "", fmt.Errorf("%q is neither a number of seconds up to %d nor a duration of whole ones, such as 36h or 1d", s, math.MaxInt32)
	}
	return strconv.FormatInt(int64(d/time.Second), 10), nil
}

// makeTables makes those tables that there are not, if the others are as they
// should be.
func (s *Server) makeTables(opts *Options) error {
	for i, t := range opts.Tables {
		there, ok := s.srv.Table(t.Name)
		if !ok {
			continue
		}
		if t.Partitions != 0 && t.Partitions != there.Partitions {
			return badOption(tableField(i)+"Partitions", "table %q has %d, not %d", t.Name, there.Partitions, t.Partitions)
		}
		for _, name := range slices.Sorted(maps.Keys(t.Envs)) {
			if value, ok := there.Envs[name]; value != t.Envs[name] || !ok {
				return badOption(tableField(i)+"Envs", "table %q has %s=%q, not %q; a running server can change it", t.Name, name, value, t.Envs[name])
			}
		}
	}
	for _, t := range opts.Tables {
		err := s.srv.EnsureTable(server.TableSpec{
			Name:         t.Name,
			Partitions:   cmp.Or(t.Partitions, defaultPartitions),
			ReplicaCount: t.ReplicaCount,
			Envs:         t.Envs,
		})
		cause := s.db.Health()
		switch {
		case err == nil:
		case !errors.Is(cause, storage.ErrFailed):
			return fmt.Errorf("onebox: make table %q: %w", t.Name, err)
		case opts.Logger != nil: // the data can be read all the same
			opts.Logger.Error("table not made", "table", t.Name, "error", err, "cause", cause)
		}
	}
	return nil
}
