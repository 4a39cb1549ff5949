package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// shellHistory is the lines that were typed, the oldest first, and the file that has them.
// It implements the interface of the line editor.
type shellHistory struct {
	path  string // "": they are not kept
	lines []string
}

// What a history keeps.
const (
	historyLines    = 1000
	historyLineSize = 1 << 10
)

// historyPath is where the history is: in the user's directory for such files.
func historyPath(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "pegasus", "history")
}

// openHistory reads the file, and makes it shorter if it has become long.
func openHistory(path string) (*shellHistory, error) {
	h := &shellHistory{path: path}
	if path == "" {
		return h, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = private(path)
	}
	if err != nil {
		return h, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, len(b)+1)
	for lines.Scan() {
		if remember(lines.Text()) {
			h.lines = append(h.lines, lines.Text())
		}
	}
	if len(h.lines) <= 2*historyLines {
		h.lines = h.lines[max(0, len(h.lines)-historyLines):]
		return h, nil
	}
	h.lines = h.lines[len(h.lines)-historyLines:]
	part := path + ".part"
	_ = os.Remove(part) // or it would keep the mode of one that was left behind
	if err := os.WriteFile(part, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600); err != nil {
		return h, err
	}
	return h, os.Rename(part, path)
}

// private takes a file from all but its owner. What is no file, such as /dev/null in its place,
// stays as it is.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(path, info.Mode().Perm()&^0o077)
}

// remember reports whether a line is for the history: who does not want that begins with a
// space.
func remember(line string) bool {
	return line != "" && line[0] != ' ' && len(line) <= historyLineSize
}

// Write adds the lines of what was typed or pasted.
func (h *shellHistory) Write(typed string) (int, error) {
	var added []string
	for line := range strings.SplitSeq(typed, "\n") {
		if line = strings.TrimRight(line, " \t\r"); remember(line) && (len(h.lines) == 0 || h.lines[len(h.lines)-1] != line) {
			h.lines = append(h.lines, line)
			added = append(added, line)
		}
	}
	if h.path == "" || len(added) == 0 {
		return len(h.lines), nil
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return len(h.lines), err
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return len(h.lines), err
	}
	_, err = f.WriteString(strings.Join(added, "\n") + "\n")
	return len(h.lines), errors.Join(err, f.Close())
}

// GetLine returns a line.
func (h *shellHistory) GetLine(i int) (string, error) {
	if i < 0 || i >= len(h.lines) {
		return "", fmt.Errorf("there is no line %d", i)
	}
	return h.lines[i], nil
}

// Len returns how many there are.
func (h *shellHistory) Len() int { return len(h.lines) }

// Dump returns them.
func (h *shellHistory) Dump() any { return h.lines }
