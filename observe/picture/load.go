package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
)

const table = "users"

// cluster is a onebox, and the service whose client is looked at.
type cluster struct {
	box     *onebox.Server
	service *exec.Cmd
	address string // of the service
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	c := new(cluster)
	if err := c.start(ctx, dir); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context, dir string) (err error) {
	program := filepath.Join(dir, "service")
	if text, err := exec.CommandContext(ctx, "go", "-C", "../../examples/service", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if c.box, err = onebox.Start(onebox.Options{
		Dir: filepath.Join(dir, "data"), ReplicaServers: 3, Tables: []onebox.Table{{Name: table, Partitions: 8}},
	}); err != nil {
		return err
	}
	if c.address, err = freeAddress(); err != nil {
		return err
	}
	if c.service, err = start(ctx, filepath.Join(dir, "service.log"), program, "-listen", c.address, "-limit", "1000000",
		"-meta", strings.Join(c.box.MetaServers(), ",")); err != nil {
		return err
	}
	return answers(ctx, "http://"+c.address+"/debug/ready")
}

func (c *cluster) close() {
	if c.service != nil {
		stop(c.service)
	}
	if c.box != nil {
		c.box.Close()
	}
}

// targets are what Prometheus scrapes.
func (c *cluster) targets() map[string]string {
	return map[string]string{"service": c.address, "onebox": c.box.MetaServers()[0]}
}

// load sends requests to the service while servers fail, and returns when they did.
func (c *cluster) load(ctx context.Context, duration time.Duration) ([]mark, error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel() // which they end by
	for range 32 {
		wg.Go(func() { c.requests(ctx) })
	}
	var marks []mark
	began := time.Now()
	for _, f := range faults {
		if !pause(ctx, time.Until(began.Add(time.Duration(f.at*float64(duration))))) {
			break
		}
		marks = append(marks, mark{time.Now(), f.name})
		if err := f.begin(c.box); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		pause(ctx, f.lasts)
		if err := f.end(c.box); err != nil {
			return nil, fmt.Errorf("end of %s: %w", f.name, err)
		}
	}
	<-ctx.Done()
	return marks, nil
}

// requests sends one after the other, with pauses.
func (c *cluster) requests(ctx context.Context) {
	client := &http.Client{Timeout: 5 * time.Second}
	send := func(method, path, body string) {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		if resp, err := client.Do(r); err == nil { // that some fail is what is looked at
			resp.Body.Close()
		}
	}
	for pause(ctx, time.Duration(30+rand.IntN(60))*time.Millisecond) {
		user := fmt.Sprintf("user%d", rand.IntN(5000))
		switch rand.IntN(8) {
		case 0:
			send("PUT", "/profiles/"+user, fmt.Sprintf(`{"mail":"%s@example.com","fields":{"city":"Rome","about":%q}}`, user, strings.Repeat("x", 200)))
		case 1:
			send("POST", "/sessions", fmt.Sprintf(`{"user":%q}`, user))
		case 2:
			send("GET", "/profiles/"+user+"/events?size=5", "")
		default:
			send("GET", "/profiles/"+user, "")
		}
	}
}

// pause reports whether it has not ended early.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
