package onebox_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// A request names its table, in the header of a replica server's or in the body
// of a meta server's.
func TestRequestTable(t *testing.T) {
	s := start(t, onebox.Options{Tables: []onebox.Table{{Name: "one", Partitions: 1}, {Name: "two", Partitions: 1}}})
	var mu sync.Mutex
	saw := make(map[onebox.Request]bool)
	s.Intercept(func(r onebox.Request) onebox.Action {
		mu.Lock()
		defer mu.Unlock()
		r.AppID = 0
		saw[r] = true
		return onebox.Action{}
	})
	ctx := t.Context()
	client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers()})
	defer client.Close()
	operator, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	set := func(name string) {
		t.Helper()
		table, err := client.OpenTable(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Set(ctx, []byte("k"), []byte("s"), []byte("v")); err != nil {
			t.Error(err)
		}
	}
	set("two")
	if err := operator.RenameTable(ctx, "one", "uno"); err != nil {
		t.Error(err)
	}
	set("uno")
	if _, err := operator.Nodes(ctx); err != nil {
		t.Error(err)
	}
	if _, err := client.OpenTable(ctx, "none"); !errors.Is(err, pegasus.ErrTableNotFound) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []onebox.Request{
		{Meta: true, Task: onebox.TaskQueryConfig, Table: "two"},
		{Task: onebox.TaskPut, Table: "two"},
		{Meta: true, Task: onebox.TaskRenameTable, Table: "one"},
		{Task: onebox.TaskPut, Table: "uno"},
		{Meta: true, Task: onebox.TaskListNodes},
		{Meta: true, Task: onebox.TaskQueryConfig, Table: "none"},
	} {
		if !saw[want] {
			t.Errorf("no request %+v among %+v", want, saw)
		}
	}
}

// An Action with an Error that can be none ends the program, which is another
// process here, and says why.
func TestActionErrorIsACode(t *testing.T) {
	const variable = "ACTION_ERROR"
	if name, ok := os.LookupEnv(variable); ok {
		s := start(t, onebox.Options{Tables: []onebox.Table{{Name: "temp", Partitions: 1}}})
		s.Intercept(func(onebox.Request) onebox.Action { return onebox.Action{Error: name} })
		client := pegasus.NewClient(pegasus.Config{MetaServers: s.MetaServers()})
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := client.OpenTable(ctx, "temp")
		t.Log(err)
		return
	}
	for name, good := range map[string]bool{
		"ERR_BUSY": true, "ERR_OF_MY_OWN_2": true,
		"busy": false, "ERR_": false, "BUSY": false, "ERR_busy": false, "ERR_A B": false, "ERR_BUSY\n": false, "no ERR_BUSY": false,
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestActionErrorIsACode$")
		cmd.Env = append(os.Environ(), variable+"="+name)
		out, err := cmd.CombinedOutput()
		says := strings.Contains(string(out), "is not the name of an error")
		if good != (err == nil) || good == says {
			t.Errorf("%q: %v\n%s", name, err, out)
		}
	}
}
