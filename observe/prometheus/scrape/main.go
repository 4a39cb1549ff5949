// Command scrape runs a client on a onebox for a moment, with everything that shows
// what it does turned on, and prints what a scrape of its metrics returns, or with
// -diagnose what Cluster.Diagnose does. docs/observing.md has the output of a run.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pegasus-go/pegasus"
	observe "github.com/pegasus-go/pegasus/observe/prometheus"
	"github.com/pegasus-go/pegasus/onebox"
)

func main() {
	diagnose := flag.Bool("diagnose", false, "print a diagnosis in place of metrics")
	flag.Parse()
	if err := run(context.Background(), *diagnose); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, diagnose bool) error {
	box, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "users", Partitions: 4}}})
	if err != nil {
		return err
	}
	defer box.Close()
	cluster, err := pegasus.New(pegasus.Config{
		MetaServers: box.MetaServers(),
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	defer cluster.Close()
	registry := prometheus.NewRegistry()
	if err := observe.Register(registry, cluster); err != nil {
		return err
	}
	table, err := cluster.Open(ctx, "users")
	if err != nil {
		return err
	}
	for i := range 10_000 {
		key := fmt.Appendf(nil, "user_%d", i)
		if err := table.Set(ctx, key, []byte("name"), key); err != nil {
			return err
		}
		if _, err := table.Get(ctx, key, []byte("name")); err != nil {
			return err
		}
	}
	if diagnose {
		fmt.Print(cluster.Diagnose(ctx))
		return nil
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(answer.Body)
	return nil
}
