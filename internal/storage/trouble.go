package storage

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// passing reports whether an operation failed for want of something that may be there later, and
// has done nothing wrong: room on the disk, or a descriptor.
func passing(err error) bool {
	return wantsRoom(err) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

func wantsRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Operations that failed are tried again after a pause that doubles from one to the other.
const minPause, maxPause = 50 * time.Millisecond, time.Second

// waiting are the operations that are being tried again and cannot be done without.
type waiting struct {
	number atomic.Int32
	room   atomic.Bool // for room on the disk, not for a descriptor
}

// essential carries out an operation on a file that is not a table. Pebble sees no failure of it
// while it runs: either it is repeated until it succeeds, or the guard freezes. Before Open is done
// Pebble sees the error, except that a store whose disk is full opens frozen.
func (g *guardFS) essential(op, name string, again bool, try func() error) error {
	if g.frozen.Load() {
		return nil
	}
	err := try()
	if err == nil {
		return nil
	}
	switch opened := g.opened.Load(); {
	case !opened && !passing(err):
		return err
	case opened && again && passing(err):
		err = g.repeat(op, name, err, try)
	}
	if err != nil {
		g.freeze(failure{op: op, file: name, err: err})
	}
	return nil
}

// repeat tries again until the operation succeeds or fails for good.
func (g *guardFS) repeat(op, name string, err error, try func() error) error {
	g.logger.Error("disk write failed, writes wait", "op", op, "file", name, "error", err)
	g.waiting.room.Store(wantsRoom(err))
	g.waiting.number.Add(1)
	defer g.waiting.number.Add(-1)
	for pause := minPause; passing(err) && g.pause(pause); pause = min(2*pause, maxPause) {
		if err = try(); err == nil {
			g.logger.Info("disk write succeeded, writes go on", "op", op, "file", name)
		}
	}
	return err
}

// trouble is what is known of tables of one kind, those of flushes or those of compactions, that
// cannot be written.
type trouble struct {
	some atomic.Bool // there has been a failure since a table was written

	mu     sync.Mutex
	last   time.Time // of the failures; zero when there is no trouble
	room   bool      // they were for want of room
	logged int64     // guardFS.logged at the first
	pause  time.Duration
}

// troubleTime is how long trouble lasts without another failure. It is more than Pebble takes
// to try again.
const troubleTime = 5 * time.Second

func (g *guardFS) troubleOf(category vfs.DiskWriteCategory) *trouble {
	if category == "pebble-memtable-flush" {
		return &g.flush
	}
	return &g.compaction
}

// table carries out an operation on a table. Pebble, which tries a failed flush or compaction again
// at once, gets an error after a pause. It does not end before a flush has succeeded when it opens
// or closes the store, so that a failure freezes the guard then.
func (g *guardFS) table(op, name string, t *trouble, try func() error) error {
	if g.frozen.Load() {
		if t == &g.compaction {
			g.pause(maxPause)
		}
		return ErrFailed // a flush writes the table again, which then goes to memory
	}
	err := try()
	if err == nil {
		return nil
	}
	pause := t.fails(err, g.logged.Load())
	if pause == minPause {
		g.logger.Error("table not written, it is tried again", "op", op, "file", name, "error", err)
	}
	if opened := g.opened.Load(); !opened || !g.pause(pause) {
		g.freeze(failure{op: op, file: name, err: err, kept: opened})
	}
	return err
}

// fails notes a failure and returns how long to pause.
func (t *trouble) fails(err error, logged int64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.overLocked() {
		t.logged, t.pause = logged, 0
	}
	t.last, t.room = time.Now(), wantsRoom(err)
	t.some.Store(true)
	t.pause = max(minPause, min(2*t.pause, maxPause))
	return t.pause
}

// written ends the trouble with tables of a kind.
func (g *guardFS) written(t *trouble) {
	if !t.some.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.some.Load() {
		t.last = time.Time{}
		t.some.Store(false)
		g.logger.Info("tables are written again")
	}
}

// since returns the bytes that were logged since the trouble began, and false if there is none.
func (t *trouble) since(logged int64) (bytes int64, room, is bool) {
	if !t.some.Load() {
		return 0, false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return logged - t.logged, t.room, !t.overLocked()
}

func (t *trouble) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.overLocked()
}

func (t *trouble) overLocked() bool { return time.Since(t.last) > troubleTime }

// stalled is DB.stalled. With negative bytes any trouble with tables is enough.
func (g *guardFS) stalled(bytes int64) error {
	stall, room := g.waiting.number.Load() > 0, g.waiting.room.Load()
	for _, t := range []*trouble{&g.flush, &g.compaction} {
		if stall {
			break
		}
		n, r, is := t.since(g.logged.Load())
		stall, room = is && n > bytes, r
	}
	switch {
	case !stall:
		return nil
	case room:
		return ErrFull
	}
	return ErrStalled
}

// known reports whether failures of background work are, because it cannot write.
func (g *guardFS) known() bool {
	if g.frozen.Load() {
		return true
	}
	for _, t := range []*trouble{&g.flush, &g.compaction} {
		if !t.over() {
			return true
		}
	}
	return false
}
