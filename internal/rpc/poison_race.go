//go:build race

package rpc

const poison = true
