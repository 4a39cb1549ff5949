// Package pegasustest starts a whole Pegasus in the process of a test: an
// onebox with a table, and a client that has the table open.
//
//	func TestCart(t *testing.T) {
//		c := pegasustest.Start(t)
//		cart := NewCart(c.Table)
//		...
//	}
//
// Everything is in memory, listens on free ports of 127.0.0.1, and is stopped
// at the end of the test. Start takes some milliseconds; tests that run in
// parallel do not see each other's data.
//
// # Time
//
// AdvanceClock makes entries expire without waiting. In a bubble of
// testing/synctest, where time passes by itself, use WithMemoryNetwork: the
// clock of a bubble stands still while a goroutine waits for a real socket.
//
// # Failures
//
// To see how a program copes, make the cluster misbehave. Servers die, hang and
// come back; WithReplicaServers and WithMetaServers say how many there are:
//
//	c.Kill(0)                               // dies, and others take over its partitions
//	c.Revive(0)                             // is back
//	c.Restart()                             // all servers
//	c.Crash()                               // all servers, by a kill -9
//	c.Onebox().Replica(0).Stop()            // dies, and nobody has noticed yet; ends with Start
//	c.Onebox().Replica(0).Pause()           // hangs; ends with Resume
//	c.Onebox().Replica(0).Cut(onebox.Cut{}) // lives, and clients cannot reach it; ends with Mend
//	c.Onebox().Replica(0).FillDisk(true)    // refuses writes
//	c.Onebox().SetMetaLeader(1)             // Meta(0) is a node like Replica(0)
//
// Partitions move, have no primary for a while, and are split:
//
//	c.Onebox().MovePrimary("temp", 3, 1)
//	c.Onebox().MovePrimary("temp", 3, onebox.NoPrimary)
//	c.Split("temp")
//
// Single requests are delayed, held up, answered with any error, carried out
// without an answer, ignored, or end their connection, before or after they are
// carried out, see [onebox.Action]:
//
//	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
//		if r.Task == onebox.TaskGet && r.Table == "temp" {
//			return onebox.Action{Error: "ERR_BUSY"}
//		}
//		return onebox.Action{}
//	})
//
// The network refuses, breaks or stalls connections, at once or when so many
// bytes of answers have passed. A [Network] does that for servers other than
// those of a Cluster:
//
//	link := c.Link(c.Onebox().Replica(0).Addr())
//	link.RefuseDials()
//	link.Break()
//	link.BreakAfter(1000)
//	link.StallAfter(1000)
//	link.Heal() // ends all that
//
// Tables are throttled, or deny requests:
//
//	c.Admin().SetEnvs(ctx, "temp", map[string]string{"replica.write_throttling": "100*reject*0"})
//	c.Admin().SetEnvs(ctx, "temp", map[string]string{"replica.deny_client_request": "reconfig*write"})
//
// Link concerns the clients made with Config, as Client is; Admin is not
// disturbed by it.
//
// What happens then is in the documentation of package pegasus. It does not
// depend on the machine's speed if the test runs on a fake clock, see above.
package pegasustest
