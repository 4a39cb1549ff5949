package pegasustest

import (
	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// Option changes what Start starts.
type Option func(*settings)

type settings struct {
	onebox onebox.Options
	client []func(*pegasus.Config)
	memory bool
}

// The table that there is unless WithTable asks for others.
const (
	DefaultTable      = "temp"
	DefaultPartitions = 8
)

// WithTable makes a table. It can be given several times; the first table is
// Cluster.Table. Default: DefaultTable with DefaultPartitions partitions.
func WithTable(name string, partitions int) Option {
	return func(s *settings) {
		s.onebox.Tables = append(s.onebox.Tables, onebox.Table{Name: name, Partitions: partitions})
	}
}

// WithReplicaServers sets the number of replica servers, 1 to 5. The partitions
// are spread over them. Default: 1.
func WithReplicaServers(n int) Option {
	return func(s *settings) { s.onebox.ReplicaServers = n }
}

// WithMetaServers sets the number of meta servers, 1 to 5. Default: 1.
func WithMetaServers(n int) Option {
	return func(s *settings) { s.onebox.MetaServers = n }
}

// WithDir keeps the data in a directory, such as t.TempDir(). Default: in
// memory.
func WithDir(dir string) Option {
	return func(s *settings) { s.onebox.Dir = dir }
}

// WithMemoryNetwork replaces the network by pipes in memory, so that a test in a
// bubble of testing/synctest runs on the bubble's clock. Only clients made with
// Cluster.Config can connect then.
func WithMemoryNetwork() Option {
	return func(s *settings) { s.memory = true }
}

// WithOnebox changes any option of the onebox, such as its limits. Its Clock is
// the one that AdvanceClock advances.
func WithOnebox(change func(*onebox.Options)) Option {
	return func(s *settings) { change(&s.onebox) }
}

// WithClient changes the configuration of the client, such as its
// OperationTimeout. MetaServers and Dial are set afterwards.
func WithClient(change func(*pegasus.Config)) Option {
	return func(s *settings) { s.client = append(s.client, change) }
}
