package survey

import (
	"testing"

	"github.com/pegasus-go/pegasus/admin"
)

func TestUsed(t *testing.T) {
	for _, tc := range []struct {
		capacity, available int64
		want                int
	}{
		{0, 0, -1},
		{1000, 1000, 0},
		{1000, 876, 12},
		{1000, 875, 13},
		{1000, 1, 99}, // not full
		{1000, 0, 100},
		{1000, -5, 100},
		{1000, 2000, 0},
	} {
		if got := Used(admin.Disk{Capacity: tc.capacity, Available: tc.available}); got != tc.want {
			t.Errorf("%d of %d left: %d%%, want %d%%", tc.available, tc.capacity, got, tc.want)
		}
	}
}

func TestFullest(t *testing.T) {
	disks := []admin.Disk{{Dir: "unknown"}, {Dir: "a", Capacity: 100, Available: 50}, {Dir: "b", Capacity: 1000, Available: 100}}
	if d, used := Fullest(disks); d.Dir != "b" || used != 90 {
		t.Errorf("%s, %d%%", d.Dir, used)
	}
	if _, used := Fullest(disks[:1]); used >= 0 {
		t.Errorf("nobody knows, and it is %d%%", used)
	}
}
