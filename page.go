package pegasus

import (
	"context"
	"errors"
)

var opPage = &operation{name: "Page"}

// Page is some entries, and where those behind them begin.
type Page struct {
	Rows []Row // the caller's
	// Next is where the next page begins. It is empty if it is known that there is no more: a
	// page may have fewer entries than asked for, or none, and not be the last, and one that
	// has as many as were asked for may be it.
	Next Cursor
}

// Page returns up to size entries of a hash key that sel selects, from a cursor on: the empty
// one for the first page, and then the Next of the page before. A page always gets further,
// whatever entries were deleted, written or have expired meanwhile; what is written behind the
// cursor is in later pages.
// hashKey: must not be empty. size: must be > 0. sel.Limit must not be set.
//
// It fails with ErrCursorMismatch if after is of another hash key or sel, and with
// ErrCursorDamaged or ErrCursorTooNew if it cannot be read. All has the time of one operation;
// if that ends amid a page, the page has what was found, if that is something.
func (t *Table) Page(ctx context.Context, hashKey []byte, sel Select, after Cursor, size int) (Page, error) {
	var err error
	switch {
	case size <= 0:
		err = argumentError("size", "is %d, must be > 0", size)
	case sel.Limit != 0:
		err = argumentError("sel.Limit", "is %d, but it is size that bounds a page", sel.Limit)
	default:
		err = validateRowKey(hashKey, nil)
	}
	if err == nil {
		err = sel.validate()
	}
	q := newQuery(cursorOfPage).bytes(hashKey, sel.From, sel.To, sel.Prefix).
		flags(sel.FromExclusive, sel.ToInclusive, sel.Reverse).filter(&sel.Filter)
	if err == nil && after != "" {
		var last []byte
		if last, err = after.decode(cursorOfPage, q); err == nil {
			b := sel.bounds()
			b.after(last, sel.Reverse)
			if b.empty() || sel.Reverse && len(last) == 0 {
				return Page{}, t.ended()
			}
			sel.From, sel.FromExclusive, sel.To, sel.ToInclusive, sel.Prefix = b.from, b.fromExclusive, b.to, b.toInclusive, nil
			if len(b.from) == 0 && b.fromExclusive {
				sel.From, sel.FromExclusive = []byte{0}, false // behind the empty sort key
			}
		}
	}
	if err != nil {
		return Page{}, t.refuse(opPage, err)
	}
	sel.Limit = size
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	rows, err := t.openRows(opPage.name, hashKey, sel, owned)
	if err != nil {
		return Page{}, err
	}
	defer rows.close()
	var page Page
	for len(page.Rows) < size {
		row, ok, err := rows.next(ctx)
		if err != nil && len(page.Rows) > 0 && timeIsOver(err) && !errors.Is(err, context.Canceled) {
			break // what there is, is good
		}
		if err != nil {
			return Page{}, err
		}
		if !ok {
			return page, nil
		}
		page.Rows = append(page.Rows, row)
	}
	page.Next = encodeCursor(cursorOfPage, q, page.Rows[len(page.Rows)-1].SortKey)
	return page, nil
}
