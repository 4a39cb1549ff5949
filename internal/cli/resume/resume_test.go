package resume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

func state() *State {
	return &State{
		Bound: Bound{
			Command: "export", From: Place{"one", "users", 7, 8}, To: Place{"two", "copy", 9, 4}, Flags: "--filter-hash prefix:u", Input: "5 bytes",
		},
		Cursor: "abc", Offset: 100, Rows: 5, Bytes: 50, Sum: 1<<64 - 1,
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no state: %v", err)
	}
	for i := range 2 {
		s := state()
		s.Rows = int64(i)
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
		if got, err := Load(path); err != nil || *got != *s {
			t.Errorf("%+v, %v, want %+v", got, err, s)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(next(other), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(state().Save(other), Remove(other), Remove(other)); err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(filepath.Dir(other)); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
	if err := state().Save(filepath.Join(path, "none")); err == nil {
		t.Error("a state in a file")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 4
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		b[i] ^= 4
	}
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Bound)
		code   exit.Code
	}{
		"the same":           {func(*Bound) {}, exit.OK},
		"a split":            {func(b *Bound) { b.From.Partitions, b.To.Partitions = 16, 16 }, exit.OK},
		"another command":    {func(b *Bound) { b.Command = "copy" }, exit.Refused},
		"another cluster":    {func(b *Bound) { b.From.Cluster = "two" }, exit.Refused},
		"another table":      {func(b *Bound) { b.From.Table = "others" }, exit.Refused},
		"dropped and made":   {func(b *Bound) { b.From.ID = 8 }, exit.Refused},
		"another target":     {func(b *Bound) { b.To.ID = 8 }, exit.Refused},
		"fewer partitions":   {func(b *Bound) { b.From.Partitions = 4 }, exit.Refused},
		"other partitions":   {func(b *Bound) { b.To.Partitions = 12 }, exit.Refused},
		"other flags":        {func(b *Bound) { b.Flags = "" }, exit.Refused},
		"another input":      {func(b *Bound) { b.Input = "6 bytes" }, exit.Refused},
		"another's cluster":  {func(b *Bound) { b.To.Cluster = "one" }, exit.Refused},
		"another's name":     {func(b *Bound) { b.To.Table = "users" }, exit.Refused},
		"an empty partition": {func(b *Bound) { b.From.Partitions = 0 }, exit.Refused},
	} {
		now := state().Bound
		tc.change(&now)
		if err := state().Check(now); exit.Of(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any file is a state that is the same again, or none.
func FuzzParse(f *testing.F) {
	path := filepath.Join(f.TempDir(), "state")
	if err := state().Save(path); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b[:len(b)-len(sumLine(nil))-1]))
	f.Add(`{"v":1,"rows":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse([]byte(text + "\n" + sumLine([]byte(text))))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "state")
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
		if again, err := Load(path); err != nil || *again != *s {
			t.Errorf("%+v, %v, want %+v", again, err, s)
		}
	})
}

// One who locks a file keeps others away until it is unlocked, and leaves nothing.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for range 2 {
		unlock, err := Lock(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lock(path); !errors.Is(err, ErrLocked) {
			t.Errorf("locked: %v", err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
	if _, err := Lock(filepath.Join(path, "none")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("no directory: %v", err)
	}
}

// Of those who lock and unlock a file only one has it at a time.
func TestLockInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	var holders atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for done := 0; done < 100; {
				unlock, err := Lock(path)
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have it", n)
				}
				holders.Add(-1)
				if err := unlock(); err != nil {
					t.Error(err)
				}
				done++
			}
		})
	}
	wg.Wait()
}
