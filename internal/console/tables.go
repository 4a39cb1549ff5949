package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// Table is a table as the page gets it.
type Table struct {
	ID         int               `json:"id"`
	Name       string            `json:"name"`
	Status     string            `json:"status"`
	Partitions int               `json:"partitions"`
	Replicas   int               `json:"replicas"`
	Envs       map[string]string `json:"envs"`
	Created    *time.Time        `json:"created"`
	Dropped    *time.Time        `json:"dropped"`
	Purged     *time.Time        `json:"purged"`
}

func tableOf(t *admin.Table) Table {
	return Table{
		ID: t.ID, Name: t.Name, Status: t.Status.String(), Partitions: t.Partitions, Replicas: t.Replicas, Envs: t.Envs,
		Created: timeOf(t.Created), Dropped: timeOf(t.Dropped), Purged: timeOf(t.Purged),
	}
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() || t.Unix() <= 0 {
		return nil
	}
	return &t
}

// named is the argument of calls about a table.
type named struct {
	Table string `json:"table"`
}

func (c *Console) addTableCalls() {
	c.calls["tables"] = CallOf(c.listTables)
	c.calls["table"] = CallOf(c.oneTable)
	for name, call := range map[string]Call{
		"table-create":        CallOf(c.createTable),
		"table-drop":          CallOf(c.dropTable),
		"table-recall":        CallOf(c.recallTable),
		"table-rename":        CallOf(c.renameTable),
		"table-env":           CallOf(c.setEnv),
		"table-split":         CallOf(c.startSplit),
		"table-split-control": CallOf(c.controlSplit),
		"table-compact":       CallOf(c.startCompact),
	} {
		c.calls[name] = c.changing(call)
	}
}

// listTables returns the tables that there are, and those that can be recalled.
func (c *Console) listTables(ctx context.Context, _ struct{}) (any, error) {
	all, err := c.admin.Tables(ctx, admin.AnyStatus)
	if err != nil {
		return nil, err
	}
	out := make([]Table, 0, len(all))
	for i := range all {
		out = append(out, tableOf(&all[i]))
	}
	return map[string]any{"tables": out}, nil
}

// tableDetail is a table with where it is and what goes on with it.
type tableDetail struct {
	Table
	Where []Placed `json:"where"`
	// Split is nil if none goes on, Compact is negative if none was started.
	Split   *splitState `json:"split"`
	Compact int         `json:"compact"`
}

// Placed is a partition and its servers.
type Placed struct {
	Index     int      `json:"index"`
	Primary   string   `json:"primary"`
	Secondary []string `json:"secondaries"`
	Ballot    int64    `json:"ballot"`
}

type splitState struct {
	Partitions int            `json:"partitions"` // when it is over
	Left       int            `json:"left"`       // not split yet
	ByStatus   map[string]int `json:"by_status"`
}

func (c *Console) oneTable(ctx context.Context, in named) (any, error) {
	t, err := c.admin.Table(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	partitions, err := c.admin.Partitions(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	d := tableDetail{Table: tableOf(&t), Where: []Placed{}, Compact: -1}
	for _, p := range partitions {
		d.Where = append(d.Where, Placed{p.Index, p.Primary, p.Secondaries, p.Ballot})
	}
	// Servers that are too old for these have none.
	if s, err := c.admin.QuerySplit(ctx, in.Table); err == nil {
		d.Split = &splitState{s.Partitions, len(s.Status), make(map[string]int)}
		for _, status := range s.Status {
			d.Split.ByStatus[status.String()]++
		}
	}
	if percent, err := c.admin.QueryCompact(ctx, in.Table); err == nil {
		d.Compact = percent
	}
	return d, nil
}

func (c *Console) createTable(ctx context.Context, in struct {
	named
	Partitions int               `json:"partitions"`
	Replicas   int               `json:"replicas"`
	Envs       map[string]string `json:"envs"`
},
) (any, error) {
	id, err := c.admin.CreateTable(ctx, in.Table, admin.CreateOptions{Partitions: in.Partitions, Replicas: in.Replicas, Envs: in.Envs})
	return map[string]int{"id": id}, err
}

// maxReserve is how long a dropped table can be kept, in seconds.
const maxReserve int64 = 100 * 365 * 24 * 3600

func (c *Console) dropTable(ctx context.Context, in struct {
	named
	ID      int   `json:"id"`      // of the table that was shown
	Reserve int64 `json:"reserve"` // seconds, 0: as the servers like
},
) (any, error) {
	if in.Reserve < 0 || in.Reserve > maxReserve {
		return nil, Refuse("a table is kept for 0 to %d seconds, not for %d", maxReserve, in.Reserve)
	}
	t, err := c.admin.Table(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if t.ID != in.ID {
		return nil, hasChanged("the table was changed meanwhile: %s has the id %d now", in.Table, t.ID)
	}
	return nil, c.admin.DropTable(ctx, in.Table, time.Duration(in.Reserve)*time.Second)
}

func (c *Console) recallTable(ctx context.Context, in struct {
	ID   int    `json:"id"`
	Name string `json:"name"` // "": the old one
},
) (any, error) {
	t, err := c.admin.RecallTable(ctx, in.ID, in.Name)
	if err != nil {
		return nil, err
	}
	return tableOf(&t), nil
}

func (c *Console) renameTable(ctx context.Context, in struct {
	named
	Name string `json:"name"`
},
) (any, error) {
	return nil, c.admin.RenameTable(ctx, in.Table, in.Name)
}

// hasChanged is the error of a change of something that is not what the page has shown.
func hasChanged(format string, args ...any) error {
	return &Refusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// setEnv sets a variable of the environment, or removes it.
func (c *Console) setEnv(ctx context.Context, in struct {
	named
	Key   string  `json:"key"`
	Value *string `json:"value"` // nil: remove it
	Saw   *string `json:"saw"`   // the value that was shown, nil: none
},
) (any, error) {
	if in.Key == "" {
		return nil, Refuse("the variable has no name")
	}
	// Servers have no operation that compares: somebody could come in between these two.
	t, err := c.admin.Table(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	switch now, set := t.Envs[in.Key]; {
	case !set && in.Saw != nil:
		return nil, hasChanged("%s was changed meanwhile: it is not set now", in.Key)
	case set && (in.Saw == nil || *in.Saw != now):
		return nil, hasChanged("%s was changed meanwhile: it is %q now", in.Key, now)
	}
	if in.Value == nil {
		return nil, c.admin.DelEnvs(ctx, in.Table, in.Key)
	}
	return nil, c.admin.SetEnvs(ctx, in.Table, map[string]string{in.Key: *in.Value})
}

func (c *Console) startSplit(ctx context.Context, in struct {
	named
	Partitions int `json:"partitions"` // that there are to be
},
) (any, error) {
	t, err := c.admin.Table(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if in.Partitions != 2*t.Partitions {
		return nil, hasChanged("the table was changed meanwhile: it has %d partitions now", t.Partitions)
	}
	return nil, c.admin.StartSplit(ctx, in.Table, in.Partitions)
}

func (c *Console) controlSplit(ctx context.Context, in struct {
	named
	Do string `json:"do"` // pause, resume or cancel
},
) (any, error) {
	switch in.Do {
	case "pause":
		return nil, c.admin.PauseSplit(ctx, in.Table, admin.AllPartitions)
	case "resume":
		return nil, c.admin.ResumeSplit(ctx, in.Table, admin.AllPartitions)
	case "cancel":
		return nil, c.admin.CancelSplit(ctx, in.Table)
	}
	return nil, Refuse("a split can be paused, resumed and cancelled, not %q", in.Do)
}

func (c *Console) startCompact(ctx context.Context, in named) (any, error) {
	err := c.admin.StartCompact(ctx, in.Table, admin.CompactOptions{Bottommost: true})
	if errors.Is(err, admin.ErrOperationDisabled) {
		return nil, Refuse("the environment of the table forbids compactions: %v", err)
	}
	return nil, err
}
