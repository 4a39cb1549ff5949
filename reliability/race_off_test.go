//go:build !race

package reliability

// race says whether the race detector is on, which takes a lot of memory.
const race = false
