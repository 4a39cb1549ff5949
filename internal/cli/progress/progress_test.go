package progress

import (
	"bytes"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// during runs a meter of a command that does 1000 rows of 100 bytes a second and needs
// 100 seconds, for a time.
func during(t *testing.T, o Options, d time.Duration) string {
	t.Helper()
	var out bytes.Buffer
	o.Out, o.Label = &out, "export users"
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := Start(o, func() Sample {
			s := time.Since(began).Seconds()
			return Sample{Rows: int64(s * 1000), Bytes: int64(s * 100_000), Done: s / 100}
		})
		time.Sleep(d)
		m.Stop()
	})
	return out.String()
}

func TestTerminal(t *testing.T) {
	out := during(t, Options{Mode: Auto, Terminal: true}, 61*time.Second)
	if n := strings.Count(out, "\r"); n > 4*61+1 || n < 4*60 {
		t.Errorf("%d frames in 61 s", n)
	}
	if !strings.HasSuffix(out, "\r\x1b[K") {
		t.Errorf("the line does not vanish: %q", out[len(out)-20:])
	}
	frames := strings.Split(out, "\r")
	for n, want := range map[int]string{
		4:               "export users  [--------]   ~1%        1,000 rows  97.7 KiB  1.00k/s  ETA      ?\x1b[K",
		len(frames) - 6: "export users  [####----]  ~60%       60,000 rows  5.72 MiB  1.00k/s  ETA    42s\x1b[K",
	} {
		if frames[n] != want {
			t.Errorf("frame %d is %q, want %q", n, frames[n], want)
		}
	}
	if strings.Contains(out, "\n") {
		t.Error("a newline on a terminal")
	}
}

func TestPlain(t *testing.T) {
	out := during(t, Options{Mode: Auto}, 61*time.Second)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || strings.ContainsAny(out, "\r\x1b") {
		t.Fatalf("%q", out)
	}
	want := "00:01:00Z export users  ~60%       60,000 rows  5.72 MiB  1.00k/s  ETA    40s"
	if lines[1] != want {
		t.Errorf("%q, want %q", lines[1], want)
	}
}

func TestJSON(t *testing.T) {
	out := during(t, Options{Mode: JSON, Terminal: true}, 10*time.Second)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := `{"v":1,"time":"2000-01-01T00:00:10Z","what":"export users","rows":10000,"bytes":1000000,"done":0.1,"rows_per_s":1000,"eta_s":90}`
	if len(lines) < 10 || lines[len(lines)-1] != last {
		t.Errorf("%q, want the last to be %q", lines, last)
	}
	if !strings.Contains(lines[0], `"eta_s":null`) {
		t.Errorf("%s knows the end at once", lines[0])
	}
}

func TestNone(t *testing.T) {
	if out := during(t, Options{Mode: None, Terminal: true}, time.Minute); out != "" {
		t.Errorf("%q", out)
	}
}

// Lines fit, and leave out what matters least.
func TestLine(t *testing.T) {
	r := newRates(time.Unix(0, 0), Sample{})
	for i := range 120 {
		r.add(time.Unix(int64(i), 0), Sample{Rows: int64(i) * 123_456, Done: float64(i) / 1e6})
	}
	s := Sample{Rows: 4_812_330, Bytes: 1_299_227_607, Done: 0.000119, Note: "resumed"}
	for _, width := range []int{1, 10, 39, 60, 79, 120} {
		got := line("export orders", s, &r, width, true)
		if len(got) > width {
			t.Errorf("%d columns of %d: %q", len(got), width, got)
		}
		if width >= 39 && (!strings.Contains(got, "~0%") || !strings.Contains(got, ">1d")) {
			t.Errorf("%d columns: %q", width, got)
		}
	}
	if got := line("x", Sample{Done: -1}, &r, 80, true); strings.Contains(got, "ETA") || strings.Contains(got, "%") || strings.Contains(got, "[") {
		t.Errorf("what nobody knows: %q", got)
	}
	bytes := Sample{Rows: -1, Bytes: 1 << 20, Done: -1}
	if got, want := line("backup nightly", bytes, &r, 80, true), "backup nightly  1.00 MiB"; got != want {
		t.Errorf("no rows: %q, want %q", got, want)
	}
	if got, want := string(object(time.Unix(0, 0), "x", bytes, &r)), `{"v":1,"time":"1970-01-01T00:00:00Z","what":"x","rows":null,"bytes":1048576,"done":null,"rows_per_s":null,"eta_s":null}`+"\n"; got != want {
		t.Errorf("no rows: %s, want %s", got, want)
	}
}

func TestTexts(t *testing.T) {
	for _, tc := range [][2]string{
		{Number(0), "0"},
		{Number(-1234567), "-1,234,567"},
		{Number(-123), "-123"},
		{Number(1000), "1,000"},
		{Duration(-1 * time.Second), "?"},
		{Duration(80 * time.Second), "1m20s"},
		{Duration(25 * time.Hour), ">1d"},
		{Duration(90 * time.Minute), "1h30m"},
		{Duration(0), "0s"},
		{percent(0.999), "~99%"},
		{percent(1), "100%"},
		{barOf(-1), "[--------]"},
		{barOf(2), "[########]"},
	} {
		if tc[0] != tc[1] {
			t.Errorf("%q, want %q", tc[0], tc[1])
		}
	}
}

// A command that goes back, as one that resumes, has no negative time left.
func TestBackwards(t *testing.T) {
	r := newRates(time.Unix(0, 0), Sample{})
	for i := range 60 {
		r.add(time.Unix(int64(i), 0), Sample{Rows: int64(-i), Done: 1 - float64(i)/100})
	}
	if r.left(0.4) >= 0 || r.rows() != 0 {
		t.Errorf("%v, %v rows a second", r.left(0.4), r.rows())
	}
}

// What is written to the same terminal stands above the line that changes.
func TestOver(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		var calls atomic.Int64
		m := Start(Options{Out: &out, Mode: Auto, Terminal: true, Label: "x", Width: func() int { return 20 }}, func() Sample { calls.Add(1); return Sample{Done: -1} })
		time.Sleep(900 * time.Millisecond)
		if _, err := io.WriteString(m.Over(&out), "a line\n"); err != nil {
			t.Error(err)
		}
		m.Stop()
		if calls.Load() == 0 {
			t.Error("nobody has asked")
		}
	})
	if !strings.HasSuffix(out.String(), "\r\x1b[Ka line\n") {
		t.Errorf("%q", &out)
	}
}

func TestMode(t *testing.T) {
	m := Auto
	if err := m.Set("json"); err != nil || m != JSON {
		t.Errorf("%s, %v", m, err)
	}
	if err := m.Set("fancy"); err == nil || m != JSON {
		t.Errorf("%s, %v", m, err)
	}
}
