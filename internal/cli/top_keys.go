package cli

import (
	"slices"
	"time"
)

// press does what a key means, and reports whether that is the end.
func (m *topModel) press(key string) (quit bool) {
	if m.typing && key != "interrupt" {
		m.typeFilter(key)
		return false
	}
	switch key {
	case "q", "interrupt":
		return true
	case " ":
		m.paused = !m.paused
	case "1":
		m.show(viewTables)
	case "2":
		m.show(viewNodes)
	case "3":
		m.showParts()
	case "enter":
		if m.view == viewTables {
			m.showParts()
		}
	case "e":
		m.show(viewEvents)
	case "?", "h":
		m.show(viewHelp)
	case "escape":
		m.show(viewTables)
	case "s":
		if m.view <= viewParts {
			m.sortBy[m.view] = m.sortBy[m.view]%(len(viewColumns[m.view])-1) + 1
			m.arrange(time.Now(), true)
		}
	case "/":
		m.typing = m.view <= viewParts
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	}
	return false
}

// showParts shows the partitions of the table under the cursor.
func (m *topModel) showParts() {
	if m.view == viewTables {
		if rows := m.shown(); m.cursor != "" {
			m.table = m.cursor
		} else if len(rows) > 0 {
			m.table = rows[0]
		}
	}
	if m.table != "" {
		m.show(viewParts)
	}
}

func (m *topModel) typeFilter(key string) {
	switch key {
	case "enter":
		m.typing = false
	case "escape":
		m.typing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	case "up", "down":
	default:
		m.filter += key
	}
}

// move takes the cursor to another row. It stays on that wherever the row goes.
func (m *topModel) move(by int) {
	rows := m.shown()
	if len(rows) == 0 {
		return
	}
	i := max(0, slices.Index(rows, m.cursor))
	m.cursor = rows[min(max(0, i+by), len(rows)-1)]
}
