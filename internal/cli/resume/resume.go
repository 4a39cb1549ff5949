// Package resume keeps how far a command has come over a whole table, so that another one can
// go on there, and refuses to go on with anything else than it was.
package resume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// version is that of the files that are written.
const version = 1

// Place is a table.
type Place struct {
	Cluster    string `json:"cluster"` // its name, "" if it has none
	Table      string `json:"table"`
	ID         int    `json:"table_id"`
	Partitions int    `json:"partitions"`
}

// Bound is what a command is about. All of it has to be the same to go on.
type Bound struct {
	Command string `json:"command"`
	From    Place  `json:"from"`
	To      Place  `json:"to"`
	Flags   string `json:"flags"` // that decide on which rows there are, and in which form
	Input   string `json:"input"` // its size and checksum
}

// State is how far a command has come: what is before it is done, and acknowledged.
type State struct {
	Version int `json:"v"`
	Bound
	Cursor  pegasus.Cursor `json:"cursor"` // of what is read; empty for the beginning
	Offset  int64          `json:"offset"` // in the file that is written
	Rows    int64          `json:"rows"`
	Bytes   int64          `json:"bytes"`
	Sum     uint64         `json:"sum,string"`
	Skipped int64          `json:"skipped"`
	Expired int64          `json:"expired"`
	Empty   int64          `json:"empty"` // rows with an empty hash key, which are left out
	Done    bool           `json:"done"`  // all but the last steps
}

var (
	// ErrDamaged: a file is a state that was changed or cut.
	ErrDamaged = errors.New("it is damaged")
	// ErrForeign: a file is something else than a state.
	ErrForeign = errors.New("it is something else than what a command keeps")
)

// begin is what every state begins with.
const begin = `{"v":1,"command":"`

// Load reads a state.
func Load(path string) (*State, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// A state is a line of JSON and a line with the checksum of it.
func parse(b []byte) (*State, error) {
	if n := min(len(b), len(begin)); string(b[:n]) != begin[:n] {
		return nil, ErrForeign
	}
	text, sum, _ := bytes.Cut(b, []byte("\n"))
	if string(sum) != sumLine(text) {
		return nil, ErrDamaged
	}
	var s State
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.Version != version || min(s.Rows, s.Bytes, s.Offset, s.Skipped, s.Expired) < 0 || s.From.Partitions < 0 || s.To.Partitions < 0 {
		return nil, fmt.Errorf("%w: it makes no sense", ErrDamaged)
	}
	return &s, nil
}

func sumLine(text []byte) string { return fmt.Sprintf("%08x\n", crc32.ChecksumIEEE(text)) }

// Save writes a state in place of one that is there, all of it or nothing.
func (s *State) Save(path string) error {
	s.Version = version
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// The name is always the same, so that processes that are killed leave one file at most.
	f, err := os.OpenFile(next(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(append(text, '\n'), sumLine(text)...))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func next(path string) string { return path + ".new" }

// Remove removes a state, and what is left of one that was being saved.
func Remove(path string) error {
	for _, name := range []string{next(path), path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Rename gives a file its name, for good.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	_ = d.Sync() // some systems cannot
	return d.Close()
}

// Check refuses to go on with something else.
func (s *State) Check(now Bound) error {
	for _, e := range []struct{ what, was, is string }{
		{"command", s.Command, now.Command},
		{"cluster", s.From.Cluster, now.From.Cluster},
		{"table", s.From.Table, now.From.Table},
		{"cluster that is written to", s.To.Cluster, now.To.Cluster},
		{"table that is written to", s.To.Table, now.To.Table},
		{"input", s.Input, now.Input},
		{"set of flags", s.Flags, now.Flags},
	} {
		if e.was != e.is {
			return exit.Errorf(exit.Refused, "it is of another %s: %s, and now it is %s", e.what, orNone(e.was), orNone(e.is))
		}
	}
	for _, p := range [][2]Place{{s.From, now.From}, {s.To, now.To}} {
		switch was, is := p[0], p[1]; {
		case was.ID != is.ID:
			return exit.Errorf(exit.Refused, "the table %s is another one: its id was %d, and now it is %d", is.Table, was.ID, is.ID)
		case !splits(was.Partitions, is.Partitions):
			return exit.Errorf(exit.Refused, "the table %s had %d partitions, and has %d, which no split makes of them", is.Table, was.Partitions, is.Partitions)
		}
	}
	return nil
}

// splits reports whether splits make so many partitions of so many.
func splits(was, is int) bool {
	for ; was < is && was > 0; was *= 2 {
	}
	return was == is
}

func orNone(s string) string {
	if strings.TrimSpace(s) == "" {
		return "none"
	}
	return s
}
