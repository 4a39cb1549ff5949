// Command store writes entries of one hash key and reads them back, singly and together.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/apache/incubator-pegasus/go-client/config"
	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func main() {
	pegalog.SetLogger(pegalog.NewLogrusLogger(&pegalog.LogrusConfig{
		MaxSize:  100,
		Filename: "store.log",
	}))
	logger := pegalog.GetLogger()

	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		logger.Fatal(err)
	}
	cfg := &config.Config{}
	if err := json.Unmarshal(text, cfg); err != nil {
		logger.Fatal(err)
	}
	client := pegasus.NewClient(*cfg)
	defer client.Close()

	ctx := context.Background()
	table, err := client.OpenTable(ctx, "temp")
	if err != nil {
		logger.Fatal(err)
	}
	hashKey, value := []byte("store"), bytes.Repeat([]byte("v"), 500)
	var sortKeys [][]byte
	for i := 0; i < 20; i++ {
		sortKeys = append(sortKeys, []byte(fmt.Sprintf("%02d", i)))
		if err := table.Set(ctx, hashKey, sortKeys[i], value); err != nil {
			logger.Fatal(err)
		}
	}
	for _, sortKey := range sortKeys {
		got, err := table.Get(ctx, hashKey, sortKey)
		if err != nil || !bytes.Equal(got, value) {
			logger.Fatal("Get: ", got, err)
		}
	}
	entries, all, err := table.MultiGet(ctx, hashKey, sortKeys)
	if err != nil || !all || len(entries) != len(sortKeys) {
		logger.Fatal("MultiGet: ", len(entries), all, err)
	}
	logger.Printf("%d entries", len(entries))
}
