package server

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// When the disk fails writes are refused, every one of a round, and so are
// changes of tables. Reads go on. What was acknowledged is there afterwards.
func TestDiskFailure(t *testing.T) {
	disk := vfs.NewMem()
	var broken atomic.Bool
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("injected disk error")
		}
		return nil
	}))
	db, err := storage.Open(storage.Options{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, db, Options{})
	ensure(t, s, testTable, testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	c.mustPut("k", "v")
	broken.Store(true)

	const n = 100
	var out []byte
	for i := range int32(n) {
		hashKey := fmt.Sprint("k", i)
		out = wire.AppendRequest(out, home(hashKey), wire.TaskPut, i, wire.UpdateRequest{Key: key(hashKey, ""), Value: []byte("v")})
	}
	c.write(out)
	for range n {
		var resp wire.UpdateResponse
		a := c.mustNext()
		if a.decode(t, resp.Read); a.err != wire.ErrOK || resp.Error != wire.StatusIOError {
			t.Fatalf("put %d on a broken disk: %v, status %d", a.seq, a.err, resp.Error)
		}
	}
	c.wantValue("k", "v")
	if resp := createTable(m, "u", nil); resp.Err != wire.ErrReplicationFailure {
		t.Errorf("create on a broken disk: %+v", resp)
	}
	if resp := setEnv(m, "default_ttl", "5"); resp.Err != wire.ErrReplicationFailure {
		t.Errorf("change of an environment on a broken disk: %+v", resp)
	}
	if code := dropTable(m, testTable, 0); code != wire.ErrReplicationFailure {
		t.Errorf("drop on a broken disk: %v", code)
	}
	if list := listTables(m, wire.AppInvalid); len(list) != 1 {
		t.Errorf("tables %q", list)
	}
	c.wantValue("k", "v")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); !errors.Is(err, storage.ErrFailed) {
		t.Errorf("closing the store: %v", err)
	}

	broken.Store(false)
	s = startOn(t, openStore(t, storage.Options{Dir: "data", FS: fs}), Options{})
	c, m = dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	c.wantValue("k", "v")
	if resp := createTable(m, "u", nil); resp.Err != wire.ErrOK {
		t.Errorf("create after the repair: %+v", resp)
	}
}

// record returns the meta data of a table, which has no partitions, as it is
// stored.
func record(info wire.AppInfo) []byte {
	return wire.Of(&struct {
		Info wire.AppInfo `thrift:"1"`
	}{info}).AppendValue(nil)
}

// Tables whose meta data is damaged are not passed over.
func TestDamagedMetaData(t *testing.T) {
	for name, set := range map[string][]byte{
		"table/1":       []byte("garbage"),
		"table/2":       record(wire.AppInfo{AppID: 3}),
		"table/4":       record(wire.AppInfo{AppID: 4, PartitionCount: 2}),
		"last_table_id": []byte("x"),
	} {
		db := openStore(t, storage.Options{})
		if err := db.UpdateMeta(map[string][]byte{name: set}, nil); err != nil {
			t.Fatal(err)
		}
		if s, err := New(db, Options{MetaAddrs: replicas(1), ReplicaAddrs: replicas(1)}); err == nil {
			s.Close()
			t.Errorf("started with %s = %q", name, set)
		}
	}
}

// A table that cannot be opened is not there, now and after a restart.
func TestCreateFails(t *testing.T) {
	db := openStore(t, storage.Options{})
	// The store refuses the next one.
	if err := db.UpdateMeta(map[string][]byte{"last_table_id": strconv.AppendInt(nil, math.MaxInt32, 10)}, nil); err != nil {
		t.Fatal(err)
	}
	s := startOn(t, db, Options{Logger: panicLogger()})
	m := dial(t, s.Metas()[0])
	if resp := createTable(m, testTable, nil); resp.Err == wire.ErrOK {
		t.Errorf("created %+v", resp)
	}
	for range 2 {
		ask[wire.DiagnoseRequest, wire.DiagnoseResponse](m, wire.TaskDDDDiagnose, wire.DiagnoseRequest{PID: wire.GPID{AppID: -1, PartitionIndex: -1}})
		if list := listTables(m, wire.AppInvalid); len(list) != 0 {
			t.Errorf("tables %q", list)
		}
		s.Close()
		s = startOn(t, db, Options{})
		m = dial(t, s.Metas()[0])
	}
}

// Of two tables with one name clients could reach only one.
func TestTwoTablesWithOneName(t *testing.T) {
	db := openStore(t, storage.Options{})
	set := make(map[string][]byte)
	for id := range int32(3) {
		info := wire.AppInfo{AppID: id + 1, AppName: "t", Status: wire.AppAvailable}
		if id == 0 {
			info.Status = wire.AppDropped
		}
		set[fmt.Sprint("table/", id+1)] = record(info)
	}
	if err := db.UpdateMeta(set, nil); err != nil {
		t.Fatal(err)
	}
	s, err := New(db, Options{MetaAddrs: replicas(1), ReplicaAddrs: replicas(1)})
	if err == nil {
		s.Close()
		t.Fatal("started")
	}
	if !strings.Contains(err.Error(), "table/2") || !strings.Contains(err.Error(), "table/3") {
		t.Errorf("%v: does not name the tables", err)
	}
}

// New closes what it has opened when it fails.
func TestNewFails(t *testing.T) {
	db := openStore(t, storage.Options{})
	s := startOn(t, db, Options{})
	if _, err := New(db, Options{MetaAddrs: []string{s.Metas()[0].Addr()}, ReplicaAddrs: replicas(2)}); err == nil {
		t.Error("started on a port that was taken")
	}
	for _, opts := range []Options{
		{ReplicaAddrs: replicas(1)},
		{MetaAddrs: replicas(1), ReplicaAddrs: replicas(MaxNodes + 1)},
		{MetaAddrs: replicas(1), ReplicaAddrs: replicas(1), Limits: limits.Limits{RequestSize: -1}},
		{MetaAddrs: replicas(1), ReplicaAddrs: replicas(1), Limits: limits.Limits{BufferedBytes: -1}},
		{MetaAddrs: replicas(1), ReplicaAddrs: replicas(1), Limits: limits.Limits{AnswerTime: -1}},
		{MetaAddrs: replicas(1), ReplicaAddrs: []string{"[::1]:0"}},
	} {
		if s, err := New(db, opts); err == nil {
			s.Close()
			t.Errorf("started with %+v", opts)
		}
	}
}
