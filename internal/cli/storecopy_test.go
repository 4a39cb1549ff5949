package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
)

// fillStore makes the directory of a onebox with rows in the tables temp and other, some of
// which expire soon.
func fillStore(dir string, rows int) (err error) {
	srv, err := onebox.Start(onebox.Options{Dir: dir, Durability: onebox.OS, Tables: []onebox.Table{{Name: "temp", Partitions: 4}, {Name: "other", Partitions: 2}}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	cluster, err := pegasus.New(pegasus.Config{MetaServers: srv.MetaServers()})
	if err != nil {
		return err
	}
	defer cluster.Close()
	for _, name := range []string{"temp", "other"} {
		t, err := cluster.Open(context.Background(), name)
		if err != nil {
			return err
		}
		var puts []pegasus.Put
		for i := range rows {
			puts = append(puts, pegasus.Put{HashKey: fmt.Appendf(nil, "h%d", i), SortKey: []byte("s"), Value: bytes.Repeat([]byte{byte(i)}, 100), TTL: time.Duration(i%3) * time.Hour})
		}
		out, err := t.SetMany(context.Background(), puts)
		if err := errors.Join(err, out.Err()); err != nil {
			return err
		}
	}
	return nil
}

func TestCompareFindsDifferences(t *testing.T) {
	parent := t.TempDir()
	a, b := filepath.Join(parent, "a"), filepath.Join(parent, "b")
	for dir, rows := range map[string]int{a: 20, b: 21} {
		if err := fillStore(dir, rows); err != nil {
			t.Fatal(err)
		}
	}
	c := &storeCopy{from: a, to: b, seed: maphash.MakeSeed()}
	source, err := c.open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, _, err := c.compare(t.Context(), source); err == nil || !strings.Contains(err.Error(), "it has 21 rows, of 20") {
		t.Errorf("different rows: %v", err)
	}
	c.to = a
	if tables, rows, err := c.compare(t.Context(), source); tables != 2 || rows != 40 || err != nil {
		t.Errorf("the same: %d tables, %d rows, %v", tables, rows, err)
	}
}

// Whenever it is interrupted, there is a complete copy and success, or nothing.
func TestInterruptedBackup(t *testing.T) {
	parent := t.TempDir()
	data := filepath.Join(parent, "data")
	if err := fillStore(data, 3000); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"", ".partial", "/FORMAT"} {
		to := filepath.Join(parent, "to")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { // interrupts when the copy has come so far
			defer cancel()
			for stage != "" {
				if _, err := os.Stat(to + stage); err == nil {
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		}()
		var out, talk bytes.Buffer
		status := Run(ctx, []string{"backup", to, "--dir", data}, ui.Streams{Out: &out, Err: &talk})
		close(done)
		<-ctx.Done()
		_, err := os.Stat(to)
		if made := err == nil; made != (status == int(exit.OK)) || !made && status != int(exit.Interrupted) {
			t.Errorf("at %q: status %d, %s, and there is a copy: %v", stage, status, &talk, made)
		}
		if _, err := os.Stat(to + ".partial"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("at %q: a part of a copy is left: %v", stage, err)
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
}
