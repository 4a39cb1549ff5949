//go:build !linux

package cli

import "time"

// nap sleeps.
func nap(d time.Duration) { time.Sleep(d) }
