// Service is a small HTTP service that keeps its data in Pegasus: sessions that expire,
// profiles with unique mail addresses, an event log in pages, a rate limit, and a job that
// goes over the whole table, one process at a time, and goes on where it was stopped.
// Everything is on that shows what its client does. It is a module of its own, so that
// nobody else gets the libraries for that.
//
//	cd examples/service
//	go run .                                        # with a onebox in the process
//	go run . -meta host:port,... -table users -traces traces.json
//
//	curl -X PUT  localhost:8080/profiles/ann -d '{"mail":"ann@example.com","city":"Rome"}'
//	curl         localhost:8080/profiles/ann
//	curl -X POST localhost:8080/sessions -d '{"user":"ann"}'
//	curl         'localhost:8080/profiles/ann/events?size=2'
//	curl         localhost:8080/metrics             # for Prometheus
//	curl         localhost:8080/debug/ready         # for a load balancer
//	curl         localhost:8080/debug/pegasus       # what the client knows and has counted
//	curl         localhost:8080/debug/diagnosis     # for a ticket; diagnosis.json as JSON
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
	"sync"
	"syscall"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
)

// options are those of the command line.
type options struct {
	listen, meta, table, traces string
	limit                       int
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` to serve HTTP on")
	flag.StringVar(&o.meta, "meta", "", "meta servers of a cluster, host:port,...; without it a onebox in memory")
	flag.StringVar(&o.table, "table", "users", "the table, which must exist in a cluster")
	flag.StringVar(&o.traces, "traces", "", "`file` to append spans to, a line of JSON each; none if empty")
	flag.IntVar(&o.limit, "limit", 100, "requests a minute of one address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and then finishes the requests under way. The client is closed when
// they and the nightly job are over.
func run(ctx context.Context, o options) error {
	if o.meta == "" {
		box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: o.table}}, Logger: slog.Default()})
		if err != nil {
			return err
		}
		defer box.Close()
		o.meta = strings.Join(box.MetaServers(), ",")
	}
	a, err := newApp(ctx, o)
	if err != nil {
		return err
	}
	defer a.close()
	server := &http.Server{Addr: o.listen, Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop() // also if it cannot serve
	beside.Go(func() {
		<-ctx.Done()
		finish, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(finish); err != nil {
			log.Print(err)
		}
	})
	beside.Go(func() { a.service.runNightly(ctx, 24*time.Hour) })
	log.Printf("serving on http://%s", o.listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
