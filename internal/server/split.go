package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// A partition split doubles the partitions of a table. To clients it has two
// phases. First the children are announced, with a ballot that says that their
// parents still serve. Then the records move, in one go: requests are answered
// with ERR_SPLITTING, and afterwards every partition serves its own records
// and refuses requests that were sent by the old count.
//
// Only the second phase leaves a trace in the store, at its end, together with
// the moved records. A split that a restart interrupts has not happened.

// splitState is a split in its first phase, or about to enter the second: the
// status of each parent, Splitting or Paused. All parents split together, when
// none is paused.
type splitState []wire.SplitStatus

func newSplitState(parents int) splitState {
	return slices.Repeat([]wire.SplitStatus{wire.Splitting}, parents)
}

func (k *call) startSplit(req *wire.StartPartitionSplitRequest, resp *wire.HintResponse) {
	resp.Err, resp.Hint = k.s.startSplit(req.AppName, int(req.NewPartitionCount))
}

// StartSplit starts a split of a table to twice its partitions, as the RPC
// does, and returns before it is finished.
func (s *Server) StartSplit(table string) error {
	s.catalog.mu.Lock()
	t := s.catalog.byName[table]
	if t == nil {
		s.catalog.mu.Unlock()
		return fmt.Errorf("server: split: no table %q", table)
	}
	count := 2 * t.announced()
	s.catalog.mu.Unlock()
	if code, hint := s.startSplit(table, count); code != wire.ErrOK {
		return fmt.Errorf("server: split table %q: %w: %s", table, code, hint)
	}
	return nil
}

func (s *Server) startSplit(name string, count int) (wire.ErrorCode, string) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[name]
	switch {
	case t == nil:
		return wire.ErrAppNotExist, "app not existed"
	case count != 2*t.announced():
		return wire.ErrInvalidParameters, fmt.Sprintf("wrong partition_count, should be %d", 2*t.announced())
	case t.split != nil:
		return wire.ErrBusy, fmt.Sprintf("app(%s) is already executing partition split", name)
	case count > MaxPartitions:
		return wire.ErrInvalidParameters, fmt.Sprintf("a table has at most %d partitions", MaxPartitions)
	}
	rec := t.rec.clone()
	if rec.Info.Envs == nil {
		rec.Info.Envs = make(map[string]string)
	}
	rec.Info.Envs[envValidateHash] = "true"
	if code, hint := s.save(t, rec); code != wire.ErrOK {
		return code, hint
	}
	s.applyEnvs(t)
	t.split = newSplitState(t.count())
	s.inBackground(func() { s.finishSplit(t) })
	return wire.ErrOK, ""
}

// HoldSplits keeps splits in their first phase while it is on. Switching it off
// lets those that were held go on.
func (s *Server) HoldSplits(on bool) {
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	s.catalog.holdSplits = on
	if on {
		return
	}
	for _, t := range s.catalog.byName {
		if t.split != nil {
			s.inBackground(func() { s.finishSplit(t) })
		}
	}
}

// finishSplit is the second phase of a split, unless the split was paused or
// cancelled in the first.
func (s *Server) finishSplit(t *table) {
	rec, ok := s.beginMove(t)
	if !ok {
		return
	}
	// Requests see moving from here on; wait for those that did not.
	for _, p := range *t.partitions.Load() {
		p.use.Lock()
		//lint:ignore SA2001 a barrier, there is nothing to protect
		p.use.Unlock()
	}
	old := t.count()
	err := s.db.SplitApp(s.background.ctx, t.id, int32(old), func(commit func(map[string][]byte) error) error {
		return commit(map[string][]byte{tableKey(t.id): rec.encode()})
	})

	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	if err == nil {
		s.scans.dropTable(t.id)
		t.rec = rec
		err = s.open(t)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("partition split failed", "table", rec.Info.AppName, "err", err)
	}
	t.split = nil
	t.moving.Store(false)
	close(t.moved)
}

// beginMove enters the second phase and returns the table's record after it.
func (s *Server) beginMove(t *table) (record, bool) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.split == nil || slices.Contains(t.split, wire.Paused) || c.holdSplits || t.moving.Load() {
		return record{}, false
	}
	t.moving.Store(true)
	t.moved = make(chan struct{})
	rec := t.rec.clone()
	if rec.Info.InitPartitionCount <= 0 {
		rec.Info.InitPartitionCount = rec.Info.PartitionCount
	}
	rec.Info.PartitionCount *= 2
	for i := range rec.Partitions {
		rec.Partitions[i].Ballot++
	}
	rec.Partitions = append(rec.Partitions, rec.Partitions...)
	return rec, true
}

func (k *call) querySplit(req *wire.AppNameRequest, resp *wire.QueryPartitionSplitResponse) {
	c := &k.s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	hint := ""
	switch {
	case t == nil:
		resp.Err, hint = wire.ErrAppNotExist, fmt.Sprintf("app(%s) not existed", req.AppName)
	case t.split == nil:
		resp.Err, hint = wire.ErrInvalidState, fmt.Sprintf("app(%s) is not splitting", req.AppName)
	}
	if hint != "" {
		resp.Hint = &hint
		return
	}
	resp.NewPartitionCount = int32(t.announced())
	resp.Status = make(map[int32]wire.SplitStatus)
	for i, status := range t.split {
		resp.Status[int32(i)] = status
	}
}

// controlSplit pauses, restarts or cancels a split.
func (k *call) controlSplit(req *wire.ControlPartitionSplitRequest, resp *wire.OptionalHintResponse) {
	code, hint := k.s.controlSplit(req)
	resp.Err = code
	if hint != "" {
		resp.Hint = &hint
	}
}

func (s *Server) controlSplit(req *wire.ControlPartitionSplitRequest) (wire.ErrorCode, string) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.byName[req.AppName]
	switch {
	case t == nil:
		return wire.ErrAppNotExist, "app not existed"
	case t.split == nil:
		return wire.ErrInvalidState, fmt.Sprintf("app(%s) is not splitting", req.AppName)
	}
	switch req.ControlType {
	case wire.SplitPause:
		if t.moving.Load() && req.ParentIndex >= 0 {
			return wire.ErrChildRegistered, fmt.Sprintf("partition[%d] is not splitting", req.ParentIndex)
		}
		return t.changeSplit(int(req.ParentIndex), wire.Splitting, wire.Paused)
	case wire.SplitRestart:
		s.inBackground(func() { s.finishSplit(t) })
		return t.changeSplit(int(req.ParentIndex), wire.Paused, wire.Splitting)
	case wire.SplitCancel:
		switch {
		case req.OldPartitionCount == nil || int(*req.OldPartitionCount) != t.count():
			return wire.ErrInvalidParameters, fmt.Sprintf("wrong partition_count, should be %d", t.count())
		case t.moving.Load():
			return wire.ErrChildRegistered, "some partitions have already finished split"
		}
		t.split = nil
		return wire.ErrOK, ""
	}
	return wire.ErrInvalidParameters, "unknown control type"
}

// changeSplit changes the status of one parent, which must be from, or, if the
// index is negative, of all that have that status. When the records are moving
// there are none any more. The catalog is locked.
func (t *table) changeSplit(parent int, from, to wire.SplitStatus) (wire.ErrorCode, string) {
	if parent >= len(t.split) {
		return wire.ErrInvalidParameters, fmt.Sprintf("invalid parent partition index(%d)", parent)
	}
	if parent >= 0 && t.split[parent] != from {
		return wire.ErrInvalidState, fmt.Sprintf("partition[%d] wrong split_status(%d)", parent, t.split[parent])
	}
	for i := range t.split {
		if (parent < 0 || i == parent) && t.split[i] == from && !t.moving.Load() {
			t.split[i] = to
		}
	}
	return wire.ErrOK, ""
}
