package bench

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	a, b := report(20, nil), report(20, nil)
	if d := Compare(a, b); d != nil {
		t.Errorf("the same: %+v", d)
	}
	for i := range b.BySecond {
		s := &b.BySecond[i]
		if s.Op == "read" {
			s.P99, s.Count = 1400, 10+int64(i%3)-1 // twice as slow, and as many within the noise
		}
	}
	if got, want := fmt.Sprint(Compare(a, b)), "[{read p99_us 700 1400 100}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.Workers, b.ReadsPercent = 5, 90
	if got := Unlike(a, b); len(got) != 2 || got[0] != "reads 0 and 90" || got[1] != "workers 3 and 5" {
		t.Errorf("%v", got)
	}
	b.Ops[0].Op = "scan"
	for i := range b.BySecond {
		b.BySecond[i].Op = "scan"
	}
	if d := Compare(a, b); d != nil {
		t.Errorf("nothing in common: %+v", d)
	}
}

// A second in which nothing has succeeded is no fast one.
func TestCompareStalls(t *testing.T) {
	a, b := report(20, nil), report(20, nil)
	for i := range b.BySecond {
		if s := &b.BySecond[i]; s.Op == "read" && s.Second%4 != 0 {
			*s = Second{Second: s.Second, Op: s.Op}
		}
	}
	if got, want := fmt.Sprint(Compare(a, b)), "[{read rate_per_s 10 0 -100}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReadReport(t *testing.T) {
	b, err := json.Marshal(report(20, nil))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadReport(b)
	if err != nil || len(r.BySecond) != 40 || r.Workload != "mixed" {
		t.Errorf("%+v, %v", r, err)
	}
	short, err := json.Marshal(report(2, nil))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"": "no report", "{}": "version 1", `{"v":2}`: "version 1", "[]": "no report", string(short): "of 2 s"} {
		if _, err := ReadReport([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v, want %s", in, err, want)
		}
	}
}
