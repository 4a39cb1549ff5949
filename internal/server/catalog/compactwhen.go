package catalog

import (
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
)

// The environment of a table says when it is compacted: once, at a moment that
// has not been followed by a compaction, and every day at some times.

// CompactDisabled reports whether the environment of a table forbids manual
// compactions.
func CompactDisabled(envs map[string]string) bool {
	return strings.EqualFold(envs[envCompactDisabled], "true")
}

// compactDue begins the manual compactions that tables ask for, and sees to it
// that later ones are begun in time.
func (c *Catalog) compactDue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scheduleCompacts()
}

// scheduleCompacts is compactDue with the catalog locked.
func (c *Catalog) scheduleCompacts() {
	if c.opts.ReadOnly {
		return
	}
	now := c.opts.Clock()
	var next time.Time
	for _, t := range c.byName {
		due, at := t.compactWhen(now)
		if due && !t.compaction.running {
			c.beginCompact(t)
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !next.IsZero() {
		c.compacts.set(next.Sub(now), c.compactDue)
	}
}

// compactWhen reports whether a table asks to be compacted now, and when to ask
// again, if ever.
func (t *Table) compactWhen(now time.Time) (due bool, next time.Time) {
	v := t.View()
	envs := v.Info.Envs
	if CompactDisabled(envs) {
		return false, next
	}
	if n, ok := schema.ParseInt([]byte(envs[envCompactRunning])); ok && n <= 0 {
		return false, next
	}
	// As on a Pegasus server a moment in the future is not waited for; but there is one more when it
	// has come.
	if once, ok := onceTrigger(envs); ok && once > v.Compacted {
		if due = once <= now.Unix() || once != t.compaction.once; once > now.Unix() {
			next = time.Unix(once, 0)
		}
	}
	for _, clock := range strings.Split(envs[envCompactPeriodic], ",") {
		today, ok := timeOfDay(clock, now)
		if !ok {
			continue
		}
		if today.Before(now) {
			due = due || today.Unix() > v.Compacted
			today = today.AddDate(0, 0, 1)
		}
		if next.IsZero() || today.Before(next) {
			next = today
		}
	}
	return due, next
}

// onceTrigger returns the moment at which a table is to be compacted once, in
// seconds of Unix time.
func onceTrigger(envs map[string]string) (int64, bool) {
	n, ok := schema.ParseInt([]byte(envs[EnvCompactOnce+"trigger_time"]))
	return n, ok && n > 0
}

// timeOfDay returns the moment that a text like 3:00 names on the day of now,
// where its clock is.
func timeOfDay(text string, now time.Time) (time.Time, bool) {
	at, err := time.Parse("15:4", strings.TrimSpace(text))
	year, month, day := now.Date()
	return time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, now.Location()), err == nil
}

// periodicRule is the rule for envCompactPeriodic.
func periodicRule(value string) string {
	for _, clock := range strings.Split(value, ",") {
		if _, ok := timeOfDay(clock, time.Time{}); !ok {
			return "invalid times of the day, should be like 3:00,21:00"
		}
	}
	return ""
}
