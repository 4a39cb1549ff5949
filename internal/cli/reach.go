package cli

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// answersItself marks the commands that tell themselves who does not answer.
const answersItself = "answers itself"

// listenTime is how long a command goes on before it is looked whether anybody listens at all.
var listenTime = 250 * time.Millisecond

var errNobody = errors.New("all refuse connections")

// reach runs what begins to work with a cluster, and ends it if all its meta servers refuse
// connections, unless it is to wait for one. The client would try them again for as long as it
// has time, which is right while servers fail over, and not where there is none.
func (a *app) reach(ctx context.Context, metas []string, begin func(context.Context) error) error {
	if a.await {
		return begin(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		timer := time.NewTimer(listenTime)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if allRefuse(ctx, metas) {
			cancel(errNobody)
		}
	})
	err := begin(ctx)
	nobody := errors.Is(context.Cause(ctx), errNobody)
	cancel(nil)
	looking.Wait()
	if err != nil && nobody && exit.Of(err) != exit.InDoubt {
		return exit.Errorf(exit.Unreachable, "%w: %s: connection refused; --await waits for one", pegasus.ErrNoMeta, strings.Join(metas, " "))
	}
	return err
}

// allRefuse reports whether there is no server at any address, for sure.
func allRefuse(ctx context.Context, addrs []string) bool {
	refused := make(chan bool, len(addrs))
	for _, addr := range addrs {
		go func() {
			d := net.Dialer{Timeout: time.Second}
			c, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				c.Close()
			}
			refused <- errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windowsRefused)
		}()
	}
	all := true
	for range addrs {
		all = <-refused && all
	}
	return all
}

// windowsRefused is the number that Windows has for it.
const windowsRefused = syscall.Errno(10061)
