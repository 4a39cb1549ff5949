package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// keyList reads the keys of rows from lines of JSON, such as those of diff and of scan.
type keyList struct {
	d       *json.Decoder
	codings coding.Row
	n       int64 // keys that were read
}

func newKeyList(r io.Reader, codings coding.Row) *keyList {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	return &keyList{d: d, codings: codings}
}

var errNoEnd = errors.New(`it ends without {"end":true,...}, so that keys may be missing`)

// next returns a key, or io.EOF behind the line that says how many there are.
func (l *keyList) next() (key pegasus.CompositeKey, err error) {
	var line struct {
		HK, SK, Diff, Detail, Value, Expires *string
		End                                  *bool
		Rows                                 *int64
		Sum                                  *string
		Sample                               *float64 // of a diff
	}
	switch err = l.d.Decode(&line); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return key, errNoEnd
	case err != nil:
		return key, fmt.Errorf("key %d: %w", l.n+1, err)
	case line.End != nil:
		if line.Rows == nil || *line.Rows != l.n {
			return key, fmt.Errorf("it has %d keys, and its end says otherwise", l.n)
		}
		return key, io.EOF
	case line.HK == nil || line.SK == nil:
		return key, fmt.Errorf(`key %d: a line has "hk" and "sk"`, l.n+1)
	}
	l.n++
	if key.HashKey, err = l.codings.Hash.Parse(*line.HK); err == nil && len(key.HashKey) == 0 {
		err = errEmpty
	}
	if err != nil {
		return key, fmt.Errorf("key %d: hk: %w", l.n, err)
	}
	if key.SortKey, err = l.codings.Sort.Parse(*line.SK); err != nil {
		return key, fmt.Errorf("key %d: sk: %w", l.n, err)
	}
	return key, nil
}

// keysAtOnce is how many keys are read together.
const keysAtOnce = 256

// listed gives the rows of a table that a list names. Keys without a row are counted.
func listed(ctx context.Context, t *pegasus.Table, list *keyList, absent *int64) func(func(pegasus.Row, error) bool) {
	return func(yield func(pegasus.Row, error) bool) {
		for end := error(nil); end == nil; {
			var keys []pegasus.CompositeKey
			for len(keys) < keysAtOnce && end == nil {
				var key pegasus.CompositeKey
				if key, end = list.next(); end == nil {
					keys = append(keys, key)
				}
			}
			rows, err := rowsOf(ctx, t, keys)
			if err != nil {
				yield(pegasus.Row{}, err)
				return
			}
			for _, row := range rows {
				if row.HashKey == nil {
					*absent++
				} else if !yield(row, nil) {
					return
				}
			}
			if end != nil && end != io.EOF {
				yield(pegasus.Row{}, end)
			}
		}
	}
}

// rowsOf reads rows, in the order of the keys; without a hash key where there is none.
func rowsOf(ctx context.Context, t *pegasus.Table, keys []pegasus.CompositeKey) ([]pegasus.Row, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows, todo := make([]pegasus.Row, len(keys)), make(chan int, len(keys))
	for i := range keys {
		todo <- i
	}
	close(todo)
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range min(len(keys), readAtOnce) {
		wg.Go(func() {
			for i := range todo {
				row, found, err := t.GetRow(ctx, keys[i].HashKey, keys[i].SortKey)
				if err != nil {
					once.Do(func() { first = err })
					cancel()
					return
				}
				if found {
					rows[i] = row
				}
			}
		})
	}
	wg.Wait()
	return rows, first
}
