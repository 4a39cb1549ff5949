package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Refusal is why a change is not made, in the terms of a meta server.
type Refusal struct {
	Code wire.ErrorCode
	Hint string // what a tool shows
}

// Error returns the hint, or without one the name of the code.
func (r *Refusal) Error() string {
	if r.Hint == "" {
		return string(r.Code)
	}
	return r.Hint
}

// Unwrap returns the code.
func (r *Refusal) Unwrap() error { return r.Code }

// Refuse returns a Refusal. Without a format it has no hint.
func Refuse(code wire.ErrorCode, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// Outcome returns what an answer says about the outcome of a change.
func Outcome(err error) (code wire.ErrorCode, hint string) {
	if err == nil {
		return wire.ErrOK, ""
	}
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code, r.Hint
	}
	return wire.ErrReplicationFailure, err.Error()
}

// errNoTable refuses a change of a table that there is not.
func errNoTable(name string) error {
	return Refuse(wire.ErrAppNotExist, "app(%s) not existed", name)
}

// change is the one way to change a table. It lets f change a copy of the
// table's record, writes that to the store, and puts it into force, all or
// nothing. It refuses while a split moves records, which writes a record of its
// own at its end, and when the table was purged. The catalog is locked.
func (c *Catalog) change(t *Table, f func(*record) error) error {
	if c.byID[t.ID] != t {
		return errNoTable(t.View().Info.AppName)
	}
	if t.Moving() {
		return Refuse(wire.ErrSplitting, "the table is being split")
	}
	rec := t.View().record.clone()
	if err := f(rec); err != nil {
		return err
	}
	return c.put(t, rec)
}

// changeNamed is change for the available table with that name.
func (c *Catalog) changeNamed(name string, f func(*record) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[name]
	if t == nil {
		return errNoTable(name)
	}
	return c.change(t, f)
}

// put gives a table, which may be new, another record. The catalog is locked.
func (c *Catalog) put(t *Table, rec *record) error {
	if other := c.byName[rec.Info.AppName]; rec.available() && other != nil && other != t {
		return Refuse(wire.ErrInvalidParameters, "app(%s) already exist", rec.Info.AppName)
	}
	next, err := c.prepare(t, rec)
	if err != nil {
		c.log.Error("table not opened", "table", rec.Info.AppName, "error", oneLine(err))
		return Refuse(wire.ErrReplicationFailure, "the table could not be opened")
	}
	set := map[string][]byte{tableKey(t.ID): rec.encode()}
	if t.ID > c.lastID {
		set[lastIDKey] = strconv.AppendInt(nil, int64(t.ID), 10)
	}
	if err := c.db.UpdateMeta(set, nil); err != nil {
		c.log.Error("table meta data not written", "table", rec.Info.AppName, "error", oneLine(err))
		return Refuse(wire.ErrReplicationFailure, "the change could not be stored")
	}
	c.force(t, next)
	return nil
}

// force puts a table's next view, which is stored, into force. The catalog is
// locked.
func (c *Catalog) force(t *Table, next *View) {
	old := t.view.Swap(next)
	c.lastID = max(c.lastID, t.ID)
	c.applyEnvs(old, next)
	if old == nil || old.available() != next.available() || old.Info.AppName != next.Info.AppName {
		c.byID[t.ID] = t
		if old != nil && old.available() {
			delete(c.byName, old.Info.AppName)
		}
		if next.available() {
			c.byName[next.Info.AppName] = t
		}
		c.publish()
	}
	switch {
	case old == nil:
	case !next.available() || len(next.Partitions) != len(old.Partitions):
		c.opts.Ended(t.ID, AllPartitions)
	default:
		for i, p := range next.Partitions {
			if p.Primary != old.Partitions[i].Primary {
				c.opts.Ended(t.ID, int32(i))
			}
		}
	}
	if !next.available() {
		c.schedulePurge()
	}
	c.scheduleCompacts()
}

// prepare makes the view of a table by a record, with partitions of the store.
// The catalog is locked, or not shared yet.
func (c *Catalog) prepare(t *Table, rec *record) (*View, error) {
	v := &View{record: rec, Policy: newPolicy(rec.Info.Envs, len(rec.Partitions)), servers: len(c.opts.Members.Replicas)}
	old := t.view.Load()
	if old != nil {
		v.parts, v.Split = old.parts, old.Split
	}
	if !rec.available() {
		return v, nil
	}
	if n := len(rec.Partitions); len(v.parts) < n {
		v.parts = slices.Clip(v.parts)
		for i := len(v.parts); i < n; i++ {
			store, err := c.db.Partition(t.ID, int32(i))
			if err != nil {
				return nil, fmt.Errorf("server: open table %d: %w", t.ID, err)
			}
			v.parts = append(v.parts, &Partition{
				Table: t,
				GPID:  wire.GPID{AppID: t.ID, PartitionIndex: int32(i)},
				Store: store,
			})
		}
	}
	return v, nil
}

// oneLine returns the text of an error as a log can show it: the store's may
// have several lines.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
