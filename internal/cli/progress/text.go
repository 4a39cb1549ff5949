package progress

import (
	"encoding/json"
	"strconv"
	"time"
)

// Number is a number with commas, as people read it.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Rows is a number of rows, as people read it.
func Rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return Number(n) + " rows"
}

// object is a report for programs. What is not known is null.
func object(now time.Time, label string, s Sample, r *rates) []byte {
	o := struct {
		V     int      `json:"v"`
		Time  string   `json:"time"`
		What  string   `json:"what"`
		Rows  *int64   `json:"rows"`
		Bytes int64    `json:"bytes"`
		Done  *float64 `json:"done"`
		Rate  *float64 `json:"rows_per_s"`
		ETA   *float64 `json:"eta_s"`
		Note  string   `json:"note,omitempty"`
	}{1, now.UTC().Format(time.RFC3339), label, nil, s.Bytes, nil, nil, nil, s.Note}
	if s.Rows >= 0 {
		rate := r.rows()
		o.Rows, o.Rate = &s.Rows, &rate
	}
	if s.Done >= 0 {
		o.Done = &s.Done
	}
	if left := r.left(s.Done); left >= 0 {
		seconds := left.Seconds()
		o.ETA = &seconds
	}
	b, _ := json.Marshal(o) // numbers and text
	return append(b, '\n')
}
