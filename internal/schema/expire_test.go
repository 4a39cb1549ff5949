package schema

import (
	"testing"
	"time"
)

func TestEpochSeconds(t *testing.T) {
	epoch := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	if epoch.Unix() != Epoch {
		t.Fatalf("2016-01-01 is %d, not %d", epoch.Unix(), Epoch)
	}
	for _, tc := range []struct {
		t    time.Time
		want uint32
	}{
		{epoch, 0},
		{epoch.Add(1999 * time.Millisecond), 1},
		{epoch.Add(time.Hour).In(time.FixedZone("east", 8*3600)), 3600},
		{epoch.Add((1<<32 - 1) * time.Second), 1<<32 - 1},
	} {
		if got := EpochSeconds(tc.t); got != tc.want {
			t.Errorf("EpochSeconds(%v) = %d, want %d", tc.t, got, tc.want)
		}
	}
}
