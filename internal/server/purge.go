package server

import (
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// purgeTimer deletes dropped tables when nobody can recall them any more. It is
// armed only while there are such tables.
type purgeTimer struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// purgeAtMost is the longest time until the clock is looked at again, which may
// not run as fast as package time's.
const purgeAtMost = time.Hour

func (p *purgeTimer) set(d time.Duration, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(max(time.Second, min(d, purgeAtMost)), f)
}

func (p *purgeTimer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// schedulePurge sees to it that dropped tables are purged in time. The catalog
// is locked.
func (s *Server) schedulePurge() {
	next := int64(-1)
	for _, t := range s.catalog.byID {
		if t.rec.Info.Status == wire.AppDropped && (next < 0 || t.rec.Info.ExpireSecond < next) {
			next = t.rec.Info.ExpireSecond
		}
	}
	if next >= 0 {
		seconds := min(max(0, next-s.unix()), int64(purgeAtMost/time.Second))
		s.purge.set(time.Duration(seconds)*time.Second, s.purgeExpired)
	}
}

// purgeExpired forgets the dropped tables whose time is over, at once, and
// deletes their records in the background.
func (s *Server) purgeExpired() {
	if s.opts.ReadOnly {
		return
	}
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.byID {
		if t.rec.Info.Status == wire.AppDropped && t.rec.Info.ExpireSecond <= s.unix() {
			delete(c.byID, id)
			s.inBackground(func() { s.deleteTable(id) })
		}
	}
	s.schedulePurge()
}

// deleteTable deletes the records of a table and then its meta data, so that
// the next start goes on with it if this one does not get through.
func (s *Server) deleteTable(id int32) {
	err := s.db.DropApp(id)
	if err == nil {
		err = s.db.UpdateMeta(nil, []string{tableKey(id)})
	}
	if err != nil {
		s.log.Error("dropped table not deleted", "table", id, "err", err)
	}
}
