package storage

import "errors"

var errKilled = errors.New("the store was killed")

// Kill closes the store and leaves its directory as a death of the process would: nothing is moved
// from logs to tables, and writes that were not acknowledged may be lost. In memory it is Close.
func (db *DB) Kill() {
	if g := db.guard; g != nil {
		g.cause.CompareAndSwap(nil, &failure{op: "write", file: db.dir, err: errKilled})
		g.frozen.Store(true)
	}
	_ = db.Close() // it can only tell that it was killed, or had failed before
}
