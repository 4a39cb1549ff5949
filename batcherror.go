package pegasus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// keysFailed is a reason why keys could not be read.
type keysFailed struct {
	err     *PError // the first one
	reason  string
	n       int // keys
	groups  int
	servers []string
	// attempts is the largest number of them for a request.
	attempts int
}

// The most that the message of a BatchGet names.
const (
	mostReasons = 3
	mostServers = 3
)

// fail notes that the keys of a group could not be read. If the reason is that
// there is another table of the name by now, all keys are to be read from that.
func (b *batchGet) fail(g group, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, ErrRepartitioned) {
		b.replaced = true
		return
	}
	if b.errs == nil {
		b.errs = make([]error, len(b.keys))
	}
	for _, k := range g.keys {
		b.errs[k] = err
	}
	pe := err.(*PError)
	reason := pe.Err.Error()
	i := slices.IndexFunc(b.failures, func(f keysFailed) bool { return f.reason == reason })
	if i < 0 {
		i = len(b.failures)
		b.failures = append(b.failures, keysFailed{err: pe, reason: reason})
	}
	f := &b.failures[i]
	f.n += len(g.keys)
	f.groups++
	f.attempts = max(f.attempts, pe.Attempts)
	if pe.Server != "" && !slices.Contains(f.servers, pe.Server) {
		f.servers = append(f.servers, pe.Server)
	}
}

// failure is the error of the whole: how many keys could not be read and why, each
// reason once.
func (b *batchGet) failure() error {
	switch f := b.failures; {
	case len(f) == 0:
		return nil
	case len(f) == 1 && f[0].groups == 1 && f[0].n == len(b.keys):
		return f[0].err
	}
	slices.SortStableFunc(b.failures, func(a, b keysFailed) int { return cmp.Compare(b.n, a.n) })
	e := &PError{Op: b.many.name, Table: b.table.name}
	total := 0
	var servers, reasons []string
	var errs []error
	for _, f := range b.failures {
		total += f.n
		e.Attempts = max(e.Attempts, f.attempts)
		errs = append(errs, f.err)
		if len(b.failures) > 1 {
			f.reason = fmt.Sprintf("%s (%d keys)", f.reason, f.n)
		}
		reasons = append(reasons, f.reason)
		for _, s := range f.servers {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
	}
	text := fmt.Sprintf("%d of %d keys failed", total, len(b.keys))
	switch {
	case len(servers) == 1:
		e.Server = servers[0]
	case len(servers) > 1:
		text += " at " + someOf(servers, mostServers, ", ", "servers")
	}
	e.Err = &cause{text + ": " + someOf(reasons, mostReasons, "; ", "reasons"), errs}
	return e
}

// someOf joins the first n of a list and says how many more there are of what it has.
func someOf(list []string, n int, sep, what string) string {
	if len(list) <= n {
		return strings.Join(list, sep)
	}
	return fmt.Sprintf("%s%sand %d more %s", strings.Join(list[:n], sep), sep, len(list)-n, what)
}
