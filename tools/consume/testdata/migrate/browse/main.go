// Command browse goes over a table and counts the entries whose sort keys are old times.
package main

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"github.com/apache/incubator-pegasus/go-client/config"
	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func main() {
	pegalog.SetLogger(pegalog.StderrLogger)
	logger := pegalog.GetLogger()

	client := pegasus.NewClient(*config.NewConfig(os.Args[1:]))
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		logger.Fatal(err)
	}
	now := time.Now()
	for age := 0; age < 4; age++ {
		sortKey := make([]byte, 8)
		binary.BigEndian.PutUint64(sortKey, uint64(now.AddDate(-age, 0, 0).UnixMilli()))
		if err := table.SetTTL(ctx, []byte("browse"), sortKey, []byte("page"), time.Minute); err != nil {
			logger.Fatal(err)
		}
	}

	options := pegasus.NewScanOptions()
	options.BatchSize = 20
	options.NoValue = true
	scanners, err := table.GetUnorderedScanners(ctx, 16, options)
	if err != nil {
		logger.Fatal(err)
	}
	before, old := uint64(now.AddDate(-1, 0, 1).UnixMilli()), 0
	for _, scanner := range scanners {
		for {
			completed, hashKey, sortKey, _, err := scanner.Next(ctx)
			if err != nil {
				logger.Fatal(err)
			}
			if completed {
				break
			}
			if string(hashKey) == "browse" && binary.BigEndian.Uint64(sortKey) < before {
				old++
			}
		}
		if err := scanner.Close(); err != nil {
			logger.Print(err)
		}
	}
	if old != 3 {
		logger.Fatal("old entries: ", old)
	}
	logger.Printf("%d old entries by %d scanners", old, len(scanners))
}
