package storage

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"testing"
)

// A store that is killed leaves what was on disk, byte for byte, where one that
// is closed moves records from logs to tables. The next one finds every write that
// was acknowledged.
func TestKill(t *testing.T) {
	for _, durability := range []Durability{DurabilitySync, DurabilityOS} {
		opts := Options{Dir: t.TempDir(), Durability: durability, SweepInterval: -1}
		db := openDB(t, opts)
		p := partition(t, db, 1, 0)
		for n := range 100 {
			if _, c := p.MultiPut([]byte("h"), []KV{{fmt.Append(nil, n), []byte("v")}}, 0, testNow); c.Wait() != nil {
				t.Fatal(c.Wait())
			}
		}
		before := filesIn(t, opts.Dir)
		db.Kill()
		if after := filesIn(t, opts.Dir); !maps.EqualFunc(before, after, bytes.Equal) {
			t.Errorf("durability %v: the directory has changed", durability)
		}
		if res, c := p.MultiPut([]byte("h"), []KV{{[]byte("late"), nil}}, 0, testNow); res.Status == OK && c.Wait() == nil {
			t.Error("written after Kill")
		}

		db = openDB(t, opts)
		found := 0
		partition(t, db, 1, 0).MultiGet(&MultiGet{HashKey: []byte("h"), StartInclusive: true}, testNow, func(_, _ []byte) { found++ })
		if found != 100 {
			t.Errorf("durability %v: %d of 100 records", durability, found)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// filesIn returns the files in a directory.
func filesIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	root := os.DirFS(dir)
	files := make(map[string][]byte)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files[name], err = fs.ReadFile(root, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
