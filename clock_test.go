package pegasus_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A clock that is wrong never turns a time to live into an expiry of 0, which is
// none at all, or into a negative one, which was over long ago or is far away.
func TestClockBefore2016(t *testing.T) {
	epoch := time.Unix(1451606400, 0)
	for _, now := range []time.Time{{}, time.Unix(0, 0), epoch.AddDate(-16, 0, 0), epoch.Add(-time.Hour), epoch.Add(-time.Minute), epoch.Add(-1), epoch} {
		for _, ttl := range []time.Duration{time.Second, time.Minute, time.Minute + time.Second, time.Hour, 24 * 365 * time.Hour} {
			t.Run(fmt.Sprint(now.UTC().Format(time.DateTime), "/", ttl), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := peer.Start(t, 1, 1)
					answerAll(c, answer)
					var sent []int32
					note := func(expiry func(r *peer.Request) int32) peer.Handler {
						return func(r *peer.Request) {
							sent = append(sent, expiry(r))
							answer(r)
						}
					}
					c.On(wire.TaskPut, note(func(r *peer.Request) int32 { return peer.Arg[wire.UpdateRequest](r).ExpireTS }))
					c.On(wire.TaskMultiPut, note(func(r *peer.Request) int32 { return peer.Arg[wire.MultiPutRequest](r).ExpireTS }))
					c.On(wire.TaskCheckAndSet, note(func(r *peer.Request) int32 { return peer.Arg[wire.CheckAndSetRequest](r).SetExpireTS }))
					tb := openTemp(t, clientOf(t, c, pegasus.Config{Clock: func() time.Time { return now }}))
					for name, call := range map[string]func() error{
						"SetTTL":      func() error { return tb.SetTTL(t.Context(), h, s, v, ttl) },
						"MultiSetOpt": func() error { return tb.MultiSetOpt(t.Context(), h, [][]byte{s}, [][]byte{v}, ttl) },
						"CheckAndSet": func() error {
							_, err := tb.CheckAndSet(t.Context(), h, s, pegasus.CheckTypeNoCheck, nil, s, v,
								&pegasus.CheckAndSetOptions{SetValueTTLSeconds: int(ttl / time.Second)})
							return err
						},
					} {
						sent = nil
						err := call()
						switch {
						case err != nil && len(sent) > 0:
							t.Errorf("%s was sent and failed: %v", name, err)
						case err == nil && (len(sent) != 1 || sent[0] <= 0):
							t.Errorf("%s has the expiry %v", name, sent)
						}
					}
				})
			})
		}
	}
}
