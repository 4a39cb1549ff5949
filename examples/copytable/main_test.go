package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/pegasustest"
)

func TestCopyTable(t *testing.T) {
	from, to := pegasustest.Start(t), pegasustest.Start(t)
	const entries = 1234
	for i := range entries {
		var ttl time.Duration
		if i%2 == 0 {
			ttl = time.Hour
		}
		if err := from.Table.SetTTL(t.Context(), fmt.Appendf(nil, "user%d", i%100), fmt.Append(nil, i), []byte("value"), ttl); err != nil {
			t.Fatal(err)
		}
	}
	metas := func(c *pegasustest.Cluster) string { return strings.Join(c.MetaServers(), ",") }
	n, err := run(t.Context(), metas(from), metas(to), "temp")
	if n != entries || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for i := range entries {
		ttl, err := to.Table.TTL(t.Context(), fmt.Appendf(nil, "user%d", i%100), fmt.Append(nil, i))
		if err != nil || (ttl == -1) != (i%2 == 1) || ttl > 3601 {
			t.Fatalf("entry %d: %d, %v", i, ttl, err)
		}
	}
}
