package pegasus_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// What happens again and again is logged rarely, with a count; requests are not, and
// there are no keys.
func TestLogger(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		},
	}))
	configured(t, pegasus.Config{Logger: logger}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		synctest.Wait() // OpenTable does not wait for what is told of the answer that it got
		node := c.Nodes[0].Addr()
		secret := []byte("secret\nkey")
		answers := 0
		c.On(wire.TaskGet, func(r *peer.Request) {
			if answers++; answers%2 == 1 {
				r.Fail(wire.ErrBusy)
				return
			}
			answer(r)
		})
		for range 30 {
			if _, err := tb.Get(t.Context(), secret, secret); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		want := fmt.Sprintf(`level=DEBUG msg="asking the meta servers" table=temp
level=DEBUG msg=connected server=%s
level=DEBUG msg="the meta servers answered" table=temp partitions=8
level=DEBUG msg=connected server=%s
level=WARN msg="requests are sent again" table=temp reason=busy
level=WARN msg="requests are sent again" table=temp reason=busy suppressed=9
level=WARN msg="requests are sent again" table=temp reason=busy suppressed=9
`, peer.MetaAddr, node)
		if got := out.String(); got != want {
			t.Errorf("logged\n%s\nwant\n%s", got, want)
		}
	})
}

// A text that comes from elsewhere makes no line of its own.
func TestLoggerEscapes(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		cl := clientOf(t, c, pegasus.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
		cl.OpenTable(t.Context(), "no\nsuch\x1b[2Jtable")
		synctest.Wait()
	})
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") || !strings.Contains(got, "table does not exist") {
		t.Errorf("logged %q", got)
	}
}
