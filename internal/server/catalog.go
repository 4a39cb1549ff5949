package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// catalog is the meta data of all tables. It is kept in the store, too: every
// change is written there, all or nothing, before it takes effect.
type catalog struct {
	mu     sync.Mutex
	level  wire.MetaFunctionLevel
	lastID int32
	byID   map[int32]*table
	byName map[string]*table // available ones

	holdSplits bool // see Server.HoldSplits
}

// record is the meta data of one table as it is kept in the store, in Thrift
// binary: fields may be added.
type record struct {
	Info       wire.AppInfo      `thrift:"1"`
	Partitions []partitionRecord `thrift:"2"`
}

// partitionRecord is what a partition's configuration is made of.
type partitionRecord struct {
	Ballot  int64 `thrift:"1"`
	Primary int32 `thrift:"2"` // index of a replica server, noPrimary
}

// Keys of the store's meta data.
const (
	tableKeyPrefix = "table/" // and the id
	lastIDKey      = "last_table_id"
)

func tableKey(id int32) string { return tableKeyPrefix + strconv.Itoa(int(id)) }

func (r *record) encode() []byte { return wire.Of(r).AppendValue(nil) }

func decodeRecord(b []byte) (record, error) {
	var r record
	rd := wire.NewReader(b)
	wire.Of(&r).Read(&rd)
	return r, rd.Err()
}

// clone returns a copy that shares nothing with r.
func (r *record) clone() record {
	c := *r
	c.Info.Envs = maps.Clone(r.Info.Envs)
	c.Partitions = slices.Clone(r.Partitions)
	return c
}

// loadCatalog reads the tables from the store and makes them available. Ballots
// grow: to clients a restart is a change of every configuration.
func (s *Server) loadCatalog() error {
	c := &s.catalog
	c.level = wire.MetaSteady
	c.byID = make(map[int32]*table)
	c.byName = make(map[string]*table)
	s.available.Store(&map[int32]*table{})

	changed := make(map[string][]byte)
	named := make(map[string]string) // keys of available tables
	err := s.db.Meta(func(key string, value []byte) error {
		if key == lastIDKey {
			n, err := strconv.ParseInt(string(value), 10, 32)
			c.lastID = int32(n)
			return err
		}
		if len(key) <= len(tableKeyPrefix) || key[:len(tableKeyPrefix)] != tableKeyPrefix {
			return nil
		}
		rec, err := decodeRecord(value)
		if err == nil && (tableKey(rec.Info.AppID) != key || len(rec.Partitions) != int(rec.Info.PartitionCount)) {
			err = errors.New("inconsistent record")
		}
		if err == nil && rec.Info.Status == wire.AppAvailable {
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
			if int(p.Primary) >= len(s.replicas) || p.Primary < 0 {
				p.Primary = int32(i % len(s.replicas))
			}
		}
		changed[key] = rec.encode()
		c.byID[rec.Info.AppID] = &table{id: rec.Info.AppID, rec: rec}
		return nil
	})
	if err != nil {
		return fmt.Errorf("server: read meta data: %w", err)
	}
	if len(changed) > 0 && !s.opts.ReadOnly {
		if err := s.db.UpdateMeta(changed, nil); err != nil {
			// The next start does it. Until then the tables can be read.
			s.log.Error("ballots of tables not written", "err", err)
		}
	}
	for _, t := range c.byID {
		if t.rec.Info.Status == wire.AppAvailable {
			c.byName[t.rec.Info.AppName] = t
			if err := s.open(t); err != nil {
				return err
			}
		}
	}
	s.publish()
	return nil
}

// open gets hold of a table's partitions in the store and makes them follow the
// table's record. The catalog is locked, or not shared yet.
func (s *Server) open(t *table) error {
	var partitions []*partition
	if old := t.partitions.Load(); old != nil {
		partitions = append(partitions, *old...)
	}
	for i := len(partitions); i < len(t.rec.Partitions); i++ {
		store, err := s.db.Partition(t.id, int32(i))
		if err != nil {
			return fmt.Errorf("server: open table %d: %w", t.id, err)
		}
		partitions = append(partitions, &partition{
			t:     t,
			gpid:  wire.GPID{AppID: t.id, PartitionIndex: int32(i)},
			store: store,
		})
	}
	for i, r := range t.rec.Partitions {
		partitions[i].conf.Store(s.configure(r.Ballot, int(r.Primary), int(t.rec.Info.MaxReplicaCount)))
	}
	t.partitions.Store(&partitions)
	s.applyEnvs(t)
	return nil
}

// publish lets data RPCs see the tables that are available now. The catalog is
// locked, or not shared yet.
func (s *Server) publish() {
	m := make(map[int32]*table, len(s.catalog.byName))
	for _, t := range s.catalog.byName {
		m[t.id] = t
	}
	s.available.Store(&m)
}

// save writes a table's record to the store, and on success makes it the
// table's. It refuses while a split moves records, which writes a record of its
// own at its end. The catalog is locked.
func (s *Server) save(t *table, rec record) (code wire.ErrorCode, hint string) {
	if t.moving.Load() {
		return wire.ErrSplitting, "the table is being split"
	}
	set := map[string][]byte{tableKey(rec.Info.AppID): rec.encode()}
	if rec.Info.AppID > s.catalog.lastID {
		set[lastIDKey] = strconv.AppendInt(nil, int64(rec.Info.AppID), 10)
	}
	if err := s.db.UpdateMeta(set, nil); err != nil {
		s.log.Error("table meta data not written", "table", rec.Info.AppName, "err", err)
		return wire.ErrReplicationFailure, "the change could not be stored"
	}
	s.catalog.lastID = max(s.catalog.lastID, rec.Info.AppID)
	t.rec = rec
	return wire.ErrOK, ""
}

// reconfigure makes new configurations out of the table's record. The catalog
// is locked.
func (s *Server) reconfigure(t *table) {
	for i, p := range *t.partitions.Load() {
		r := t.rec.Partitions[i]
		p.conf.Store(s.configure(r.Ballot, int(r.Primary), int(t.rec.Info.MaxReplicaCount)))
	}
}

// sorted returns all tables by id. The catalog is locked.
func (c *catalog) sorted() []*table {
	return slices.SortedFunc(maps.Values(c.byID), func(a, b *table) int {
		return int(a.rec.Info.AppID) - int(b.rec.Info.AppID)
	})
}
