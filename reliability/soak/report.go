package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// report counts what happened.
type report struct {
	seed    uint64
	verbose bool
	began   time.Time
	round   int

	mu            sync.Mutex
	calls         map[string]int // by name
	faults        map[string]int // by kind
	errors        map[string]int // by kind
	unexpected    int            // errors that no fault explains
	entries       int            // compared after rounds
	losses, twice int
	leaks         int
	first, last   memory
}

// memory is the resident memory in bytes, 0 if the system does not tell.
type memory struct{ client, onebox int64 }

func newReport(o options) *report {
	return &report{
		seed: o.seed, verbose: o.verbose, began: time.Now(),
		calls: make(map[string]int), faults: make(map[string]int), errors: make(map[string]int),
	}
}

// call notes the outcome of a call. In a hurry a call may run out of time.
func (r *report) call(name string, err error, hurry bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[name]++
	if err == nil {
		return
	}
	kind, expected := classify(err)
	if hurry {
		kind += ", in a hurry"
	}
	r.errors[kind]++
	if !expected {
		r.unexpected++
		r.printf("unexpected: %s: %v", name, err)
	}
}

// classify names the kind of an error, and says whether a fault explains it.
func classify(err error) (kind string, expected bool) {
	var code pegasus.ErrorCode
	switch {
	case errors.As(err, &code):
		switch code {
		case pegasus.ErrHandlerNotFound, pegasus.ErrInvalidData, pegasus.ErrInvalidParameters, pegasus.ErrOperationDisabled:
		default:
			expected = true
		}
		kind = string(code)
	case errors.Is(err, pegasus.ErrClosed), errors.Is(err, pegasus.ErrMalformed),
		errors.Is(err, pegasus.ErrInvalidArgument), errors.Is(err, pegasus.ErrTableNotFound):
		kind = "other"
	case errors.Is(err, pegasus.ErrStalled):
		kind, expected = "server does not answer", true
	case errors.Is(err, pegasus.ErrNoPrimary):
		kind, expected = "no primary", true
	case errors.Is(err, context.DeadlineExceeded):
		kind, expected = "no answer", true
	default:
		var storage pegasus.StorageError
		kind, expected = "connection lost", !errors.As(err, &storage)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		kind += ", time is over"
	}
	if errors.Is(err, pegasus.ErrInDoubt) {
		kind += ", in doubt"
	}
	return kind, expected
}

func (r *report) fault(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[kind]++
	if r.verbose {
		r.printf("%s", kind)
	}
}

// lost notes something acknowledged that is not there.
func (r *report) lost(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses++
	r.printf("lost: "+format, args...)
}

// duplicated notes n things too many.
func (r *report) duplicated(n int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.twice += n
	r.printf("duplicated: "+format, args...)
}

func (r *report) leaked(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaks++
	r.printf("leaked: %v", err)
}

func (r *report) verified(entries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries += entries
}

// printf prints what went wrong when it does. The round and the time help to
// find the cause.
func (r *report) printf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s round %d: %s\n", time.Now().Format("15:04:05.000"), r.round, fmt.Sprintf(format, args...))
}

// finish notes the memory at the end of a round and prints a line.
func (r *report) finish(box *child.Process) {
	runtime.GC()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = memory{resident(os.Getpid()), resident(box.PID())}
	if r.first == (memory{}) {
		r.first = r.last
	}
	fmt.Printf("round %d after %v: %d calls, %d faults, %d errors, %d lost, %d duplicated, memory %s\n", r.round,
		time.Since(r.began).Round(time.Second), sum(r.calls), sum(r.faults), sum(r.errors), r.losses, r.twice, r.last)
}

// resident returns the memory of a process where /proc has it.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

func (m memory) String() string {
	if m == (memory{}) {
		return "unknown"
	}
	return fmt.Sprintf("client %d MiB, onebox %d MiB", m.client>>20, m.onebox>>20)
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// summary prints everything and returns whether all is well.
func (r *report) summary(w io.Writer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(w, "\nseed %d, %d rounds in %v\n", r.seed, r.round, time.Since(r.began).Round(time.Second))
	table(w, "calls", r.calls)
	table(w, "faults", r.faults)
	table(w, "errors", r.errors)
	fmt.Fprintf(w, "entries compared after rounds  %d\n", r.entries)
	fmt.Fprintf(w, "memory after the first round   %s\nmemory at the end              %s\n", r.first, r.last)
	fmt.Fprintf(w, "lost %d, duplicated %d, leaked goroutines %d, unexpected errors %d\n", r.losses, r.twice, r.leaks, r.unexpected)
	return r.losses == 0 && r.twice == 0 && r.leaks == 0 && r.unexpected == 0
}

func table(w io.Writer, title string, m map[string]int) {
	fmt.Fprintf(w, "%-10s %d\n", title, sum(m))
	for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	}) {
		fmt.Fprintf(w, "  %9d %s\n", m[k], k)
	}
}
