// Picture makes the pictures of the dashboards in the docs, from a real run: it starts a
// onebox and examples/service as its client, sends requests and makes servers fail, has a
// Prometheus scrape both, and draws what the queries of the dashboards return.
//
// The pictures are not made by Grafana, and say so: units, legends and the places of panels
// are read from the dashboards, and drawn here.
//
// It needs the programs prometheus and chromium, as in the Debian packages of these names:
//
//	make picture, or: go -C observe/picture run . -duration 4m
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	duration := flag.Duration("duration", 4*time.Minute, "how long the load lasts")
	out := flag.String("out", "../../docs", "`directory` for the pictures")
	prometheus := flag.String("prometheus", "prometheus", "the `program`")
	chromium := flag.String("chromium", "chromium", "the `program`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *duration, *out, *prometheus, *chromium); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, duration time.Duration, out, prometheus, chromium string) error {
	dir, err := os.MkdirTemp("", "picture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := startCluster(ctx, dir)
	if err != nil {
		return err
	}
	defer c.close()
	p, err := startPrometheus(ctx, prometheus, dir, c.targets())
	if err != nil {
		return err
	}
	defer p.close()
	began := time.Now()
	marks, err := c.load(ctx, duration)
	if err != nil {
		return err
	}
	span := span{from: began, to: time.Now()}
	for _, name := range []string{"client", "onebox"} {
		d, err := readDashboard("../prometheus/dashboards/" + name + ".json")
		if err != nil {
			return err
		}
		page, height, err := draw(ctx, d, p, span, marks)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, page, 0o600); err != nil {
			return err
		}
		picture := filepath.Join(out, "observing-"+name+".png")
		if err := shoot(ctx, chromium, dir, file, picture, height); err != nil {
			return err
		}
		fmt.Println(picture)
	}
	return nil
}
