// Service is a small HTTP service that keeps its data in Pegasus: sessions that expire,
// profiles with unique mail addresses, an event log in pages, a rate limit, and a job that
// goes over the whole table, one process at a time, and goes on where it was stopped.
//
//	go run ./examples/service                        # with a onebox in the process
//	go run ./examples/service -meta host:port -table users
//
//	curl -X PUT  localhost:8080/profiles/ann -d '{"mail":"ann@example.com","city":"Rome"}'
//	curl         localhost:8080/profiles/ann
//	curl -X POST localhost:8080/sessions -d '{"user":"ann"}'
//	curl         'localhost:8080/profiles/ann/events?size=2'
//	curl         localhost:8080/debug/ready         # for a load balancer
//	curl         localhost:8080/debug/pegasus       # what the client knows and has counted
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve HTTP on")
	meta := flag.String("meta", "", "meta servers of a cluster, host:port,...; without it a onebox in memory")
	table := flag.String("table", "users", "the table, which must exist in a cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *meta, *table); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and then finishes the requests under way.
func run(ctx context.Context, listen, meta, name string) error {
	servers := strings.Split(meta, ",")
	if meta == "" {
		box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: name}}})
		if err != nil {
			return err
		}
		defer box.Close()
		servers = box.MetaServers()
	}
	client, err := pegasus.New(pegasus.Config{MetaServers: servers, OperationTimeout: 2 * time.Second, Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer client.Close()
	table, err := client.Open(ctx, name)
	if err != nil {
		return err
	}
	s := newService(table)
	mux := http.NewServeMux()
	mux.Handle("/", s.handler())
	mux.Handle("/debug/", debug(client, table))
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		finish, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(finish); err != nil {
			log.Print(err)
		}
	}()
	nightly := make(chan struct{})
	go func() {
		defer close(nightly)
		s.runNightly(ctx, 24*time.Hour)
	}()
	log.Printf("serving on http://%s", listen)
	err = server.ListenAndServe()
	<-nightly
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
