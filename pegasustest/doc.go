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
// To see how a program copes, make the cluster misbehave:
//
//   - servers that die, hang and come back: Kill, Revive, Restart, and Pause and
//     Resume of an [onebox.Node];
//   - disks that are full: FillDisk of an [onebox.Node];
//   - requests that are delayed, lost, or answered with any error:
//     [onebox.Server.Intercept];
//   - partitions that move, have no primary, or are split:
//     [onebox.Server.MovePrimary], Split;
//   - a network that refuses, breaks or stalls connections: Link, and [Network]
//     for servers other than those of a Cluster;
//   - tables that are throttled or deny requests: [admin.Client.SetEnvs] with
//     "replica.write_throttling" or "replica.deny_client_request".
//
// Onebox returns the server and Admin the administration client for these. Link
// concerns the clients made with Config, as Client is.
//
// What happens then is in the documentation of package pegasus. It does not
// depend on the machine's speed if the test runs on a fake clock, see above.
package pegasustest
