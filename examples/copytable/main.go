// Command copytable copies a table from one cluster to another, where there has to be one
// of that name. Entries keep their time to live.
//
//	go run ./examples/copytable -from 127.0.0.1:34601 -to meta1:34601,meta2:34601 users
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
)

func main() {
	from := flag.String("from", "127.0.0.1:34601", "meta servers of the cluster that has the table")
	to := flag.String("to", "", "meta servers of the other cluster")
	flag.Parse()
	if *to == "" || flag.NArg() != 1 {
		log.Fatal("usage: copytable -from host:port,... -to host:port,... table")
	}
	n, err := run(context.Background(), *from, *to, flag.Arg(0))
	fmt.Printf("%d entries copied\n", n)
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, from, to, table string) (int, error) {
	source, err := pegasus.New(pegasus.Config{MetaServers: strings.Split(from, ",")})
	if err != nil {
		return 0, err
	}
	defer source.Close()
	target, err := pegasus.New(pegasus.Config{MetaServers: strings.Split(to, ",")})
	if err != nil {
		return 0, err
	}
	defer target.Close()
	src, err := source.Open(ctx, table)
	if err != nil {
		return 0, err
	}
	dst, err := target.Open(ctx, table)
	if err != nil {
		return 0, err
	}
	return copyTable(ctx, src, dst)
}

func copyTable(ctx context.Context, src, dst *pegasus.Table) (n int, err error) {
	scan, err := src.Scan(ctx, pegasus.ScanOptions{WithExpiry: true})
	if err != nil {
		return 0, err
	}
	var puts []pegasus.Put
	set := func() error {
		outcomes, err := dst.SetMany(ctx, puts)
		if err == nil {
			err = outcomes.Err()
		}
		if err == nil {
			n += len(puts)
		}
		puts = puts[:0]
		return err
	}
	for row, err := range scan.Rows(ctx) {
		if err != nil {
			return n, err
		}
		put := pegasus.Put{HashKey: row.HashKey, SortKey: row.SortKey, Value: row.Value}
		if !row.Expires.IsZero() {
			if put.TTL = time.Until(row.Expires).Round(time.Second); put.TTL <= 0 {
				continue
			}
		}
		if puts = append(puts, put); len(puts) == 500 {
			if err := set(); err != nil {
				return n, err
			}
		}
	}
	if len(puts) == 0 {
		return n, nil
	}
	return n, set()
}
