package otel_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/observe/otel"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// Each operation is a span below that of the caller, and is measured.
func TestTracesAndMetrics(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracers := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	reader := metric.NewManualReader()
	observer, err := otel.Observer(otel.Options{Tracer: tracers, Meter: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	c := pegasustest.Start(t, pegasustest.WithClient(func(cfg *pegasus.Config) { cfg.Observers = append(cfg.Observers, observer) }))
	opened := len(spans.Ended())
	busy := true
	c.Onebox().Intercept(func(onebox.Request) (a onebox.Action) {
		if busy {
			busy, a.Error = false, "ERR_BUSY"
		}
		return a
	})
	ctx, parent := tracers.Tracer("test").Start(t.Context(), "parent")
	secret := []byte("secret")
	if err := c.Table.Set(ctx, secret, secret, secret); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Table.Get(ended, secret, secret); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	all := spans.Ended()[opened:]
	if len(all) != 2 {
		t.Fatalf("%d spans", len(all))
	}
	set, get := all[0], all[1]
	if set.Name() != "Set "+c.Table.Name() || set.Parent().SpanID() != parent.SpanContext().SpanID() || set.Status().Code != codes.Unset || len(set.Events()) != 1 {
		t.Errorf("%v, %v, %v", set.Name(), set.Status(), set.Events())
	}
	if get.Status().Code != codes.Error || get.Status().Description != "canceled" {
		t.Errorf("%v, %v", get.Name(), get.Status())
	}
	for _, s := range all {
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("%s has %v", s.Name(), a)
			}
		}
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					if op, _ := p.Attributes.Value("db.operation.name"); op.AsString() == "Set" || op.AsString() == "Get" {
						counts[m.Name] += int(p.Count)
					}
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					counts[m.Name] += int(p.Value)
				}
			}
		}
	}
	if counts["db.client.operation.duration"] != 2 || counts["pegasus.client.retries"] != 1 || counts["pegasus.client.connections"] < 2 {
		t.Errorf("%v", counts)
	}
}

// An outcome and a reason of a retry that have the same name are attributes of their own.
func TestSameNames(t *testing.T) {
	reader := metric.NewManualReader()
	o, err := otel.Observer(otel.Options{Meter: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	o.OperationEnded(t.Context(), pegasus.OperationEnded{Operation: "Set", Table: "t", Err: pegasus.ErrBusy})
	o.Retrying(t.Context(), pegasus.Retrying{Operation: "Set", Table: "t", Reason: pegasus.RetryBusy})
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range data.ScopeMetrics[0].Metrics {
		var got attribute.Set
		want := attribute.Key("pegasus.retry.reason")
		switch d := m.Data.(type) {
		case metricdata.Histogram[float64]:
			got, want = d.DataPoints[0].Attributes, "error.type"
		case metricdata.Sum[int64]:
			got = d.DataPoints[0].Attributes
		}
		if v, ok := got.Value(want); !ok || v.AsString() != "busy" || got.Len() != 4 {
			t.Errorf("%s has %v, want %s", m.Name, got.ToSlice(), want)
		}
		seen++
	}
	if seen != 2 {
		t.Errorf("%d metrics", seen)
	}
}

// The docs have every name: of metrics, of attributes and of events.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/observing.md")
	if err != nil {
		t.Fatal(err)
	}
	spans := tracetest.NewSpanRecorder()
	reader := metric.NewManualReader()
	o, err := otel.Observer(otel.Options{
		Tracer: trace.NewTracerProvider(trace.WithSpanProcessor(spans)),
		Meter:  metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := o.OperationStarted(t.Context(), pegasus.OperationStarted{Operation: "Set", Table: "t"})
	o.Retrying(ctx, pegasus.Retrying{Operation: "Set", Table: "t", Reason: pegasus.RetryBusy})
	o.OperationEnded(ctx, pegasus.OperationEnded{Operation: "Set", Table: "t", Server: "10.0.0.1:34801", Err: pegasus.ErrBusy})
	o.ConnectionDialed(pegasus.ConnectionDialed{})
	o.ConnectionDialed(pegasus.ConnectionDialed{Err: pegasus.ErrClosed})
	o.RouteChanged(pegasus.RouteChanged{Table: "t"})
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, m := range data.ScopeMetrics[0].Metrics {
		names[m.Name] = true
	}
	for _, s := range spans.Ended() {
		for _, e := range s.Events() {
			names[e.Name] = true
			for _, a := range e.Attributes {
				names[string(a.Key)] = true
			}
		}
		for _, a := range s.Attributes() {
			names[string(a.Key)] = true
		}
	}
	if len(names) < 18 {
		t.Errorf("only %d names: %v", len(names), names)
	}
	for name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the docs do not have %s", name)
		}
	}
}

// Without a provider nothing is told.
func TestNothing(t *testing.T) {
	o, err := otel.Observer(otel.Options{})
	if err != nil || o.OperationStarted != nil || o.OperationEnded != nil || o.Retrying != nil || o.ConnectionDialed != nil {
		t.Errorf("%+v, %v", o, err)
	}
}
