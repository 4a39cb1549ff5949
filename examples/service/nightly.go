package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/recipe"
)

// The nightly job counts what there is, over the whole table. One process at a time does
// it; what it has found so far and where it is are kept with the lock, so that any process
// goes on when that one stops.
var (
	jobKey    = []byte("job/nightly")
	jobReport = []byte("report")
	jobState  = []byte("state")
)

type report struct {
	Day      string         `json:"day"`
	Rows     map[string]int `json:"rows"` // by the kind of hash key
	Expiring int            `json:"expiring_within_a_day"`
}

// state is that of a job under way.
type state struct {
	report
	Cursor pegasus.Cursor `json:"cursor"`
}

// runNightly does the job now, and then again and again, until ctx ends.
func (s *service) runNightly(ctx context.Context, every time.Duration) {
	for {
		if err := s.nightly(ctx, time.Now()); err != nil && ctx.Err() == nil {
			log.Print("nightly: ", err)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return
		}
	}
}

// nightly does the job of a day, or what is left of it, unless it is done or another process
// is at it.
func (s *service) nightly(ctx context.Context, now time.Time) error {
	lease, err := recipe.NewLock(s.table, jobKey, "nightly").TryAcquire(ctx, recipe.LockOptions{})
	if errors.Is(err, recipe.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lease.Release(context.WithoutCancel(ctx))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(lease.Context(), cancel)()

	st := state{report: report{Day: now.Format(time.DateOnly), Rows: map[string]int{}}}
	var last report
	if done, err := s.load(ctx, jobReport, &last); err != nil || done && last.Day == st.Day {
		return err
	}
	var begun state
	if found, err := s.load(ctx, jobState, &begun); err != nil {
		return err
	} else if found && begun.Day == st.Day {
		st = begun
	}
	scan, err := s.table.Scan(ctx, pegasus.ScanOptions{Resume: st.Cursor, KeysOnly: true, WithExpiry: true})
	if err != nil {
		return err
	}
	n := 0
	for row, err := range scan.Rows(ctx) {
		if err != nil {
			return err
		}
		if n++; n%1000 == 0 { // what is counted so far, and where: one atomic step
			st.Cursor = scan.Cursor()
			if err := s.keep(ctx, lease, jobState, st); err != nil {
				return err
			}
		}
		st.count(row, now)
	}
	return s.keep(ctx, lease, jobReport, st.report)
}

func (st *state) count(row pegasus.Row, now time.Time) {
	kind, _, _ := bytes.Cut(row.HashKey, []byte("/"))
	st.Rows[string(kind)]++
	if !row.Expires.IsZero() && row.Expires.Before(now.Add(24*time.Hour)) {
		st.Expiring++
	}
}

func (s *service) load(ctx context.Context, key []byte, v any) (found bool, err error) {
	text, found, err := s.table.AppendGet(ctx, nil, jobKey, key)
	if found {
		err = json.Unmarshal(text, v)
	}
	return found, err
}

// keep writes a row of the job, unless another process has it by now.
func (s *service) keep(ctx context.Context, lease *recipe.Lease, key []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	res, err := lease.Guard(s.table.CheckAndMutate(jobKey)).Set(key, text, pegasus.NoTTL).Do(ctx)
	if err == nil && !res.Applied {
		err = recipe.ErrLockLost
	}
	return err
}
