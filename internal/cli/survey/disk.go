package survey

import (
	"math"

	"github.com/pegasus-go/pegasus/admin"
)

// Used is how full a disk is, in percent, negative if the server does not know. Only one that
// has nothing left is 100% full.
func Used(d admin.Disk) int {
	if d.Capacity <= 0 {
		return -1
	}
	left := min(max(d.Available, 0), d.Capacity)
	used := int(math.Round(100 - 100*float64(left)/float64(d.Capacity)))
	if left > 0 {
		used = min(used, 99)
	}
	return used
}

// Fullest returns the fullest disk of those that are known, and how full it is: negative if none
// is known.
func Fullest(disks []admin.Disk) (fullest admin.Disk, used int) {
	used = -1
	for _, d := range disks {
		if u := Used(d); u > used {
			fullest, used = d, u
		}
	}
	return fullest, used
}
