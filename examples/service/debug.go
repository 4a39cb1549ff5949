package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"time"

	"github.com/pegasus-go/pegasus"
)

// debug has pages for those who operate the service: whether all servers of the table
// answer, and what the client knows and has counted. For Prometheus there is a collector of
// the same in a module of its own, observe/prometheus.
func debug(client *pegasus.Cluster, table *pegasus.Table) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := table.Ping(ctx).Err(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /debug/pegasus", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(client.Stats()); err != nil {
			log.Print(err)
		}
	})
	return mux
}
