package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
	"github.com/spf13/cobra"
)

// keep is how a command keeps how far it has come.
type keep struct {
	path            string // "" keeps nothing
	resume, restart bool
	every           time.Duration
	last            time.Time
	state           *resume.State
	resumed         bool
	failed          error // of the last time that it was saved
	locked          []string
	unlock          []func() error
}

const noState = "none"

// stateEnd is behind the name of a file in that of the state of a command about it.
const stateEnd = ".state"

// addFlags adds the flags; files says what --state is by default.
func (k *keep) addFlags(cmd *cobra.Command, files string) {
	f := cmd.Flags()
	f.StringVar(&k.path, "state", "", "`file` to keep how far it is, or none (default "+files+")")
	f.BoolVar(&k.resume, "resume", false, "go on where the same command has stopped, if it has")
	f.BoolVar(&k.restart, "restart", false, "begin anew, whatever was kept")
	f.DurationVar(&k.every, "checkpoint", 5*time.Second, "`time` after which the state is kept again")
}

// check refuses flags that make no sense. path is what --state is by default, "" for nothing.
func (k *keep) check(path string) error {
	if k.path == "" {
		k.path = path
	}
	if k.path == noState {
		k.path = ""
	}
	switch {
	case k.resume && k.restart:
		return exit.Errorf(exit.Usage, "--resume and --restart exclude each other")
	case k.path == "" && (k.resume || k.restart):
		return exit.Errorf(exit.Usage, "--resume and --restart need a --state: nothing is kept")
	case k.every <= 0:
		return exit.Errorf(exit.Usage, "--checkpoint: %s is no time", k.every)
	}
	return nil
}

// lock keeps other processes from files, which they would write over, until release.
func (k *keep) lock(paths ...string) error {
	for _, path := range paths {
		if path == "" || slices.ContainsFunc(k.locked, func(other string) bool { return sameFile(path, other) }) {
			continue
		}
		unlock, err := resume.Lock(path)
		if errors.Is(err, resume.ErrLocked) {
			err = exit.Errorf(exit.Refused, "%w", err)
		} else if err != nil && path == k.path {
			err = elsewhere(err)
		}
		if err != nil {
			return err
		}
		k.locked, k.unlock = append(k.locked, path), append(k.unlock, unlock)
	}
	return nil
}

// release lets others at what is locked. What cannot be removed is in nobody's way.
func (k *keep) release() {
	for _, unlock := range k.unlock {
		_ = unlock()
	}
	k.locked, k.unlock = nil, nil
}

// elsewhere is an error of a state that cannot be where it was to be.
func elsewhere(err error) error { return fmt.Errorf("%w: --state names another file, or none", err) }

// open finds what to go on with, or begins.
func (k *keep) open(now resume.Bound) error {
	k.last = time.Now()
	k.state = &resume.State{Bound: now}
	if k.path == "" {
		return nil
	}
	s, err := resume.Load(k.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, resume.ErrForeign):
		return exit.Errorf(exit.Refused, "%w: --state names another file", err)
	case k.restart:
		return nil
	case errors.Is(err, resume.ErrDamaged):
		return exit.Errorf(exit.Refused, "%w: --restart begins anew", err)
	case err != nil:
		return err
	case !k.resume:
		return exit.Errorf(exit.Refused, "%s: it was stopped after %s: --resume goes on there, --restart begins anew", k.path, progress.Rows(s.Rows))
	}
	if err := s.Check(now); err != nil {
		return fmt.Errorf("%s: %w; --restart begins anew", k.path, err)
	}
	s.Bound = now // of a table that was split there are more partitions
	k.state, k.resumed = s, true
	return nil
}

// due reports whether it is time to save.
func (k *keep) due() bool { return k.path != "" && time.Since(k.last) >= k.every }

// save saves the state.
func (k *keep) save() error {
	if k.path == "" {
		return nil
	}
	if k.failed = k.state.Save(k.path); k.failed != nil {
		k.failed = elsewhere(k.failed)
	}
	k.last = time.Now()
	return k.failed
}

// remove removes the state of a command that is done.
func (k *keep) remove() error {
	if k.path == "" {
		return nil
	}
	return resume.Remove(k.path)
}

// stopped is the error of a command that has not come to its end, and why.
func (k *keep) stopped(cause error, interrupted bool) error {
	code, hint := exit.Of(cause), "; the same command with --resume goes on there"
	switch {
	case k.path == "":
		hint = "; nothing is kept to go on from"
	case k.failed != nil && !errors.Is(cause, k.failed):
		hint = "; " + k.failed.Error()
	case k.failed != nil:
		hint = ""
	}
	rows := progress.Rows(k.state.Rows)
	if interrupted {
		return exit.Errorf(exit.Interrupted, "interrupted after %s%s", rows, hint)
	}
	return exit.Errorf(code, "stopped after %s: %w%s", rows, short{cause}, hint)
}

// short is an error without the name of the program.
type short struct{ error }

func (e short) Error() string { return strings.TrimPrefix(e.error.Error(), "pegasus: ") }
func (e short) Unwrap() error { return e.error }
