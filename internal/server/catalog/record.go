package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// record is the meta data of one table as it is kept in the store, in Thrift
// binary: fields may be added. One that is in force does not change.
type record struct {
	Info       wire.AppInfo    `thrift:"1"`
	Partitions []Configuration `thrift:"2"`
	Compacted  int64           `thrift:"3"` // when the last manual compaction ended, in seconds of Unix time
}

// Configuration says who serves a partition. A new one has a higher ballot.
type Configuration struct {
	Ballot  int64 `thrift:"1"`
	Primary int32 `thrift:"2"` // index of a replica server, None
}

// Keys of the store's meta data.
const (
	tableKeyPrefix = "table/" // and the id
	lastIDKey      = "last_table_id"
)

func tableKey(id int32) string { return tableKeyPrefix + strconv.Itoa(int(id)) }

func (r *record) encode() []byte { return wire.Of(r).AppendValue(nil) }

func decodeRecord(b []byte) (*record, error) {
	r := new(record)
	rd := wire.NewReader(b)
	wire.Of(r).Read(&rd)
	return r, rd.Err()
}

// clone returns a copy that shares nothing with r.
func (r *record) clone() *record {
	c := *r
	c.Info.Envs = maps.Clone(r.Info.Envs)
	c.Partitions = slices.Clone(r.Partitions)
	return &c
}

// envs returns the environment, to be changed.
func (r *record) envs() map[string]string {
	if r.Info.Envs == nil {
		r.Info.Envs = make(map[string]string)
	}
	return r.Info.Envs
}

func (r *record) available() bool { return r.Info.Status == wire.AppAvailable }

// load reads the tables from the store. Ballots grow: to clients a restart is a
// change of every configuration.
func (c *Catalog) load() error {
	changed := make(map[string][]byte)
	var records []*record
	named := make(map[string]string) // keys of available tables
	err := c.db.Meta(func(key string, value []byte) error {
		if key == lastIDKey {
			n, err := strconv.ParseInt(string(value), 10, 32)
			c.lastID = int32(n)
			return err
		}
		if !strings.HasPrefix(key, tableKeyPrefix) {
			return nil
		}
		rec, err := decodeRecord(value)
		if err == nil && (tableKey(rec.Info.AppID) != key || len(rec.Partitions) != int(rec.Info.PartitionCount)) {
			err = errors.New("inconsistent record")
		}
		if err == nil && rec.available() {
			if other := named[rec.Info.AppName]; other != "" {
				err = fmt.Errorf("has the name %q, as %s has", rec.Info.AppName, other)
			}
			named[rec.Info.AppName] = key
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		for i := range rec.Partitions {
			p := &rec.Partitions[i]
			p.Ballot++
			if n := len(c.opts.Members.Replicas); int(p.Primary) >= n || p.Primary < 0 {
				p.Primary = int32(i % n)
			}
		}
		changed[key] = rec.encode()
		records = append(records, rec)
		return nil
	})
	if err != nil {
		return fmt.Errorf("server: read meta data: %w", err)
	}
	if len(changed) > 0 && !c.opts.ReadOnly {
		if err := c.db.UpdateMeta(changed, nil); err != nil {
			// The next start does it. Until then the tables can be read.
			c.opts.Logger.Error("ballots of tables not written", "error", err)
		}
	}
	for _, rec := range records {
		t := &Table{ID: rec.Info.AppID}
		next, err := c.prepare(t, rec)
		if err != nil {
			return err
		}
		c.byID[t.ID] = t
		if rec.available() {
			c.byName[rec.Info.AppName] = t
		}
		t.view.Store(next)
		c.applyEnvs(nil, next)
	}
	return nil
}
