//go:build !unix

package ui

import (
	"context"
	"os"
)

const canWait = false

func wait(context.Context, *os.File) error { return nil }
