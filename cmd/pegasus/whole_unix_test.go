//go:build unix

package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/pegasus-go/pegasus"
)

// rows is the size of the table of TestMemory; make million has a million.
var rows = flag.Int("rows", 30_000, "rows of the table whose export, import, copy and diff are measured")

// fillRows writes n rows of 100 bytes, ten for a hash key, a tenth of them with an expiry.
func fillRows(t *testing.T, meta, name string, n int) {
	t.Helper()
	c, err := client.New(client.Config{MetaServers: []string{meta}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table, err := c.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	var puts []client.PutRows
	for i := 0; i < n; i += 10 {
		p := client.PutRows{HashKey: fmt.Appendf(nil, "hash%08d", i/10)}
		for k := range min(10, n-i) {
			value := make([]byte, 82)
			_, _ = random.Read(value)
			p.Rows = append(p.Rows, client.KeyValue{SortKey: fmt.Appendf(nil, "sort%02d", k), Value: value})
		}
		if i%100 == 0 {
			p.TTL = 24 * time.Hour
		}
		if puts = append(puts, p); len(puts) == 500 || i+10 >= n {
			out, err := table.MultiSetMany(t.Context(), puts)
			if err != nil || out.Err() != nil {
				t.Fatal(err, out.Err())
			}
			puts = puts[:0]
		}
	}
}

// must runs a command and returns its standard output.
func must(t *testing.T, meta string, args ...string) string {
	t.Helper()
	out, _ := measured(t, meta, args...)
	return out
}

// measured returns the most memory that a command had, too, in MiB.
func measured(t *testing.T, meta string, args ...string) (stdout string, mib float64) {
	t.Helper()
	cmd := pegasus(append(args, "--meta", meta)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("pegasus %q: %v: %s", args, err, &errs)
	}
	unit := 1024.0 // Linux counts in KiB
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	return out.String(), float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) * unit / (1 << 20)
}

// Commands over a whole table have little memory, whatever its size.
func TestMemory(t *testing.T) {
	r := startOnebox(t, "--table", "a:8", "--table", "b:8", "--table", "c:16")
	fillRows(t, r.meta, "a", *rows)
	dir := t.TempDir()
	const most = 200.0
	for _, args := range [][]string{
		{"export", "a", filepath.Join(dir, "a.jsonl.zst")},
		{"export", "a", filepath.Join(dir, "a.csv.gz")},
		{"export", "a", filepath.Join(dir, "a.pgx"), "--verify"},
		{"import", "b", filepath.Join(dir, "a.jsonl.zst")},
		{"import", "b", filepath.Join(dir, "a.pgx"), "--verify"},
		{"copy", "a", "c"},
		{"diff", "a", "b", "--ttl"},
		{"diff", "a", "c"},
		{"count", "a", "--distinct"},
		{"clear", "b", "--yes"},
	} {
		began := time.Now()
		_, mib := measured(t, r.meta, args...)
		args = append([]string{}, args...)
		for i, a := range args {
			args[i] = strings.TrimPrefix(a, dir+"/")
		}
		t.Logf("%-32s %6.1f s %9.0f rows/s  %4.0f MiB", strings.Join(args, " "), time.Since(began).Seconds(), float64(*rows)/time.Since(began).Seconds(), mib)
		if mib > most {
			t.Errorf("%q had %.0f MiB, the limit is %.0f", args, mib, most)
		}
	}
	if n := must(t, r.meta, "count", "c", "--exact", "-o", "raw"); n != fmt.Sprint(*rows) {
		t.Errorf("%s rows were copied, of %d", n, *rows)
	}
}

// Nor does it grow with the size of the rows.
func TestMemoryOfLargeRows(t *testing.T) {
	r := startOnebox(t, "--table", "temp:4", "--table", "b:8")
	withTable(t, r.meta, func(table client.TableConnector) {
		value := make([]byte, 200_000)
		for i := range 600 {
			if err := table.Set(t.Context(), recordKey(i), recordKey(i), value); err != nil {
				t.Fatal(err)
			}
		}
	})
	file := filepath.Join(t.TempDir(), "a.pgx")
	for _, args := range [][]string{
		{"export", "temp", file}, {"import", "b", file}, {"copy", "temp", "b"}, {"diff", "temp", "b"}, {"clear", "b", "--filter-value", "contains:x", "--yes"},
	} {
		if _, mib := measured(t, r.meta, args...); mib > 120 {
			t.Errorf("%q had %.0f MiB", args, mib)
		} else {
			t.Logf("%q: %.0f MiB", args, mib)
		}
	}
}

// killed runs a command again and again, and kills it each time after a while, until it comes
// to its end. It returns how often that was.
func killed(t *testing.T, meta string, random *rand.Rand, args ...string) (kills int) {
	t.Helper()
	for {
		cmd := pegasus(append(args, "--meta", meta, "--resume", "--checkpoint", "3ms")...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It lives longer each time, so that it gets to its end on a busy machine, too.
		life := time.Duration(float64(20+random.IntN(80)) * math.Pow(1.2, float64(kills)) * float64(time.Millisecond))
		timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			return kills
		}
		var ee *exec.ExitError
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("pegasus %q after %d kills: %v, %v: %s", args, kills, err, ee, &errs)
		}
		kills++
	}
}

// Commands that are killed at any time go on so that nothing is lost and nothing comes twice.
func TestKilled(t *testing.T) {
	const n = 15_000
	random := rand.New(rand.NewPCG(5, 6))
	r := startOnebox(t, "--table", "a:4", "--table", "b:4", "--table", "c:4")
	fillRows(t, r.meta, "a", n)
	dir := t.TempDir()
	kills := 0
	for _, name := range []string{"a.jsonl.zst", "a.pgx.gz"} {
		file := filepath.Join(dir, name)
		kills += killed(t, r.meta, random, "export", "a", file, "--rate", "150k", "--verify", "--yes")
		if got := must(t, r.meta, "import", "b", file, "--dry-run", "-o", "raw"); got != fmt.Sprint(n) {
			t.Errorf("%s has %s rows", name, got)
		}
		kills += killed(t, r.meta, random, "import", "b", file, "--rate", "150k")
		must(t, r.meta, "diff", "a", "b", "--ttl", "--settle", "0s")
		must(t, r.meta, "clear", "b", "--yes")
	}
	kills += killed(t, r.meta, random, "copy", "a", "c", "--rate", "150k", "--state", filepath.Join(dir, "state"))
	must(t, r.meta, "diff", "a", "c", "--ttl", "--settle", "0s")
	if kills < 10 {
		t.Errorf("%d kills are few", kills)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	t.Logf("%d kills", kills)
}
