package server

import (
	"fmt"

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

// splitState is a split in its first phase, or about to enter the second.
type splitState struct{ paused bool }

func (k *call) startSplit(req *wire.StartPartitionSplitRequest, resp *wire.HintResponse) {
	resp.Err, resp.Hint = k.s.startSplit(req.AppName, int(req.NewPartitionCount))
}

// StartSplit starts a split of a table to twice its partitions, as the RPC
// does, and returns before it is finished.
func (s *Server) StartSplit(table string) error {
	s.catalog.mu.Lock()
	t := s.catalog.byName[table]
	s.catalog.mu.Unlock()
	if t == nil {
		return fmt.Errorf("server: split: no table %q", table)
	}
	if code, hint := s.startSplit(table, 2*t.count()); code != wire.ErrOK {
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
		return wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", name)
	case t.split != nil:
		return wire.ErrBusy, fmt.Sprintf("app %s is already executing partition split", name)
	case count != 2*t.count() || count > MaxPartitions:
		return wire.ErrInvalidParameters,
			fmt.Sprintf("wrong partition count: app(%s), partition count(%d), new_partition_count(%d)", name, t.count(), count)
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
	t.split = new(splitState)
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
	err := s.db.SplitApp(t.id, int32(old), map[string][]byte{tableKey(t.id): rec.encode()})

	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	if err == nil {
		s.scans.dropTable(t.id)
		t.rec = rec
		err = s.open(t)
	}
	if err != nil {
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
	if t.split == nil || t.split.paused || c.holdSplits || t.moving.Load() {
		return record{}, false
	}
	t.moving.Store(true)
	t.moved = make(chan struct{})
	rec := t.rec.clone()
	rec.Info.InitPartitionCount = rec.Info.PartitionCount
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
		resp.Err, hint = wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", req.AppName)
	case t.split == nil:
		resp.Err, hint = wire.ErrInvalidState, fmt.Sprintf("app %s is not splitting", req.AppName)
	}
	if hint != "" {
		resp.Hint = &hint
		return
	}
	status := wire.Splitting
	if t.split.paused {
		status = wire.Paused
	}
	resp.NewPartitionCount = int32(2 * t.count())
	resp.Status = make(map[int32]wire.SplitStatus)
	for i := range int32(t.count()) {
		resp.Status[i] = status
	}
}

// controlSplit pauses, restarts or cancels a split. All partitions of a table
// split together, so the parent index is only checked.
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
		return wire.ErrAppNotExist, fmt.Sprintf("app %s is not existed", req.AppName)
	case t.split == nil:
		return wire.ErrInvalidState, fmt.Sprintf("app %s is not splitting", req.AppName)
	case req.ParentIndex < -1 || int(req.ParentIndex) >= t.count():
		return wire.ErrInvalidParameters, fmt.Sprintf("no parent partition %d", req.ParentIndex)
	case t.moving.Load():
		return wire.ErrChildRegistered, "the records are moving already"
	}
	switch req.ControlType {
	case wire.SplitPause:
		t.split.paused = true
	case wire.SplitRestart:
		if !t.split.paused {
			return wire.ErrInvalidState, "the split is not paused"
		}
		t.split.paused = false
		s.inBackground(func() { s.finishSplit(t) })
	case wire.SplitCancel:
		if req.OldPartitionCount == nil || int(*req.OldPartitionCount) != t.count() {
			return wire.ErrInvalidParameters, "wrong old partition count"
		}
		t.split = nil
	default:
		return wire.ErrInvalidParameters, "unknown control type"
	}
	return wire.ErrOK, ""
}
