package catalog

import (
	"maps"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// MaxPartitions is the largest partition count of a table.
const MaxPartitions = 1 << 16

// MaxReplicaCount is the largest number of replicas of a partition.
const MaxReplicaCount = 5

// AppType is the type of every table.
const AppType = "pegasus"

// Create makes a table and returns its id. With SuccessIfExist it is also good
// if there is one with that name and these properties.
func (c *Catalog) Create(name string, o *wire.CreateAppOptions) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.frozen(); err != nil {
		return 0, err
	}
	switch {
	case o.PartitionCount <= 0, o.PartitionCount > MaxPartitions,
		o.ReplicaCount < 1, o.ReplicaCount > MaxReplicaCount,
		// A real server's replicas die of another type.
		o.AppType != AppType,
		!validCreateEnvs(o.Envs):
		return 0, Refuse(wire.ErrInvalidParameters, "")
	}
	if t := c.byName[name]; t != nil {
		switch {
		case !o.SuccessIfExist:
			return 0, Refuse(wire.ErrAppExist, "")
		case !sameOptions(&t.View().Info, o):
			return 0, Refuse(wire.ErrInvalidParameters, "")
		}
		return t.ID, nil
	}
	t := &Table{ID: c.lastID + 1}
	rec := &record{Info: wire.AppInfo{
		Status:             wire.AppAvailable,
		AppType:            o.AppType,
		AppName:            name,
		AppID:              t.ID,
		PartitionCount:     o.PartitionCount,
		Envs:               maps.Clone(o.Envs),
		IsStateful:         o.IsStateful,
		MaxReplicaCount:    o.ReplicaCount,
		CreateSecond:       c.Now(),
		InitPartitionCount: o.PartitionCount,
	}}
	for i := range o.PartitionCount {
		rec.Partitions = append(rec.Partitions, Configuration{Ballot: 1, Primary: c.opts.Members.primary(int(i))})
	}
	return t.ID, c.put(t, rec)
}

func sameOptions(info *wire.AppInfo, o *wire.CreateAppOptions) bool {
	return info.PartitionCount == o.PartitionCount &&
		info.MaxReplicaCount == o.ReplicaCount &&
		info.AppType == o.AppType &&
		info.IsStateful == o.IsStateful &&
		maps.Equal(info.Envs, o.Envs)
}

// Rename gives a table another name.
func (c *Catalog) Rename(from, to string) error {
	return c.changeNamed(from, func(r *record) error {
		if c.byName[to] != nil {
			return Refuse(wire.ErrInvalidParameters, "ERROR: app(%s) already exist! check it!", to)
		}
		r.Info.AppName = to
		return nil
	})
}

// SetReplicaCount changes the number of replicas of a table. It returns the one
// before.
func (c *Catalog) SetReplicaCount(table string, n int32) (old int32, err error) {
	err = c.changeNamed(table, func(r *record) error {
		old = r.Info.MaxReplicaCount
		if n < 1 || n > MaxReplicaCount {
			return Refuse(wire.ErrInvalidParameters, "requested replica count(%d) must be in range [1, %d]", n, MaxReplicaCount)
		}
		if n == old {
			return Refuse(wire.ErrOK, "no need to update max_replica_count since it's not changed")
		}
		r.Info.MaxReplicaCount = n
		for i := range r.Partitions {
			r.Partitions[i].Ballot++
		}
		return c.frozen()
	})
	return old, err
}
