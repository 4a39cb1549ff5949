package main

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"github.com/pegasus-go/pegasus/pegasustest"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// serverFaults breaks the onebox, one thing after the other, and repairs it.
type serverFaults struct {
	s   *soak
	rng *rand.Rand
}

// sleep returns early at the end of ctx.
func sleep(ctx context.Context, rng *rand.Rand, least, most time.Duration) {
	t := time.NewTimer(least + time.Duration(rng.Int64N(int64(most-least))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// run returns when ctx has ended and everything is repaired.
func (f *serverFaults) run(ctx context.Context) error {
	faults := []struct {
		name string // empty: the function reports it by itself
		do   func(context.Context) error
	}{
		{"kill -9", f.kill},
		{"restart", f.stop},
		{"node killed", f.killNode},
		{"node hung", f.hangNode},
		{"primaries moved", f.movePrimaries},
		{"no primary", f.takePrimary},
		{"", f.split},
		{"meta leader moved", f.moveLeader},
		{"disk full", f.fillDisk},
		{"error injected", f.injectError},
		{"requests delayed", f.delay},
		{"answers lost", f.lose},
		{"requests dropped", f.drop},
		{"connections broken at requests", f.closeAtRequests},
	}
	for ctx.Err() == nil {
		sleep(ctx, f.rng, 50*time.Millisecond, 800*time.Millisecond)
		if ctx.Err() != nil {
			break
		}
		fault := faults[f.rng.IntN(len(faults))]
		if fault.name != "" {
			f.s.report.fault(fault.name)
		}
		if err := fault.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// do carries out commands in the onebox until one fails.
func (f *serverFaults) do(commands ...child.Command) error {
	for _, c := range commands {
		c.Table = f.s.table
		if _, err := f.s.box.Do(c); err != nil {
			return err
		}
	}
	return nil
}

func (f *serverFaults) kill(ctx context.Context) error {
	return f.s.restart(func() error {
		err := f.s.box.Kill()
		sleep(ctx, f.rng, 0, 500*time.Millisecond)
		return err
	})
}

func (f *serverFaults) stop(context.Context) error { return f.s.restart(f.s.stop) }

func (f *serverFaults) node() int { return f.rng.IntN(replicaServers) }

func (f *serverFaults) killNode(ctx context.Context) error {
	node := f.node()
	if err := f.do(child.Command{Op: "stop", Node: node}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, 500*time.Millisecond) // until somebody notices
	if err := f.do(child.Command{Op: "failover", Node: node}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, 500*time.Millisecond)
	return f.do(child.Command{Op: "start", Node: node})
}

// hangNode hangs a node, for so long at times that clients take it for dead.
func (f *serverFaults) hangNode(ctx context.Context) error {
	node := f.node()
	if err := f.do(child.Command{Op: "pause", Node: node}); err != nil {
		return err
	}
	longest := 500 * time.Millisecond
	if f.rng.IntN(4) == 0 {
		longest = 6 * time.Second
	}
	sleep(ctx, f.rng, 0, longest)
	return f.do(child.Command{Op: "resume", Node: node})
}

// movePrimaries moves about half of the partitions.
func (f *serverFaults) movePrimaries(context.Context) error {
	n, err := f.s.partitions()
	if err != nil {
		return err
	}
	for i := range n {
		if f.rng.IntN(2) == 0 {
			continue
		}
		if err := f.do(child.Command{Op: "move", Partition: i, Node: f.node()}); err != nil {
			return err
		}
	}
	return nil
}

func (f *serverFaults) takePrimary(ctx context.Context) error {
	n, err := f.s.partitions()
	if err != nil {
		return err
	}
	i := f.rng.IntN(n)
	if err := f.do(child.Command{Op: "move", Partition: i, Node: -1}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, time.Second)
	return f.do(child.Command{Op: "move", Partition: i, Node: f.node()})
}

// split doubles the partitions, unless there are many or a split is under way.
func (f *serverFaults) split(context.Context) error {
	n, err := f.s.partitions()
	if err != nil || n >= maxPartitions {
		return err
	}
	a, err := f.s.box.Do(child.Command{Op: "split", Table: f.s.table})
	if err == nil && !a.Busy {
		f.s.report.fault("split")
	}
	return err
}

func (f *serverFaults) moveLeader(ctx context.Context) error {
	if err := f.do(child.Command{Op: "leader", Node: -1}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, 300*time.Millisecond)
	return f.do(child.Command{Op: "leader", Node: f.rng.IntN(metaServers)})
}

func (f *serverFaults) fillDisk(ctx context.Context) error {
	node := f.node()
	if err := f.do(child.Command{Op: "fill", Node: node}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, 100*time.Millisecond)
	return f.do(child.Command{Op: "empty", Node: node})
}

// inject lets a fault concern requests for a while.
func (f *serverFaults) inject(ctx context.Context, fault child.Fault, longest time.Duration) error {
	fault.Seed = f.rng.Uint64()
	if err := f.do(child.Command{Op: "inject", Fault: fault}); err != nil {
		return err
	}
	sleep(ctx, f.rng, 0, longest)
	return f.do(child.Command{Op: "inject"})
}

func (f *serverFaults) injectError(ctx context.Context) error {
	codes := []string{
		"ERR_BUSY", "ERR_NOT_ENOUGH_MEMBER", "ERR_CAPACITY_EXCEEDED", "ERR_SPLITTING", // may pass
		"ERR_INVALID_STATE", "ERR_OBJECT_NOT_FOUND", "ERR_PARENT_PARTITION_MISUSED", // look elsewhere
		"ERR_TIMEOUT", "ERR_FROM_THE_FUTURE", // in doubt
		"ERR_DISK_IO_ERROR", // refused
	}
	return f.inject(ctx, child.Fault{Share: f.rng.Float64() / 2, Error: codes[f.rng.IntN(len(codes))]}, time.Second)
}

func (f *serverFaults) delay(ctx context.Context) error {
	return f.inject(ctx, child.Fault{Share: f.rng.Float64() / 4, Delay: time.Duration(1+f.rng.IntN(100)) * time.Millisecond}, time.Second)
}

// A call whose request or answer is lost waits until the end of its time: such
// faults are rare and short.
const fewRequests, notLong = 0.001, 100 * time.Millisecond

func (f *serverFaults) lose(ctx context.Context) error {
	return f.inject(ctx, child.Fault{Share: fewRequests, Lose: true}, notLong)
}

func (f *serverFaults) drop(ctx context.Context) error {
	return f.inject(ctx, child.Fault{Share: fewRequests, Drop: true}, notLong)
}

func (f *serverFaults) closeAtRequests(ctx context.Context) error {
	return f.inject(ctx, child.Fault{Share: fewRequests, Close: true}, time.Second)
}

// networkFaults breaks the network between client and servers, at the same time
// as serverFaults breaks the servers.
type networkFaults struct {
	s   *soak
	rng *rand.Rand
}

// run returns when ctx has ended and everything is repaired.
func (f *networkFaults) run(ctx context.Context) {
	faults := []struct {
		name string
		do   func(context.Context, *pegasustest.Link)
	}{
		{"connection broken", func(_ context.Context, l *pegasustest.Link) { l.Break() }},
		{"connection broken in an answer", f.breakAfter},
		{"connection stalled", f.stall},
		{"dials refused", f.refuse},
		{"garbage sent", nil},
	}
	servers := append(append([]string(nil), f.s.box.ReplicaServers...), f.s.box.MetaServers...)
	for ctx.Err() == nil {
		sleep(ctx, f.rng, 50*time.Millisecond, 1500*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		fault := faults[f.rng.IntN(len(faults))]
		addr := servers[f.rng.IntN(len(servers))]
		f.s.report.fault(fault.name)
		if fault.do == nil {
			f.garbage(addr)
			continue
		}
		link := f.s.network.Link(addr)
		fault.do(ctx, link)
		link.Heal()
	}
}

func (f *networkFaults) breakAfter(ctx context.Context, l *pegasustest.Link) {
	l.BreakAfter(f.rng.Int64N(100_000))
	sleep(ctx, f.rng, 0, 300*time.Millisecond)
}

// stall stalls connections, for so long at times that the client gives them up.
func (f *networkFaults) stall(ctx context.Context, l *pegasustest.Link) {
	l.StallAfter(f.rng.Int64N(100_000))
	longest := 500 * time.Millisecond
	if f.rng.IntN(4) == 0 {
		longest = 6 * time.Second
	}
	sleep(ctx, f.rng, 0, longest)
}

func (f *networkFaults) refuse(ctx context.Context, l *pegasustest.Link) {
	l.RefuseDials()
	l.Break()
	sleep(ctx, f.rng, 0, time.Second)
}

// garbage is what a port scanner sends, or a damaged client. Whether the server
// is there to get it does not matter.
func (f *networkFaults) garbage(addr string) {
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return
	}
	defer nc.Close()
	b := make([]byte, 1+f.rng.IntN(5000))
	for i := range b {
		b[i] = byte(f.rng.Uint32())
	}
	if f.rng.IntN(2) == 0 {
		copy(b, "THFT") // so that it looks like a request
	}
	_, _ = nc.Write(b)
}
