//go:build !unix

package limits

func defaultConnections() int { return usualConnections }
