// Package otel shows what a Pegasus client does as traces and metrics of
// OpenTelemetry, by its semantic conventions for databases:
//
//	observer, err := otel.Observer(otel.Options{Tracer: tracerProvider, Meter: meterProvider})
//	...
//	cluster, err := pegasus.New(pegasus.Config{MetaServers: metas, Observers: []pegasus.Observer{observer}})
//
// It uses no global providers. There are no keys, values, or texts of errors in what it
// shows.
package otel

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pegasus-go/pegasus"
)

const scope = "github.com/pegasus-go/pegasus/observe/otel"

// system is what the conventions call the product; they have no name for it.
var system = semconv.DBSystemNameKey.String("apache.pegasus")

// bounds are those of the histogram of durations, in seconds: 20 µs to 10 s.
var bounds = []float64{
	20e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10,
}

// Options are what Observer tells. Without any of them it tells nothing.
type Options struct {
	// Tracer makes a span for each operation, a child of the span in the context of
	// the caller, with an event for each request that is sent again; or nil.
	Tracer trace.TracerProvider
	// Meter counts and measures; or nil.
	Meter metric.MeterProvider
}

// Observer returns an observer for pegasus.Config. It fails if an instrument cannot be
// made.
func Observer(o Options) (pegasus.Observer, error) {
	var m *meter
	if o.Meter != nil {
		var err error
		if m, err = newMeter(o.Meter.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))); err != nil {
			return pegasus.Observer{}, err
		}
	}
	var t *tracer
	if o.Tracer != nil {
		t = &tracer{o.Tracer.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
	}
	var observer pegasus.Observer
	if t != nil {
		observer.OperationStarted = t.started
	}
	if t != nil || m != nil {
		observer.OperationEnded = func(ctx context.Context, e pegasus.OperationEnded) {
			if m != nil {
				m.ended(ctx, &e)
			}
			if t != nil {
				t.ended(ctx, &e)
			}
		}
		observer.Retrying = func(ctx context.Context, e pegasus.Retrying) {
			if m != nil {
				m.retries.Add(ctx, 1, m.set(e.Table, e.Operation, string(e.Reason), retryReason))
			}
			if t != nil {
				t.retrying(ctx, &e)
			}
		}
	}
	if m != nil {
		m.observeConnections(&observer)
	}
	return observer, nil
}

const (
	errorType   = semconv.ErrorTypeKey
	retryReason = attribute.Key("pegasus.retry.reason")
)

type tracer struct{ trace.Tracer }

// spanKey is that of the span of an operation in its context: another observer may have
// put one of its own above it.
type spanKey struct{ *tracer }

func (t *tracer) started(ctx context.Context, e pegasus.OperationStarted) context.Context {
	ctx, span := t.Start(ctx, e.Operation+" "+e.Table, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(system, semconv.DBOperationName(e.Operation), semconv.DBCollectionName(e.Table)))
	return context.WithValue(ctx, spanKey{t}, span)
}

func (t *tracer) span(ctx context.Context) trace.Span {
	span, ok := ctx.Value(spanKey{t}).(trace.Span)
	if !ok || !span.IsRecording() {
		return nil
	}
	return span
}

func (t *tracer) retrying(ctx context.Context, e *pegasus.Retrying) {
	if span := t.span(ctx); span != nil {
		span.AddEvent("retry", trace.WithAttributes(
			retryReason.String(string(e.Reason)), attribute.Int("pegasus.attempt", e.Attempt),
			attribute.String("pegasus.from", e.From), attribute.String("pegasus.to", e.To)))
	}
}

func (t *tracer) ended(ctx context.Context, e *pegasus.OperationEnded) {
	if span := t.span(ctx); span != nil {
		span.SetAttributes(attribute.Int("pegasus.attempts", e.Attempts))
		if host, port, err := net.SplitHostPort(e.Server); err == nil {
			n, _ := strconv.Atoi(port)
			span.SetAttributes(semconv.ServerAddress(host), semconv.ServerPort(n))
		}
		if e.Partition >= 0 {
			span.SetAttributes(attribute.Int("pegasus.partition", int(e.Partition)))
		}
		if e.Err != nil {
			outcome := string(pegasus.ClassOf(e.Err))
			span.SetAttributes(errorType.String(outcome))
			span.SetStatus(codes.Error, outcome)
			var code pegasus.ErrorCode
			if errors.As(e.Err, &code) {
				span.SetAttributes(semconv.DBResponseStatusCode(string(code)))
			}
		}
		span.End()
	}
}

// meter has the instruments, and the attributes that were used with them.
type meter struct {
	duration    metric.Float64Histogram
	retries     metric.Int64Counter
	connections metric.Int64UpDownCounter
	failures    metric.Int64Counter
	moves       metric.Int64Counter

	sets sync.Map // labels to metric.MeasurementOption
}

func newMeter(m metric.Meter) (*meter, error) {
	var errs [5]error
	r := new(meter)
	r.duration, errs[0] = m.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of database client operations."), metric.WithExplicitBucketBoundaries(bounds...))
	r.retries, errs[1] = m.Int64Counter("pegasus.client.retries", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that were sent again."))
	r.connections, errs[2] = m.Int64UpDownCounter("pegasus.client.connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections that work."))
	r.failures, errs[3] = m.Int64Counter("pegasus.client.connection.failures", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections that could not be made, or broke."))
	r.moves, errs[4] = m.Int64Counter("pegasus.client.route.changes", metric.WithUnit("{partition}"),
		metric.WithDescription("Partitions that have another primary than before."))
	return r, errors.Join(errs[:]...)
}

// labels are the attributes of a measurement: of few values each. Some values are those of
// more than one key.
type labels struct {
	table, operation, value string
	key                     attribute.Key
}

// set returns the attributes of a table and an operation, and one more unless it is
// empty. The set is made once.
func (m *meter) set(table, operation, value string, key attribute.Key) metric.MeasurementOption {
	l := labels{table, operation, value, key}
	if s, ok := m.sets.Load(l); ok {
		return s.(metric.MeasurementOption)
	}
	attrs := []attribute.KeyValue{system, semconv.DBCollectionName(table)}
	if operation != "" {
		attrs = append(attrs, semconv.DBOperationName(operation))
	}
	if value != "" {
		attrs = append(attrs, key.String(value))
	}
	s, _ := m.sets.LoadOrStore(l, metric.WithAttributeSet(attribute.NewSet(attrs...)))
	return s.(metric.MeasurementOption)
}

func (m *meter) ended(ctx context.Context, e *pegasus.OperationEnded) {
	outcome := ""
	if e.Err != nil {
		outcome = string(pegasus.ClassOf(e.Err))
	}
	m.duration.Record(ctx, e.Duration.Seconds(), m.set(e.Table, e.Operation, outcome, errorType))
}

func (m *meter) observeConnections(o *pegasus.Observer) {
	ctx := context.Background()
	attrs := metric.WithAttributeSet(attribute.NewSet(system))
	o.ConnectionDialed = func(e pegasus.ConnectionDialed) {
		if e.Err != nil {
			m.failures.Add(ctx, 1, attrs)
			return
		}
		m.connections.Add(ctx, 1, attrs)
	}
	o.ConnectionLost = func(e pegasus.ConnectionLost) {
		m.connections.Add(ctx, -1, attrs)
		if !errors.Is(e.Err, pegasus.ErrClosed) {
			m.failures.Add(ctx, 1, attrs)
		}
	}
	o.RouteChanged = func(e pegasus.RouteChanged) { m.moves.Add(ctx, 1, m.set(e.Table, "", "", "")) }
}
