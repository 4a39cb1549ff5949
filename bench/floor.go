package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// floorConn is the least a synchronous call over a shared connection costs in
// Go: an append under a lock, a writer, a reader, replies in order.
type floorConn struct {
	nc      net.Conn
	request []byte
	kick    chan struct{}

	mu      sync.Mutex
	out     []byte
	waiting []chan struct{} // in the order of their requests
}

func dialFloor(addr string, requestSize, replySize int) (*floorConn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &floorConn{nc: nc, request: make([]byte, requestSize), kick: make(chan struct{}, 1)}
	go c.write()
	go c.read(replySize)
	return c, nil
}

func (c *floorConn) close() { c.nc.Close() }

// work returns an operation for each of the callers.
func (c *floorConn) work(callers int) work {
	done := make([]chan struct{}, callers)
	for i := range done {
		done[i] = make(chan struct{}, 1)
	}
	return func(ctx context.Context, caller, _ int) error {
		ch := done[caller]
		c.mu.Lock()
		idle := len(c.out) == 0
		c.out = append(c.out, c.request...)
		c.waiting = append(c.waiting, ch)
		c.mu.Unlock()
		if idle {
			select {
			case c.kick <- struct{}{}:
			default:
			}
		}
		if ctx.Done() == nil {
			<-ch
			return nil
		}
		select {
		case <-ch:
			return nil
		case <-ctx.Done():
			return ctx.Err() // the end of the measurement
		}
	}
}

func (c *floorConn) write() {
	var buf []byte
	for range c.kick {
		for {
			runtime.Gosched()
			c.mu.Lock()
			buf, c.out = c.out, buf[:0]
			c.mu.Unlock()
			if len(buf) == 0 {
				break
			}
			if _, err := c.nc.Write(buf); err != nil {
				return
			}
		}
	}
}

func (c *floorConn) read(size int) {
	buf := make([]byte, max(64<<10, size))
	have := 0
	var due []chan struct{}
	for {
		n, err := c.nc.Read(buf)
		if err != nil {
			return
		}
		have += n
		c.mu.Lock()
		k := have / size
		due = append(due[:0], c.waiting[:k]...)
		c.waiting = append(c.waiting[:0], c.waiting[k:]...)
		c.mu.Unlock()
		have -= k * size
		for _, ch := range due {
			ch <- struct{}{}
		}
	}
}

// serveFixed answers each request of a fixed size with a reply of a fixed
// size, looking at neither.
func serveFixed(nc net.Conn, requestSize, replySize int) {
	defer nc.Close()
	buf := make([]byte, max(64<<10, requestSize))
	out := make([]byte, 0, 1<<20)
	have := 0
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		have += n
		k := have / requestSize
		have -= k * requestSize
		for size := k * replySize; size > 0; {
			n := min(size, cap(out))
			if _, err := nc.Write(out[:n]); err != nil {
				return
			}
			size -= n
		}
	}
}

// fsyncWork appends to a file and syncs it: what durable writes cost that do not
// share their syncs.
func fsyncWork(dir string, size int) (work, func(), error) {
	file, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return nil, nil, err
	}
	record := make([]byte, size)
	f := func(context.Context, int, int) error {
		if _, err := file.Write(record); err != nil {
			return err
		}
		return file.Sync()
	}
	return f, func() { file.Close() }, nil
}

// wireWork keeps depth requests in flight on a connection of its own and
// counts replies: the limit of the connection, without any caller.
func wireWork(addr string, requestSize, replySize, depth int) (work, func(), error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	request := make([]byte, requestSize*depth)
	br := bufio.NewReaderSize(nc, 64<<10)
	reply := make([]byte, replySize*depth)
	f := func(context.Context, int, int) error {
		if _, err := nc.Write(request); err != nil {
			return err
		}
		_, err := io.ReadFull(br, reply)
		return err
	}
	return f, func() { nc.Close() }, nil
}
