package server

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func startSplit(c *client, table string, count int32) wire.ErrorCode {
	c.t.Helper()
	return ask[wire.StartPartitionSplitRequest, wire.HintResponse](c, wire.TaskStartPartitionSplit,
		wire.StartPartitionSplitRequest{AppName: table, NewPartitionCount: count}).Err
}

func querySplit(c *client) wire.QueryPartitionSplitResponse {
	c.t.Helper()
	return ask[wire.AppNameRequest, wire.QueryPartitionSplitResponse](c, wire.TaskQueryPartitionSplit, wire.AppNameRequest{AppName: testTable})
}

func controlSplit(c *client, control wire.SplitControlType, old *int32) wire.ErrorCode {
	c.t.Helper()
	return controlParent(c, control, -1, old)
}

func controlParent(c *client, control wire.SplitControlType, parent int32, old *int32) wire.ErrorCode {
	c.t.Helper()
	return ask[wire.ControlPartitionSplitRequest, wire.OptionalHintResponse](c, wire.TaskControlPartitionSplit,
		wire.ControlPartitionSplitRequest{AppName: testTable, ControlType: control, ParentIndex: parent, OldPartitionCount: old}).Err
}

// awaitSplit returns when the table is not splitting any more.
func awaitSplit(c *client) {
	c.t.Helper()
	for querySplit(c).Err == wire.ErrOK {
	}
}

func TestSplit(t *testing.T) {
	s := start(t, Options{})
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	const n = 200
	for i := range n {
		c.mustPut(fmt.Sprint("k", i), fmt.Sprint(i))
	}
	before := queryTable(m, testTable).Partitions
	scanned := c.openScan(at(0))

	for name, code := range map[string]wire.ErrorCode{
		"no table":    startSplit(m, "none", 8),
		"wrong count": startSplit(m, testTable, 6),
		"not at all":  startSplit(m, testTable, 4),
		"query":       querySplit(m).Err,
		"pause":       controlSplit(m, wire.SplitPause, nil),
	} {
		if code == wire.ErrOK {
			t.Errorf("%s: no error", name)
		}
	}

	// First phase: the children are there and do not serve.
	s.HoldSplits(true)
	if code := startSplit(m, testTable, 8); code != wire.ErrOK {
		t.Fatal(code)
	}
	if code := startSplit(m, testTable, 8); code != wire.ErrInvalidParameters {
		t.Errorf("the same start again: %v", code)
	}
	if code := startSplit(m, testTable, 16); code != wire.ErrBusy {
		t.Errorf("second start: %v", code)
	}
	if err := s.StartSplit(testTable); !errors.Is(err, wire.ErrBusy) {
		t.Errorf("second start: %v", err)
	}
	if code := dropTable(m, testTable, 0); code != wire.ErrSplitting {
		t.Errorf("drop: %v", code)
	}
	if q := querySplit(m); q.Err != wire.ErrOK || q.NewPartitionCount != 8 || len(q.Status) != 4 || q.Status[0] != wire.Splitting {
		t.Errorf("query: %+v", q)
	}
	cfg := queryTable(m, testTable)
	if cfg.PartitionCount != 8 || len(cfg.Partitions) != 8 {
		t.Fatalf("during the split: %+v", cfg)
	}
	for i, p := range cfg.Partitions {
		if child := i >= 4; child != (p.Ballot < 0) || child == p.Primary.Valid() {
			t.Errorf("partition %d during the split: %+v", i, p)
		}
	}
	c.mustPut("k0", "0") // by the old count
	if _, code := c.getAt(homeOf("k1", 8), "k1"); homeOf("k1", 8).PartitionIndex >= 4 && code != wire.ErrObjectNotFound {
		t.Errorf("get from a child: %v", code)
	}
	for _, step := range []struct {
		control wire.SplitControlType
		parent  int32
		want    wire.ErrorCode
		paused  int
	}{
		{wire.SplitRestart, -1, wire.ErrOK, 0}, // nothing is paused
		{wire.SplitRestart, 2, wire.ErrInvalidState, 0},
		{wire.SplitPause, 4, wire.ErrInvalidParameters, 0},
		{wire.SplitPause, 2, wire.ErrOK, 1},
		{wire.SplitPause, 2, wire.ErrInvalidState, 1},
		{wire.SplitPause, -1, wire.ErrOK, 4},
		{wire.SplitPause, -1, wire.ErrOK, 4},
		{wire.SplitRestart, 1, wire.ErrOK, 3},
	} {
		code := controlParent(m, step.control, step.parent, nil)
		paused := 0
		for _, status := range querySplit(m).Status {
			if status == wire.Paused {
				paused++
			}
		}
		if code != step.want || paused != step.paused {
			t.Errorf("%+v: %v, %d paused", step, code, paused)
		}
	}
	s.HoldSplits(false)
	if q := querySplit(m); q.Err != wire.ErrOK {
		t.Errorf("a paused split went on: %+v", q)
	}
	four, three := int32(4), int32(3)
	if code := controlSplit(m, wire.SplitCancel, &three); code != wire.ErrInvalidParameters {
		t.Errorf("cancel with a wrong count: %v", code)
	}
	if code := controlParent(m, wire.SplitCancel, 99, &four); code != wire.ErrOK || queryTable(m, testTable).PartitionCount != 4 {
		t.Errorf("cancel: %v, %+v", code, queryTable(m, testTable))
	}
	c.wantValue("k7", "7")

	// The whole way.
	s.HoldSplits(true)
	if code := startSplit(m, testTable, 8); code != wire.ErrOK {
		t.Fatal(code)
	}
	controlSplit(m, wire.SplitPause, nil)
	s.HoldSplits(false)
	if code := controlSplit(m, wire.SplitRestart, nil); code != wire.ErrOK {
		t.Errorf("restart: %v", code)
	}
	awaitSplit(m)
	cfg = queryTable(m, testTable)
	if cfg.PartitionCount != 8 || len(cfg.Partitions) != 8 {
		t.Fatalf("after the split: %+v", cfg)
	}
	for i, p := range cfg.Partitions {
		if p.Ballot <= before[i%4].Ballot || !p.Primary.Valid() {
			t.Errorf("partition %d after the split: %+v", i, p)
		}
	}
	for i := range n {
		k := fmt.Sprint("k", i)
		h := homeOf(k, 8)
		if resp, code := c.getAt(h, k); code != wire.ErrOK || string(resp.Value) != fmt.Sprint(i) {
			t.Fatalf("%s after the split: %v, %q", k, code, resp.Value)
		}
		// By the old count it is served only where both agree.
		want := wire.ErrOK
		if h.PartitionIndex >= 4 {
			want = wire.ErrParentMisused
		}
		if _, code := c.get(k); code != want {
			t.Fatalf("%s by the old count: %v, want %v", k, code, want)
		}
	}
	if resp := c.scan(at(0), scanned); resp.Error != wire.StatusNotFound {
		t.Errorf("a scan of the old layout goes on: status %d", resp.Error)
	}
	total := 0
	for i := range int32(8) {
		h := wire.RequestHeader{GPID: wire.GPID{AppID: 1, PartitionIndex: i}, PartitionHash: uint64(i)}
		for _, kv := range c.getScanner(h, 1000).KVs {
			if total++; schema.KeyHash(kv.Key)%8 != uint64(i) {
				t.Errorf("partition %d has %q", i, kv.Key)
			}
		}
	}
	if total != n {
		t.Errorf("%d records in all partitions, want %d", total, n)
	}
}

// Under load every request has an answer that is true, and no write that was
// acknowledged is lost.
func TestSplitUnderLoad(t *testing.T) {
	s := start(t, Options{})
	m := dial(t, s.Metas()[0])
	stop := make(chan struct{})
	var wg sync.WaitGroup
	writers := make([]splitWriter, 4)
	for i := range writers {
		w := &writers[i]
		*w = splitWriter{c: dial(t, s.Replicas()[0]), name: fmt.Sprint("w", i), wrote: make(chan struct{})}
		wg.Go(func() { w.write(stop) })
	}
	// Splits of a small table are faster than a writer that waits for a CPU: so
	// each of them finds every writer at work.
	atWork := func() {
		for i := range writers {
			for range 10 {
				<-writers[i].wrote
			}
		}
	}
	atWork()
	for count := int32(8); count <= 32; count *= 2 {
		if code := startSplit(m, testTable, count); code != wire.ErrOK {
			t.Error(code)
		}
		awaitSplit(m)
		atWork()
	}
	close(stop)
	list := ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{Status: wire.AppAvailable})
	if info := list.Infos[0]; info.PartitionCount != 32 || info.InitPartitionCount != testPartitions {
		t.Errorf("after three splits: %+v", info)
	}
	wg.Wait()
	c := dial(t, s.Replicas()[0])
	for i := range writers {
		for _, k := range writers[i].acknowledged {
			if resp, code := c.getAt(homeOf(k, 32), k); code != wire.ErrOK || string(resp.Value) != k {
				t.Fatalf("%s of %d: %v, status %d", k, len(writers[i].acknowledged), code, resp.Error)
			}
		}
	}
}

// splitWriter writes to a table that is being split.
type splitWriter struct {
	c            *client
	name         string
	acknowledged []string
	wrote        chan struct{} // takes one for a write, if somebody waits; closed at the end
}

func (w *splitWriter) write(stop <-chan struct{}) {
	defer close(w.wrote)
	count := testPartitions
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		k := fmt.Sprint(w.name, "-", i)
		switch _, code := w.c.putAt(homeOf(k, count), k, k, 0); code {
		case wire.ErrOK:
			w.acknowledged = append(w.acknowledged, k)
			select {
			case w.wrote <- struct{}{}:
			default:
			}
		case wire.ErrSplitting:
		case wire.ErrParentMisused:
			count *= 2
		default:
			w.c.t.Errorf("put: %v", code)
			return
		}
	}
}

// Moving primaries waits for records that are moving.
func TestMovePrimaryDuringSplit(t *testing.T) {
	s := start(t, Options{ReplicaAddrs: replicas(2)})
	app := s.catalog.Named(testTable)
	p := app.View().Partition(0)
	p.Enter() // a request that the split has to wait for
	if err := s.StartSplit(testTable); err != nil {
		t.Fatal(err)
	}
	for !app.Moving() {
		runtime.Gosched()
	}
	err := s.catalog.Move(app.ID, map[int32]int{3: 0}, false)
	if code, _ := catalog.Outcome(err); code != wire.ErrSplitting {
		t.Errorf("move while records are moving: %v", err)
	}
	failed := make(chan error)
	go func() { failed <- s.Failover(1) }()
	go func() { failed <- s.MovePrimary(testTable, 3, 0) }()
	if !app.Moving() {
		t.Error("the records moved beside a request")
	}
	p.Leave()
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	for i, p := range queryTable(dial(t, s.Metas()[0]), testTable).Partitions {
		if p.Primary != s.Replicas()[0].Address() {
			t.Errorf("the primary of partition %d is %v", i, p.Primary)
		}
	}
}

// A request that a split waits for does not make others wait, to that table or
// another one.
func TestRequestsDuringSplit(t *testing.T) {
	s := start(t, Options{})
	ensure(t, s, "other", testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	p := s.catalog.Named(testTable).View().Partition(0)
	p.Enter()
	if err := s.StartSplit(testTable); err != nil {
		t.Fatal(err)
	}
	for p.Enter() { // until the split waits
		p.Leave()
		runtime.Gosched()
	}
	for i := range testPartitions {
		if _, code := c.getAt(at(i), "k"); code != wire.ErrSplitting {
			t.Errorf("partition %d of the table: %v", i, code)
		}
	}
	other := home("k")
	other.GPID.AppID = 2
	if _, code := c.getAt(other, "k"); code != wire.ErrOK {
		t.Errorf("another table: %v", code)
	}
	old := int32(testPartitions)
	for want, code := range map[wire.ErrorCode]wire.ErrorCode{
		wire.ErrOK:              controlSplit(m, wire.SplitPause, nil), // those that are splitting: none
		wire.ErrChildRegistered: controlSplit(m, wire.SplitCancel, &old),
		wire.ErrInvalidState:    controlParent(m, wire.SplitRestart, 0, nil),
	} {
		if code != want {
			t.Errorf("control: %v, want %v", code, want)
		}
	}
	if code := controlParent(m, wire.SplitPause, 0, nil); code != wire.ErrChildRegistered {
		t.Errorf("pause of one partition: %v", code)
	}
	p.Leave()
	awaitSplit(m)
	if _, code := c.getAt(homeOf("k", 2*testPartitions), "k"); code != wire.ErrOK {
		t.Errorf("after the split: %v", code)
	}
}

// A read that takes long ends when a split waits for it, so that all others do not
// wait for that, and when the table is dropped.
func TestLongReadsEnd(t *testing.T) {
	for name, read := range map[string]func(c *client) wire.ErrorCode{
		"sortkey_count": func(c *client) wire.ErrorCode {
			var resp wire.CountResponse
			return do(c, home("k"), wire.TaskSortKeyCount, wire.Blob("k"), resp.Read)
		},
		"multi_get": func(c *client) wire.ErrorCode {
			var resp wire.MultiGetResponse
			filter := wire.MultiGetRequest{HashKey: []byte("k"), FilterType: 1, FilterPattern: []byte("x")}
			return do(c, home("k"), wire.TaskMultiGet, filter, resp.Read)
		},
		"get_scanner": func(c *client) wire.ErrorCode {
			var resp wire.ScanResponse
			all := wire.GetScannerRequest{StartKey: key("k", ""), StopKey: key("l", ""), StartInclusive: true}
			return do(c, home("k"), wire.TaskGetScanner, all, resp.Read)
		},
	} {
		t.Run(name+", split", func(t *testing.T) {
			testLongRead(t, read, wire.ErrSplitting, func(s *Server) error {
				err := s.StartSplit(testTable)
				for err == nil && !s.catalog.Named(testTable).Moving() {
					runtime.Gosched()
				}
				return err
			})
		})
		t.Run(name+", drop", func(t *testing.T) {
			testLongRead(t, read, wire.ErrObjectNotFound, func(s *Server) error { return s.catalog.Drop(testTable, 0) })
		})
	}
}

// testLongRead calls end in the middle of a read, whose outcome has to be want.
func testLongRead(t *testing.T, read func(*client) wire.ErrorCode, want wire.ErrorCode, end func(*Server) error) {
	// The store looks at the clock from time to time while it reads.
	var looks atomic.Int32
	looks.Store(-1 << 30)
	reading, release := make(chan struct{}), make(chan struct{})
	db := openStore(t, storage.Options{SweepInterval: -1, Clock: func() time.Time {
		if looks.Add(1) == 2 {
			close(reading)
			<-release
		}
		return time.Now()
	}})
	s := startOn(t, db, Options{})
	ensure(t, s, testTable, testPartitions)
	c := dial(t, s.Replicas()[0])
	kvs := make([]wire.KeyValue, 1000)
	for i := range kvs {
		kvs[i].Key = fmt.Appendf(nil, "%05d", i)
	}
	var put wire.UpdateResponse
	if code := do(c, home("k"), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("k"), KVs: kvs}, put.Read); code != wire.ErrOK {
		t.Fatal(code)
	}
	looks.Store(0)
	answer := make(chan wire.ErrorCode, 1)
	go func() {
		defer close(answer) // if there is none
		answer <- read(c)
	}()
	select {
	case <-reading:
	case code := <-answer:
		t.Fatalf("answered at once: %v", code)
	}
	table := s.catalog.Named(testTable)
	err := end(s)
	close(release)
	if err != nil {
		t.Error(err)
	}
	if code := <-answer; code != want {
		t.Errorf("a read that was under way: %v, want %v", code, want)
	}
	counted := make(map[string]int64)
	table.Stats().Errors.AddTo(counted)
	if len(counted) != 1 || counted[string(want)] != 1 {
		t.Errorf("one answer was an error, counted are %v", counted)
	}
	if n := s.scans.Count(); n != 0 {
		t.Errorf("%d scans are open", n)
	}
}

// A split writes the table's record when the records have moved, with the name
// that the table had before: it must not change meanwhile.
func TestRenameDuringSplit(t *testing.T) {
	s := start(t, Options{})
	m := dial(t, s.Metas()[0])
	rename := func() wire.ErrorCode {
		r := wire.RenameAppRequest{OldAppName: testTable, NewAppName: "new"}
		return ask[wire.RenameAppRequest, wire.HintResponse](m, wire.TaskRenameApp, r).Err
	}
	app := s.catalog.Named(testTable)
	p := app.View().Partition(0)
	p.Enter() // a request that the split has to wait for
	if err := s.StartSplit(testTable); err != nil {
		t.Fatal(err)
	}
	for !app.Moving() {
		runtime.Gosched()
	}
	if code := rename(); code != wire.ErrSplitting {
		t.Errorf("while records are moving: %v", code)
	}
	p.Leave()
	awaitSplit(m)
	if code := rename(); code != wire.ErrOK {
		t.Errorf("after the split: %v", code)
	}
	if got := app.View().Info.AppName; got != "new" {
		t.Errorf("the table is called %q", got)
	}
}

// A split can be paused, gone on with and cancelled while its records are copied, and the table can be
// changed.
func TestControlWhileCopying(t *testing.T) {
	db := openStore(t, storage.Options{})
	s := startOn(t, db, Options{})
	ensure(t, s, testTable, testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	app := s.catalog.Named(testTable)
	const n = 50
	for i := range n {
		c.mustPut(fmt.Sprint("k", i), fmt.Sprint(i))
	}
	for name, control := range map[string]func(){
		"pause": func() { controlSplit(m, wire.SplitPause, nil) },
		"cancel": func() {
			count := int32(app.View().Count())
			controlSplit(m, wire.SplitCancel, &count)
		},
	} {
		count := int32(app.View().Count())
		_, err := db.CompactApp(t.Context(), app.ID, func() (storage.Compaction, error) {
			// The split waits for its turn to copy.
			if code := startSplit(m, testTable, 2*count); code != wire.ErrOK {
				t.Errorf("%s: start: %v", name, code)
			}
			mustSetEnv(m, "business.info", name)
			control()
			return storage.Compaction{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if q := querySplit(m); (q.Err == wire.ErrOK) != (name == "pause") {
			t.Errorf("%s: %+v", name, q)
		}
		if name == "pause" {
			controlSplit(m, wire.SplitRestart, nil)
		} else if code := startSplit(m, testTable, 2*count); code != wire.ErrOK {
			t.Errorf("%s: start again: %v", name, code)
		}
		awaitSplit(m)
		if got := int32(app.View().Count()); got != 2*count || app.View().Info.Envs["business.info"] != name {
			t.Errorf("%s: %d partitions, envs %v", name, got, app.View().Info.Envs)
		}
		for i := range n {
			k := fmt.Sprint("k", i)
			if resp, code := c.getAt(homeOf(k, int(2*count)), k); code != wire.ErrOK || string(resp.Value) != fmt.Sprint(i) {
				t.Fatalf("%s: %s is %v, %q", name, k, code, resp.Value)
			}
		}
	}
}

// The child of a partition that has no primary while it is split has one all the
// same: nobody would give it one afterwards.
func TestSplitWithoutPrimary(t *testing.T) {
	s := start(t, Options{})
	m := dial(t, s.Metas()[0])
	s.HoldSplits(true)
	if code := startSplit(m, testTable, 2*testPartitions); code != wire.ErrOK {
		t.Fatal(code)
	}
	if err := s.MovePrimary(testTable, 1, catalog.None); err != nil {
		t.Fatal(err)
	}
	s.HoldSplits(false)
	awaitSplit(m)
	for i, p := range queryTable(m, testTable).Partitions {
		if has := p.Primary.Valid(); has != (i != 1) {
			t.Errorf("partition %d has a primary: %v", i, has)
		}
	}
}
