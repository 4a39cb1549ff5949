package cli

import (
	"syscall"
	"time"
)

// nap sleeps more exactly than timers of the Go runtime, which wait for whole milliseconds.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&t, nil) // a signal that ends it early makes a request come early
}
