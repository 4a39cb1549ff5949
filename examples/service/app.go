package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
)

// app is the service with its client.
type app struct {
	client    *pegasus.Cluster
	table     *pegasus.Table
	service   *service
	observing *observing
}

func newApp(ctx context.Context, o options) (*app, error) {
	a := new(app)
	if err := a.open(ctx, o); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *app) open(ctx context.Context, o options) (err error) {
	if a.observing, err = newObserving(o.traces); err != nil {
		return err
	}
	a.client, err = pegasus.New(pegasus.Config{
		MetaServers:      strings.Split(o.meta, ","),
		OperationTimeout: 2 * time.Second,
		Logger:           slog.Default(),
		Observers:        []pegasus.Observer{a.observing.observer},
	})
	if err != nil {
		return err
	}
	if err := a.observing.of(a.client); err != nil {
		return err
	}
	if a.table, err = a.client.Open(ctx, o.table); err != nil {
		return err
	}
	a.service = newService(a.table)
	a.service.limiter.Limit = o.limit
	return nil
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", a.observing.traced(a.service.handler()))
	mux.Handle("/debug/", debug(a.client, a.table))
	mux.Handle("GET /metrics", a.observing.metrics())
	return mux
}

func (a *app) close() {
	if a.client != nil {
		a.client.Close()
	}
	if a.observing != nil {
		if err := a.observing.close(context.Background()); err != nil {
			log.Print(err)
		}
	}
}
