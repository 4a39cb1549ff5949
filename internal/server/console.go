package server

import (
	"errors"
	"strconv"

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
		Counters: func() console.Counters {
			return console.Counters{
				Connections:  s.hub.Usage().Connections,
				ScanContexts: s.scans.Count(),
				Tables:       s.catalog.Count(),
			}
		},
	}
}
