package main

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writeTree makes a small tree with all kinds of files.
func writeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"top.go":            []byte("package top"),
		"a/a.go":            []byte("package a"),
		"a/a_test.go":       []byte("package a_test"),
		"a/b_test.go":       []byte("package b_test"),
		"a/c.go":            bytes.Repeat([]byte("c"), 100<<10),
		"a/empty":           nil,
		"a/b/full.bin":      bytes.Repeat([]byte("0123456789abcdef"), partSize/16),
		"a/b/huge.bin":      bytes.Repeat([]byte("fedcba9876543210"), 4*partSize/16+1),
		"a/b/huge.bin.more": []byte("more"),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-src", writeTree(t)}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{
		"9 files of 3 packages", "1 file empty, 1 larger than 512.0 KiB and stored in 5 parts",
		"13 entries equal to the files", "All answers agree",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
	if strings.Contains(stdout.String(), "\r") {
		t.Error("progress although the output is not a terminal")
	}
}

func TestRunOnCluster(t *testing.T) {
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "taken"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	args := []string{"-src", writeTree(t), "-meta", box.MetaServers()[0]}
	var stdout, stderr bytes.Buffer
	for range 2 { // the table is dropped at the end
		if status := run(t.Context(), args, &stdout, &stderr); status != 0 {
			t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
		}
	}
	if status := run(t.Context(), append(args, "-table", "taken"), &stdout, &stderr); status != 1 {
		t.Errorf("status %d with a table that exists", status)
	}
	if !strings.Contains(stderr.String(), "choose another name with -table") {
		t.Errorf("the error is %s", &stderr)
	}
	client := pegasus.NewClient(pegasus.Config{MetaServers: box.MetaServers()})
	defer client.Close()
	if _, err := client.OpenTable(t.Context(), "taken"); err != nil {
		t.Errorf("the table that existed is gone: %v", err)
	}
	if _, err := client.OpenTable(t.Context(), "quickstart"); !errors.Is(err, pegasus.ErrTableNotFound) {
		t.Errorf("the table was left behind: %v", err)
	}
}

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want int
	}{
		{[]string{"-help"}, 0},
		{[]string{"-no-such-flag"}, 2},
		{[]string{"argument"}, 2},
		{[]string{"-src", filepath.Join(t.TempDir(), "none")}, 1},
		{[]string{"-src", t.TempDir()}, 1},
		{[]string{"-src", writeTree(t), "-meta", "not an address"}, 1},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), tc.args, &stdout, &stderr); got != tc.want || stderr.Len() == 0 {
			t.Errorf("%q: status %d, want %d; stderr %q", tc.args, got, tc.want, &stderr)
		}
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if status := run(ctx, []string{"-src", writeTree(t)}, &stdout, &stderr); status != 1 {
		t.Errorf("status %d", status)
	}
}

// A difference between the table and the files is found, whatever it is.
func TestDifferencesAreFound(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(context.Context, pegasus.TableConnector) error
		check func(*tour, context.Context) error
	}{
		{"changed value", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a"), []byte("a.go"), []byte("package b"))
		}, (*tour).scanAll},
		{"changed part", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a/b"), []byte("huge.bin\x000003"), []byte("x"))
		}, (*tour).parts},
		{"missing entry", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Del(ctx, []byte("a"), []byte("empty"))
		}, (*tour).scanAll},
		{"missing entry", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Del(ctx, []byte("a"), []byte("empty"))
		}, (*tour).count},
		{"missing part", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Del(ctx, []byte("a/b"), []byte("huge.bin\x000002"))
		}, (*tour).parts},
		{"additional entry", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("b"), []byte("b.go"), []byte{})
		}, (*tour).scanAll},
		{"additional part", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a/b"), []byte("huge.bin\x000005"), []byte{})
		}, (*tour).scanAll},
		{"changed value", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a"), []byte("a.go"), []byte("package b"))
		}, (*tour).single},
		{"changed value", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a"), []byte("a_test.go"), []byte("package b"))
		}, (*tour).filter},
		{"missing entry", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Del(ctx, []byte("a"), []byte("c.go"))
		}, (*tour).pages},
		{"additional entry", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, []byte("a"), []byte("aa.go"), []byte{})
		}, (*tour).scanRange},
		{"counter", func(ctx context.Context, tb pegasus.TableConnector) error {
			_, err := tb.Incr(ctx, counterKey, []byte(".go"), 1)
			return err
		}, (*tour).counters},
		{"lock taken", func(ctx context.Context, tb pegasus.TableConnector) error {
			return tb.Set(ctx, lockKey, []byte("release"), []byte("me"))
		}, (*tour).lock},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := t.Context()
			tr := newTour(t)
			if err := tr.load(ctx); err != nil {
				t.Fatal(err)
			}
			if err := tc.spoil(ctx, tr.table); err != nil {
				t.Fatal(err)
			}
			if err := tc.check(tr, ctx); !errors.Is(err, errDiffers) {
				t.Errorf("got %v, want errDiffers", err)
			}
		})
	}
}

func newTour(t *testing.T) *tour {
	t.Helper()
	ctx := t.Context()
	src, err := readSource(ctx, writeTree(t))
	if err != nil {
		t.Fatal(err)
	}
	out := newPrinter(new(bytes.Buffer))
	c, err := connect(ctx, options{}, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	table, err := c.createTable(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	return &tour{table: table, src: src, out: out}
}

// The program says that it shows every method.
func TestEveryMethodIsShown(t *testing.T) {
	used := make(map[string]bool)
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
					used[sel.Sel.Name] = true
				}
			}
			return true
		})
	}
	for _, i := range []reflect.Type{
		reflect.TypeFor[pegasus.Client](), reflect.TypeFor[pegasus.TableConnector](), reflect.TypeFor[pegasus.Scanner](),
	} {
		for k := range i.NumMethod() {
			if name := i.Method(k).Name; !used[name] {
				t.Errorf("%v.%s is not used", i, name)
			}
		}
	}
}
