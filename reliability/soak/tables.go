package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// administrator makes, drops, recalls, renames, changes, splits and moves tables
// beside the one under load, while servers break, and compares what there is with
// what it knows. Their rows are written when nothing is broken, and have to
// outlive everything but a drop for good.
type administrator struct {
	s      *soak
	rng    *rand.Rand
	tables [sideTables]sideTable
	made   int          // names so far
	gone   map[int]bool // ids of tables dropped for good
}

const (
	sideTables     = 6
	sideRows       = 20
	sidePartitions = 16 // at most
	settleTime     = time.Minute
)

// sideTable is a table, or the place for one.
type sideTable struct {
	id   int       // 0 if there is none, or it is not known
	is   sideState // at last
	or   sideState // what else it may be
	rows bool      // are written
}

// sideState is what a table is like. The zero value is that there is none.
type sideState struct {
	name       string
	dropped    bool
	ttl        string // its environment
	partitions int
}

func newAdministrator(s *soak, rng *rand.Rand) *administrator {
	return &administrator{s: s, rng: rng, gone: make(map[int]bool)}
}

// run changes tables until ctx ends. A table is left alone after a change whose
// outcome is not known.
func (m *administrator) run(ctx context.Context, client *admin.Client) {
	for ctx.Err() == nil {
		t := &m.tables[m.rng.IntN(sideTables)]
		if t.is != t.or {
			sleep(ctx, m.rng, 0, 10*time.Millisecond)
			continue
		}
		call, cancel := context.WithTimeout(context.Background(), patience)
		name, err := m.change(call, client, t)
		cancel()
		m.s.report.call(name, err, false)
		switch {
		case err == nil && name != "split table": // which goes on for a while
			t.is = t.or
		case refused(err):
			t.or = t.is
		}
	}
}

// refused reports whether a change was not carried out for certain.
func refused(err error) bool {
	var code pegasus.ErrorCode
	return errors.As(err, &code) && !errors.Is(err, pegasus.ErrInDoubt) && !errors.Is(err, pegasus.ErrReplicationFailure)
}

// change makes one change, and notes in t.or what it leads to.
func (m *administrator) change(ctx context.Context, client *admin.Client, t *sideTable) (name string, err error) {
	switch {
	case t.is == sideState{}:
		t.or = sideState{name: m.name(), partitions: 1 << m.rng.IntN(4)}
		t.id, err = client.CreateTable(ctx, t.or.name, admin.CreateOptions{Partitions: t.or.partitions})
		return "create table", err
	case t.is.dropped:
		t.or.dropped, t.or.name = false, m.name()
		_, err = client.RecallTable(ctx, t.id, t.or.name)
		return "recall table", err
	}
	switch n := m.rng.IntN(30); {
	case n < 9:
		t.or.dropped = true
		return "drop table", client.DropTable(ctx, t.is.name, time.Hour)
	case n < 11 && t.rows: // one that was made in this round is kept until it has rows
		t.or = sideState{}
		err = client.DropTable(ctx, t.is.name, time.Second)
		if err == nil {
			m.gone[t.id] = true
			t.id, t.rows = 0, false
		}
		return "drop table for good", err
	case n < 17:
		t.or.name = m.name()
		return "rename table", client.RenameTable(ctx, t.is.name, t.or.name)
	case n < 23:
		t.or.ttl = strconv.Itoa(1e6 + m.rng.IntN(1e6))
		return "set environment", client.SetEnvs(ctx, t.is.name, map[string]string{ttlEnv: t.or.ttl})
	case n < 24 && t.is.partitions < sidePartitions:
		t.or.partitions *= 2
		return "split table", client.StartSplit(ctx, t.is.name, t.or.partitions)
	}
	return "move primary", m.move(ctx, client, t)
}

const ttlEnv = "default_ttl"

func (m *administrator) name() string {
	m.made++
	return fmt.Sprint("side", m.made)
}

func (m *administrator) move(ctx context.Context, client *admin.Client, t *sideTable) error {
	partition := m.rng.IntN(t.is.partitions)
	all, err := client.Partitions(ctx, t.is.name)
	if err != nil {
		return err
	}
	if partition >= len(all) || len(all[partition].Secondaries) == 0 {
		return nil // the onebox is about to give it a primary
	}
	to := all[partition].Secondaries
	return client.MovePrimary(ctx, t.is.name, partition, to[m.rng.IntN(len(to))])
}

// settle compares the tables with the model, now that nothing is under way, and
// their rows. It writes those of new ones.
func (m *administrator) settle(ctx context.Context, client *admin.Client, data pegasus.Client) error {
	found, err := m.list(ctx, client)
	if err != nil {
		return err
	}
	for i := range m.tables {
		t := &m.tables[i]
		m.settleTable(t, found)
		if t.is == (sideState{}) || t.is.dropped {
			continue
		}
		if err := m.settleRows(ctx, data, t); err != nil {
			return fmt.Errorf("%s: %w", t.is.name, err)
		}
	}
	for id, got := range found {
		if !got.dropped || !m.gone[id] {
			m.s.report.duplicated(1, "table %d is there: %+v", id, got)
		}
	}
	return nil
}

// list returns the tables by id, when all splits are done.
func (m *administrator) list(ctx context.Context, client *admin.Client) (map[int]sideState, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	all, err := client.Tables(ctx, admin.TableAvailable)
	for i := 0; i < len(all) && err == nil; {
		_, err = client.QuerySplit(ctx, all[i].Name)
		switch {
		case errors.Is(err, admin.ErrInvalidState): // none is under way
			i, err = i+1, nil
		case err == nil:
			sleep(ctx, m.rng, time.Millisecond, 10*time.Millisecond)
		}
	}
	if err != nil {
		return nil, err
	}
	if all, err = client.Tables(ctx, admin.AnyStatus); err != nil {
		return nil, err
	}
	found := make(map[int]sideState)
	for _, t := range all {
		if strings.HasPrefix(t.Name, "side") {
			found[t.ID] = sideState{t.Name, t.Status == admin.TableDropped, t.Envs[ttlEnv], t.Partitions}
		}
	}
	return found, nil
}

// settleTable takes a table out of what was found.
func (m *administrator) settleTable(t *sideTable, found map[int]sideState) {
	if t.id == 0 { // perhaps it was made, and its id did not arrive
		for id, got := range found {
			if got.name == t.or.name && !m.gone[id] {
				t.id = id
			}
		}
	}
	got := found[t.id]
	delete(found, t.id)
	if forGood := t.or == (sideState{}) && t.is != t.or; forGood && (got.dropped || got == sideState{}) {
		m.gone[t.id] = true
		got = sideState{}
	}
	if got != t.is && got != t.or {
		m.s.report.lost("table %d is %+v, want %+v or %+v", t.id, got, t.is, t.or)
	}
	t.is, t.or = got, got
	if got == (sideState{}) {
		t.id, t.rows = 0, false
	}
}

func (m *administrator) settleRows(ctx context.Context, data pegasus.Client, t *sideTable) error {
	table, err := data.OpenTable(ctx, t.is.name)
	if err != nil {
		return err
	}
	defer table.Close()
	for i := range sideRows {
		key, want := fmt.Appendf(nil, "%d", i), fmt.Appendf(nil, "%d/%d", t.id, i)
		if !t.rows {
			if err := table.Set(ctx, key, key, want); err != nil {
				return err
			}
			continue
		}
		got, err := table.Get(ctx, key, key)
		if err != nil {
			return err
		}
		if string(got) != string(want) {
			m.s.report.lost("table %d: row %d is %q, want %q", t.id, i, got, want)
		}
	}
	t.rows = true
	m.s.report.verified(sideRows)
	return nil
}
