package storage

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Meta calls fn with every entry of the caller's meta data, in key order, and stops at the first
// error, which it returns. The value is valid during the call only.
func (db *DB) Meta(fn func(key string, value []byte) error) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagMeta}, UpperBound: []byte{tagMeta + 1}})
	if err != nil {
		return fmt.Errorf("storage: read meta data in %q: %w", db.opts.Dir, plain(err))
	}
	for valid := it.First(); valid; valid = it.Next() {
		if err := fn(string(it.Key()[1:]), it.Value()); err != nil {
			_ = it.Close()
			return err
		}
	}
	if err := it.Close(); err != nil {
		return fmt.Errorf("storage: read meta data in %q: %w", db.opts.Dir, plain(err))
	}
	return nil
}

// UpdateMeta deletes the entries del of the caller's meta data and then sets those of set, all or
// nothing. When it returns nil the change survives whatever the durability of writes survives.
func (db *DB) UpdateMeta(set map[string][]byte, del []string) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	b := db.pebble.NewBatch()
	for _, key := range del {
		_ = b.Delete(metaKey(key), nil)
	}
	addMeta(b, set)
	return db.commitNow(b)
}

func metaKey(name string) []byte {
	return append([]byte{tagMeta}, name...)
}

// addMeta adds entries of the caller's meta data to a batch.
func addMeta(b *pebble.Batch, set map[string][]byte) {
	for key, value := range set {
		_ = b.Set(metaKey(key), value, nil) // a batch refuses nothing
	}
}
