package storage

import (
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testNow is the time that tests start at, in seconds of the Pegasus epoch.
const testNow = 1000

// testTime is testNow for Options.Clock.
func testTime() time.Time { return time.Unix(schema.Epoch+testNow, 0) }

// openDB opens a store that the test closes at its end.
func openDB(t testing.TB, opts Options) *DB {
	t.Helper()
	if opts.Clock == nil {
		opts.Clock = testTime
	}
	db, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// openPartition opens a partition in memory.
func openPartition(t testing.TB) *Partition {
	t.Helper()
	return partition(t, openDB(t, Options{}), 1, 0)
}

func partition(t testing.TB, db *DB, appID, index int32) *Partition {
	t.Helper()
	p, err := db.Partition(appID, index)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rawKeyOf(hashKey, sortKey string) []byte {
	return schema.AppendKey(nil, []byte(hashKey), []byte(sortKey))
}

// done waits for a write and fails the test unless it has the status.
func done(t testing.TB, res WriteResult, c Commit, want Status) WriteResult {
	t.Helper()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if res.Status != want {
		t.Fatalf("status %d, want %d", res.Status, want)
	}
	if res.Decree <= 0 {
		t.Fatalf("decree %d", res.Decree)
	}
	return res
}

// put stores a record.
func put(t testing.TB, p *Partition, hashKey, sortKey, value string, expire uint32) {
	t.Helper()
	res, c := p.Put(rawKeyOf(hashKey, sortKey), []byte(value), expire, testNow)
	done(t, res, c, OK)
}

// get returns the value of a record, or the status in angle brackets.
func get(p *Partition, hashKey, sortKey string) string {
	v, _, status := p.Get(nil, rawKeyOf(hashKey, sortKey), testNow)
	switch status {
	case OK:
		return string(v)
	case NotFound:
		return "<not found>"
	}
	return "<error>"
}
