package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/pegasus-go/pegasus"
)

// debug has pages for those who operate the service: whether all servers of the table
// answer, what the client knows and has counted, and what goes with a ticket, as text or JSON.
func debug(client *pegasus.Cluster, table *pegasus.Table) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := table.Ping(ctx).Err(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /debug/pegasus", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, client.Stats()) })
	mux.HandleFunc("GET /debug/diagnosis", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, client.Diagnose(r.Context())) })
	mux.HandleFunc("GET /debug/diagnosis.json", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, client.Diagnose(r.Context())) })
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err)
	}
}
