package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/observe/otel"
	observe "github.com/pegasus-go/pegasus/observe/prometheus"
)

// observing is what shows what the client does, all of it: metrics made of what the client
// counts, and traces and metrics by the conventions of OpenTelemetry. A service needs only
// one kind of metrics; here both are on the same page.
type observing struct {
	registry *prometheus.Registry
	tracers  *trace.TracerProvider
	meters   *metric.MeterProvider
	observer pegasus.Observer // for the client
	traces   *os.File         // or nil
}

// newObserving returns what is needed before there is a client. Spans are appended to the
// file of the name traces, a line of JSON each, unless that is empty.
func newObserving(traces string) (*observing, error) {
	o := &observing{registry: prometheus.NewRegistry()}
	page, err := otelprometheus.New(otelprometheus.WithRegisterer(o.registry), otelprometheus.WithNamespace("otel"), // some names are the same
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	o.meters = metric.NewMeterProvider(metric.WithReader(page))
	o.tracers = trace.NewTracerProvider()
	if traces != "" {
		if o.traces, err = os.OpenFile(traces, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, err
		}
		spans, err := stdouttrace.New(stdouttrace.WithWriter(o.traces))
		if err != nil {
			return nil, err
		}
		o.tracers = trace.NewTracerProvider(trace.WithBatcher(spans))
	}
	o.observer, err = otel.Observer(otel.Options{Tracer: o.tracers, Meter: o.meters})
	return o, err
}

// of adds the metrics that are made of what the client counts.
func (o *observing) of(client *pegasus.Cluster) error { return observe.Register(o.registry, client) }

// metrics is the page for Prometheus.
func (o *observing) metrics() http.Handler {
	return promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{ErrorLog: log.Default()})
}

// traced makes a span of each request, which those of the client are below.
func (o *observing) traced(next http.Handler) http.Handler {
	tracer := o.tracers.Tracer("service")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), r.Method, oteltrace.WithSpanKind(oteltrace.SpanKindServer))
		defer span.End()
		r = r.WithContext(ctx)
		next.ServeHTTP(w, r)
		if r.Pattern != "" {
			span.SetName(r.Pattern)
		}
	})
}

// close writes what is left.
func (o *observing) close(ctx context.Context) error {
	err := errors.Join(o.tracers.Shutdown(ctx), o.meters.Shutdown(ctx))
	if o.traces != nil {
		err = errors.Join(err, o.traces.Close())
	}
	return err
}
