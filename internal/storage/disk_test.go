package storage

import "testing"

func TestDiskUsage(t *testing.T) {
	total, free, err := openDB(t, Options{}).DiskUsage()
	if total != 0 || free != 0 || err != nil {
		t.Errorf("in memory: %d, %d, %v", total, free, err)
	}
	total, free, err = openDB(t, Options{Dir: t.TempDir()}).DiskUsage()
	if total == 0 || free > total || err != nil {
		t.Errorf("on disk: %d, %d, %v", total, free, err)
	}
}
