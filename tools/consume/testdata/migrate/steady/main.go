// Command steady writes all the time, and ends when that goes well for a while.
package main

import (
	"context"
	"log"
	"os"
	"strings"
	"time"

	"github.com/apache/incubator-pegasus/go-client/config"
	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

func main() {
	client := pegasus.NewClient(config.Config{MetaServers: os.Args[1:]})
	defer client.Close()
	table, err := client.OpenTable(context.Background(), "temp")
	if err != nil {
		panic(err)
	}
	for well := 0; well < 10; well++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := table.Set(ctx, []byte(time.Now().Format(time.RFC3339Nano)), []byte(""), []byte("value"))
		cancel()
		if err != nil {
			pegalog.GetLogger().Print(err)
			well = 0
			if strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
				log.Print("too slow")
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
