package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/console"
	"github.com/pegasus-go/pegasus/onebox"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stage(t *testing.T) *Stage {
	t.Helper()
	clock := new(Clock)
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: 4}}, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() })
	s, err := New(box, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// call makes a call as the page does.
func call(t *testing.T, s *Stage, name string, arg any) (map[string]any, error) {
	t.Helper()
	b, err := json.Marshal(arg)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Calls()[name](t.Context(), b)
	if err != nil {
		return nil, err
	}
	if b, err = json.Marshal(out); err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v, nil
}

func must(t *testing.T, s *Stage, name string, arg any) map[string]any {
	t.Helper()
	v, err := call(t, s, name, arg)
	if err != nil {
		t.Fatalf("%s %+v: %v", name, arg, err)
	}
	return v
}

// eventually waits until something that goes on by itself has come about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("not " + what)
		}
	}
}

func faultsOf(t *testing.T, s *Stage) int {
	t.Helper()
	return int(must(t, s, "rehearse", struct{}{})["faults"].(float64))
}

// Every step can be made, is felt by callers, and is healed.
func TestSteps(t *testing.T) {
	s := stage(t)
	table, err := s.client.Open(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	set := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var all error
		for i := range 12 {
			all = errors.Join(all, table.Set(ctx, []byte{byte(i)}, []byte("s"), []byte("v")))
		}
		return all
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		steps []Step
		fails bool
	}{
		{[]Step{{Do: "hang", Node: 0}, {Do: "hang", Node: 1}, {Do: "hang", Node: 2}}, true},
		{[]Step{{Do: "fill", Node: 0}, {Do: "fill", Node: 1}, {Do: "fill", Node: 2}}, true},
		{[]Step{{Do: "slow", Node: 0, Ms: 1000}, {Do: "slow", Node: 1, Ms: 1000}, {Do: "slow", Node: 2, Ms: 1000}}, true},
		{[]Step{{Do: "cut", Node: 0, From: "clients"}, {Do: "cut", Node: 1, From: "clients"}, {Do: "cut", Node: 2, From: "clients", Silent: true}}, true},
		{[]Step{{Do: "cut", Node: 0, From: "all", Silent: true}, {Do: "cut", Node: 1, From: "all"}, {Do: "cut", Node: 2, From: "all"}}, true},
		{[]Step{{Do: "cut", Node: 0, From: "all"}, {Do: "kill", Node: 0}}, true},
		{[]Step{{Do: "unserve", Table: "temp", Partition: 1}}, true},
		{[]Step{{Do: "errors", Percent: 100, Code: "ERR_BUSY"}}, true},
		{[]Step{{Do: "errors", Percent: 100, Code: "ERR_BUSY", Table: LoadTable}}, false},
		{[]Step{{Do: "throttle", Table: "temp", Rate: 1}}, true},
		{[]Step{{Do: "kill", Node: 0}, {Do: "kill", Node: 1}, {Do: "kill", Node: 2}}, true},
	} {
		for _, st := range tc.steps {
			must(t, s, "rehearse-do", st)
		}
		if err := set(); (err != nil) != tc.fails {
			t.Errorf("%+v: %v", tc.steps, err)
		}
		if n := faultsOf(t, s); n != len(tc.steps) {
			t.Errorf("%+v: %d faults", tc.steps, n)
		}
		must(t, s, "rehearse-do", Step{Do: "heal"})
		eventually(t, "healed", func() bool { return set() == nil })
		if n := faultsOf(t, s); n != 0 {
			t.Errorf("%+v: %d faults after everything was healed", tc.steps, n)
		}
	}

	// These have nothing to heal.
	must(t, s, "rehearse-do", Step{Do: "move", Table: "temp", Partition: 1, Node: 2})
	partitions, err := s.admin.Partitions(t.Context(), "temp")
	if err != nil || partitions[1].Primary != s.box.Replica(2).Addr() {
		t.Errorf("%+v, %v", partitions, err)
	}
	must(t, s, "rehearse-do", Step{Do: "unserve", Table: "temp", Partition: 1})
	if partitions, err = s.admin.Partitions(t.Context(), "temp"); err != nil || partitions[1].Primary != "" {
		t.Errorf("%+v, %v", partitions, err)
	}
	must(t, s, "rehearse-do", Step{Do: "move", Table: "temp", Partition: 1, Node: 0})
	if err := table.SetTTL(t.Context(), []byte("k"), []byte("s"), []byte("v"), time.Minute); err != nil {
		t.Fatal(err)
	}
	must(t, s, "rehearse-do", Step{Do: "advance", Seconds: 61})
	if v, err := table.Get(t.Context(), []byte("k"), []byte("s")); err != nil || v != nil {
		t.Errorf("after its time the row has %q, %v", v, err)
	}
	must(t, s, "rehearse-do", Step{Do: "split", Table: "temp"})
	eventually(t, "split", func() bool {
		t2, err := s.admin.Table(t.Context(), "temp")
		return err == nil && t2.Partitions == 8
	})
}

// A node that the meta servers do not reach any more is noticed after a while, unless it is back
// by then, whatever else happens to it meanwhile.
func TestNotice(t *testing.T) {
	s := stage(t)
	noticed := func() (texts []string) {
		for _, e := range must(t, s, "rehearse", struct{}{})["log"].([]any) {
			if text := e.(map[string]any)["text"].(string); strings.Contains(text, "has noticed") {
				texts = append(texts, text)
			}
		}
		return texts
	}
	serves := func(node int) bool {
		t.Helper()
		partitions, err := s.admin.Partitions(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range partitions {
			if p.Primary == s.box.Replica(node).Addr() {
				return true
			}
		}
		return false
	}
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 0})
	must(t, s, "rehearse-do", Step{Do: "revive", Node: 0})
	must(t, s, "rehearse-do", Step{Do: "cut", Node: 0, From: "clients"})
	must(t, s, "rehearse-do", Step{Do: "mend", Node: 0})
	must(t, s, "rehearse-do", Step{Do: "cut", Node: 2, From: "clients"})
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 1})
	must(t, s, "rehearse-do", Step{Do: "fill", Node: 1})
	eventually(t, "noticed", func() bool { return len(noticed()) == 1 })
	if serves(1) || !serves(0) || !serves(2) {
		t.Errorf("node 0 serves %v, 1, which is dead, %v, 2, which its clients do not reach, %v", serves(0), serves(1), serves(2))
	}
	must(t, s, "rehearse-do", Step{Do: "heal"})
	must(t, s, "rehearse-do", Step{Do: "cut", Node: 0, From: "all", Silent: true})
	eventually(t, "noticed", func() bool { return len(noticed()) == 2 })
	if texts := noticed(); serves(0) || !strings.Contains(texts[1], "does not reach "+s.box.Replica(0).Addr()) {
		t.Errorf("node 0 serves %v; %q", serves(0), texts)
	}
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 0})
	if _, err := call(t, s, "rehearse-do", Step{Do: "revive", Node: 0}); err == nil {
		t.Error("a node was revived that the meta servers do not reach")
	}
}

// A saved test adopts a node where the rehearsal did: one that is dead when its links are mended
// is adopted when it is revived.
func TestMendOfTheDead(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "cut", Node: 0, From: "all"})
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 0})
	must(t, s, "rehearse-do", Step{Do: "mend", Node: 0, From: "all"})
	code := kinds["mend"].code(&s.scenario[len(s.scenario)-1].Step)
	if text := strings.Join(code, "\n"); !strings.Contains(text, "Mend()") || strings.Contains(text, "Adopt") {
		t.Errorf("the saved test has %s", text)
	}
}

// Throttling that was there before is there again after it was replaced.
func TestThrottleComesBack(t *testing.T) {
	s := stage(t)
	const before = "1000*delay*100"
	if err := s.admin.SetEnvs(t.Context(), "temp", map[string]string{throttleEnv: before}); err != nil {
		t.Fatal(err)
	}
	must(t, s, "rehearse-do", Step{Do: "throttle", Table: "temp", Rate: 1})
	must(t, s, "rehearse-do", Step{Do: "throttle", Table: "temp", Rate: 2})
	must(t, s, "rehearse-do", Step{Do: "heal"})
	if tab, err := s.admin.Table(t.Context(), "temp"); err != nil || tab.Envs[throttleEnv] != before {
		t.Errorf("the environment is %v, %v", tab.Envs, err)
	}
}

// A saved test begins with the throttling that a table had, and puts it back as the rehearsal did.
func TestSavedThrottle(t *testing.T) {
	s := stage(t)
	const before = "1000*delay*100"
	if err := s.admin.SetEnvs(t.Context(), "temp", map[string]string{throttleEnv: before}); err != nil {
		t.Fatal(err)
	}
	for _, rate := range []int{1, 0, 2, 3} {
		must(t, s, "rehearse-do", Step{Do: "throttle", Table: "temp", Rate: rate})
	}
	source := must(t, s, "rehearse-test", struct{}{})["source"].(string)
	var values []string
	for _, found := range regexp.MustCompile(`SetEnvs\(ctx, "temp", .*: "(.*)"}`).FindAllStringSubmatch(source, -1) {
		values = append(values, found[1])
	}
	want := []string{before, throttleValue(1), before, throttleValue(2), throttleValue(3), before}
	if !slices.Equal(values, want) || strings.Contains(source, "DelEnvs") {
		t.Errorf("the test sets %q, want %q:\n%s", values, want, source)
	}
}

// A table that was dropped has nothing to be healed.
func TestHealWithoutTheTable(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "throttle", Table: "temp", Rate: 1})
	must(t, s, "rehearse-do", Step{Do: "unserve", Table: "temp", Partition: 1})
	if err := s.admin.DropTable(t.Context(), "temp", 0); err != nil {
		t.Fatal(err)
	}
	must(t, s, "rehearse-do", Step{Do: "heal"})
	if n := faultsOf(t, s); n != 0 {
		t.Errorf("%d faults of a table that is gone", n)
	}
}

// What somebody has broken and left does not stay so.
func TestFaultsLapse(t *testing.T) {
	s := stage(t)
	s.lapse = 10 * time.Millisecond
	must(t, s, "rehearse-do", Step{Do: "hang", Node: 1})
	eventually(t, "healed", func() bool { return faultsOf(t, s) == 0 })
}

// What cannot be healed is tried again.
func TestFaultsLapseLater(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "cut", Node: 1, From: "clients"})
	taken, err := net.Listen("tcp", s.box.Replica(1).Addr())
	if err != nil {
		t.Fatal(err)
	}
	s.lapse = 10 * time.Millisecond
	must(t, s, "rehearse-do", Step{Do: "advance", Seconds: 1})
	eventually(t, "noted", func() bool {
		return slices.ContainsFunc(must(t, s, "rehearse", struct{}{})["log"].([]any), func(e any) bool { return e.(map[string]any)["kind"] == "note" })
	})
	taken.Close()
	eventually(t, "healed", func() bool { return faultsOf(t, s) == 0 })
}

func TestStepsThatMakeNoSense(t *testing.T) {
	s := stage(t)
	for _, st := range []Step{
		{},
		{Do: "explode"},
		{Do: "kill", Node: 3},
		{Do: "kill", Node: -1},
		{Do: "revive", Node: 0},
		{Do: "resume", Node: 0},
		{Do: "mend", Node: 0},
		{Do: "cut", Node: 0},
		{Do: "cut", Node: 0, From: "mars"},
		{Do: "cut", Node: 3, From: "all"},
		{Do: "throttle", Table: "temp"},
		{Do: "slow", Node: 0, Ms: -1},
		{Do: "slow", Node: 0, Ms: maxSlow + 1},
		{Do: "errors", Percent: 101, Code: "ERR_BUSY"},
		{Do: "errors", Percent: 10, Code: "busy"},
		{Do: "errors", Percent: 10, Code: "ERR_"},
		{Do: "errors", Percent: 10, Code: "ERR_OK"},
		{Do: "errors", Percent: 10, Code: "ERR_" + strings.Repeat("A", 100)},
		{Do: "errors", Percent: 10, Code: "ERR_BUSY", Table: "none"},
		{Do: "move", Node: 0},
		{Do: "split"},
		{Do: "throttle", Rate: 1},
		{Do: "throttle", Table: "temp", Rate: -1},
		{Do: "advance"},
		{Do: "advance", Seconds: maxAdvance + 1},
	} {
		_, err := call(t, s, "rehearse-do", st)
		var r *console.Refusal
		if !errors.As(err, &r) {
			t.Errorf("%+v: %v", st, err)
		}
	}
	for _, st := range []Step{{Do: "move", Table: "temp", Partition: 99, Node: 0}, {Do: "split", Table: "none"}, {Do: "throttle", Table: "none", Rate: 1}} {
		if _, err := call(t, s, "rehearse-do", st); err == nil {
			t.Errorf("%+v: no error", st)
		}
	}
	for _, rate := range []int{-1, maxRate + 1} {
		if _, err := call(t, s, "rehearse-load", map[string]any{"rate": rate}); err == nil {
			t.Errorf("a load of %d", rate)
		}
	}
	for _, name := range []string{"rehearse-test", "rehearse-replay"} {
		if _, err := call(t, s, name, struct{}{}); err == nil {
			t.Errorf("%s without steps", name)
		}
	}
	if n := faultsOf(t, s); n != 0 {
		t.Errorf("%d faults", n)
	}
}

// The load goes on through a failover and finds every write that was acknowledged.
func TestLoad(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-load", map[string]any{"rate": 500})
	totals := func() map[string]any {
		return must(t, s, "rehearse", struct{}{})["load"].(map[string]any)["totals"].(map[string]any)
	}
	more := func(n float64) {
		t.Helper()
		from := totals()["ok"].(float64)
		eventually(t, "more calls", func() bool { return totals()["ok"].(float64) >= from+n })
	}
	more(100)
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 0})
	must(t, s, "rehearse-do", Step{Do: "errors", Percent: 30, Code: "ERR_BUSY"})
	more(200)
	must(t, s, "rehearse-do", Step{Do: "advance", Seconds: 3600}) // its rows have expired
	must(t, s, "rehearse-do", Step{Do: "heal"})
	must(t, s, "rehearse-load", map[string]any{"rate": 1000})
	more(500)
	if got := totals(); got["lost"].(float64) != 0 || got["made_up"].(float64) != 0 {
		t.Errorf("%v", got)
	}
	must(t, s, "rehearse-load", map[string]any{"rate": 0})
	if must(t, s, "rehearse", struct{}{})["load"] != nil {
		t.Error("the load goes on")
	}
	must(t, s, "rehearse-load", map[string]any{"rate": 100}) // the table is there already
}

// What a reader would notice if a server lost or made up a write.
func TestLoadNotices(t *testing.T) {
	s := stage(t)
	table, err := s.client.Open(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	l := newLoad(table, 0, s.clock.Now)
	defer l.stop()
	place := &l.keys[0]
	k := place.Load()
	for range 2 {
		if err := l.write(k); err != nil {
			t.Fatal(err)
		}
	}
	check := func(lost, invented int64) {
		t.Helper()
		if err := l.read(k, place); err != nil {
			t.Fatal(err)
		}
		if l.totals.Lost != lost || l.totals.Invented != invented {
			t.Errorf("%+v, want %d lost and %d made up", l.totals, lost, invented)
		}
	}
	check(0, 0)
	if err := table.Set(t.Context(), k.name, loadSortKey, []byte{0, 0, 0, 0, 0, 0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	check(1, 0)
	if err := table.Del(t.Context(), k.name, loadSortKey); err != nil {
		t.Fatal(err)
	}
	check(2, 0)
	if err := table.Set(t.Context(), k.name, loadSortKey, []byte{0, 0, 0, 0, 0, 0, 0, 9}); err != nil {
		t.Fatal(err)
	}
	check(2, 1)
	s.clock.advance(loadTTL)
	if err := table.Del(t.Context(), k.name, loadSortKey); err != nil {
		t.Fatal(err)
	}
	check(2, 1) // what has expired is not lost
	l.renew()
	check(2, 1) // what was given up is not held against anything
	l.done(time.Now(), &pegasus.PError{Err: pegasus.ErrBusy}, true)
	if l.totals.Errors["ERR_BUSY"] != 1 {
		t.Errorf("%v", l.totals.Errors)
	}
}

func TestReplay(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "hang", Node: 1})
	must(t, s, "rehearse-do", Step{Do: "resume", Node: 1})
	must(t, s, "rehearse-do", Step{Do: "slow", Node: 2, Ms: 5})
	source := must(t, s, "rehearse-test", struct{}{})["source"].(string)
	for _, want := range []string{"box.Replica(1).Pause()", "box.Replica(1).Resume()", "slow[2].Store(5)", "pegasustest.WithReplicaServers(3)"} {
		if !strings.Contains(source, want) {
			t.Errorf("the test lacks %s:\n%s", want, source)
		}
	}
	must(t, s, "rehearse-replay", struct{}{})
	eventually(t, "replayed", func() bool { return must(t, s, "rehearse", struct{}{})["replaying"] == false })
	state := must(t, s, "rehearse", struct{}{})
	if state["faults"].(float64) != 1 || state["steps"].(float64) != 3 {
		t.Errorf("%v", state)
	}
	must(t, s, "rehearse-do", Step{Do: "heal"})
	must(t, s, "rehearse-forget", struct{}{})
	if n := must(t, s, "rehearse", struct{}{})["steps"].(float64); n != 0 {
		t.Errorf("%v steps are left", n)
	}
}

// A replay that is stopped leaves nothing broken, neither here nor in a test. While it goes on
// nobody else breaks anything.
func TestReplayIsStopped(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "kill", Node: 0})
	if _, err := call(t, s, "rehearse-forget", struct{}{}); err == nil {
		t.Error("the steps are forgotten and the node is dead")
	}
	s.mu.Lock()
	s.scenario = append(s.scenario, Timed{time.Hour, Step{Do: "slow", Node: 2, Ms: 7}})
	s.mu.Unlock()
	over := func() bool { return must(t, s, "rehearse", struct{}{})["replaying"] == false }
	for _, stop := range []func(){
		func() { must(t, s, "rehearse-replay", map[string]any{"stop": true}) },
		func() { must(t, s, "rehearse-do", Step{Do: "heal"}) },
	} {
		must(t, s, "rehearse-replay", struct{}{})
		eventually(t, "dead again", func() bool { return s.node(0).Down })
		if _, err := call(t, s, "rehearse-do", Step{Do: "hang", Node: 1}); err == nil {
			t.Error("a step in the middle of a replay")
		}
		if _, err := call(t, s, "rehearse-forget", struct{}{}); err == nil {
			t.Error("the steps are forgotten in the middle of a replay")
		}
		stop()
		eventually(t, "over", over)
		if n := faultsOf(t, s); n != 0 {
			t.Errorf("%d faults after the replay was stopped", n)
		}
		s.mu.Lock()
		left := leftOver(s.scenario)
		s.mu.Unlock()
		if len(left) > 0 {
			t.Errorf("the scenario leaves %+v", left)
		}
	}
}

// A pause in which nothing is broken any more is not repeated.
func TestLongPauses(t *testing.T) {
	s := stage(t)
	must(t, s, "rehearse-do", Step{Do: "advance", Seconds: 1})
	s.latest = s.latest.Add(-8 * time.Hour)
	must(t, s, "rehearse-do", Step{Do: "advance", Seconds: 1})
	if pause := s.scenario[1].After; pause != s.lapse {
		t.Errorf("a pause of %v", pause)
	}
}

// A saved test makes tables with the partitions that they had when the rehearsal began with them.
func TestSavedTables(t *testing.T) {
	s := stage(t)
	split := func() {
		t.Helper()
		if err := s.box.Split("temp"); err != nil {
			t.Fatal(err)
		}
		before := 0
		eventually(t, "split", func() bool {
			tab, err := s.admin.Partitions(t.Context(), "temp")
			if err != nil {
				t.Fatal(err)
			}
			before = len(tab)
			return !slices.ContainsFunc(tab, func(p admin.Partition) bool { return p.Ballot < 0 })
		})
		if before < 8 {
			t.Fatalf("%d partitions", before)
		}
	}
	split()
	must(t, s, "rehearse-do", Step{Do: "move", Table: "temp", Partition: 7, Node: 1})
	split()
	if err := s.admin.DropTable(t.Context(), "temp", 0); err != nil {
		t.Fatal(err)
	}
	source := must(t, s, "rehearse-test", struct{}{})["source"].(string)
	if want := `pegasustest.WithTable("temp", 8)`; !strings.Contains(source, want) {
		t.Errorf("the test lacks %s:\n%s", want, source)
	}
}

// Without faults the onebox asks nobody about its requests.
func TestNoFaultsNoQuestions(t *testing.T) {
	s := stage(t)
	s.faults.slow(s.box, 0, time.Millisecond)
	if p := s.faults.current.Load(); p.action(onebox.Request{Node: 0, Table: "temp"}).Delay != time.Millisecond {
		t.Error("not slow")
	}
	p := &plan{share: &ErrorShare{Percent: 20, Code: "ERR_BUSY"}}
	n := 0
	for range 1000 {
		if p.action(onebox.Request{Table: "temp"}).Error != "" {
			n++
		}
	}
	if n != 200 {
		t.Errorf("%d of 1000 have the error, want 200", n)
	}
	if a := p.action(onebox.Request{Meta: true, Table: "temp"}); a != (onebox.Action{}) {
		t.Errorf("a meta server answers %+v", a)
	}
}
