package pegasus_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A split while goroutines read, write and scan: no wrong "not found", nothing
// lost, nothing twice.
func TestSplitUnderLoad(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithTable("temp", 4), pegasustest.WithReplicaServers(2))
	ctx := t.Context()
	const n = 400
	key := func(i int) []byte { return fmt.Appendf(nil, "key%d", i) }
	for i := range n {
		must(t, c.Table.Set(ctx, key(i), []byte("s"), []byte("s")))
	}
	begun := make(chan struct{})
	split := make(chan struct{})
	var started, wg sync.WaitGroup
	for g := range 4 {
		started.Add(1)
		wg.Go(func() {
			once := sync.OnceFunc(started.Done)
			for i := 0; ; i++ {
				k := key((i*7 + g) % n)
				if v, err := c.Table.Get(ctx, k, []byte("s")); err != nil || v == nil {
					t.Errorf("%s: %q, %v", k, v, err)
				}
				if err := c.Table.Set(ctx, k, []byte("s"), []byte("s")); err != nil {
					t.Errorf("%s: %v", k, err)
				}
				once()
				select {
				case <-split:
					if i > n/2 {
						return
					}
				default:
				}
			}
		})
	}
	all, err := c.Table.GetUnorderedScanners(ctx, 4, &pegasus.ScannerOptions{BatchSize: 10})
	must(t, err)
	var mu sync.Mutex
	got := make(map[string]int)
	for _, s := range all {
		started.Add(1)
		wg.Go(func() {
			_, hashKey, _, _, err := s.Next(ctx)
			started.Done()
			if err != nil {
				t.Error(err)
				return
			}
			<-begun
			rest := append(drain(t, s), string(hashKey)+"/s")
			mu.Lock()
			defer mu.Unlock()
			for _, k := range rest {
				got[k]++
			}
		})
	}
	started.Wait()
	c.Split("temp")
	close(begun)
	close(split)
	wg.Wait()
	for k, times := range got {
		if times != 1 {
			t.Errorf("%s came %d times", k, times)
		}
	}
	if len(got) != n {
		t.Errorf("%d entries, want %d", len(got), n)
	}
}
