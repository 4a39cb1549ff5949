package server

import (
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/storage"
)

// console returns the console of a server with that role.
func (s *Server) console(role string, db *storage.DB) *console.Console {
	o := &s.opts
	return &console.Console{
		Role:    role,
		Started: o.Clock(),
		Clock:   o.Clock,
		Settings: []console.Setting{
			{
				Name: "cluster_name", Section: "replication", Type: "FV_STRING",
				Description: "name of the cluster", Value: o.ClusterName,
			},
			{
				Name: "max_allowed_write_size", Section: "replication", Type: "FV_UINT64",
				Description: "bytes of the largest body of a write, 0 is no limit", Value: strconv.Itoa(max(0, o.Limits.WriteSize)),
			},
			{
				Name: "rocksdb_iteration_threshold_time_ms", Section: "pegasus.server", Type: "FV_UINT64",
				Description: "longest time of a read of many records, 0 is no limit",
				Value:       strconv.FormatInt(max(0, o.Limits.IterationTime.Milliseconds()), 10),
			},
			limitSetting("rocksdb_abnormal_get_size_threshold",
				"bytes above which a get counts as abnormal, 0 is no limit", &s.unusual.GetBytes),
			limitSetting("rocksdb_abnormal_multi_get_size_threshold",
				"bytes above which a read of many records counts as abnormal, 0 is no limit", &s.unusual.MultiGetBytes),
			limitSetting("rocksdb_abnormal_multi_get_iterate_count_threshold",
				"records above which a read counts as abnormal, 0 is no limit", &s.unusual.MultiGetRecords),
			limitSetting("rocksdb_slow_query_threshold_ns",
				"time above which a request that waits for its turn counts as abnormal, 0 is no limit", &s.unusual.Nanoseconds),
		},
		Health: func() (state, reason string, failed bool) {
			switch err := db.Health(); {
			case errors.Is(err, storage.ErrFailed):
				return "failed", err.Error(), true
			case err != nil:
				return "writes refused", err.Error(), false
			}
			return "ok", "", false
		},
		Pages: console.Pages{"metrics": s.metrics(db)},
	}
}

// limitSetting returns a setting that can be changed.
func limitSetting(name, description string, value *atomic.Int64) console.Setting {
	return console.Setting{
		Name: name, Section: "pegasus.server", Type: "FV_UINT64", Description: description,
		Get: func() string { return strconv.FormatInt(value.Load(), 10) },
		Set: func(text string) error {
			n, err := strconv.ParseUint(text, 10, 63)
			if err == nil {
				value.Store(int64(n))
			}
			return err
		},
	}
}
