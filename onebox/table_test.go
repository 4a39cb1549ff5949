package onebox_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/pegasus-go/pegasus/onebox"
)

func TestDefaultTTL(t *testing.T) {
	want := map[string]string{
		"0": "0", "3600": "3600", "1d": "86400", "36h": "129600", "1m30s": "90", "2147483647": "2147483647", "24855d": "2147472000",
	}
	var opts onebox.Options
	for ttl := range want {
		opts.Tables = append(opts.Tables, onebox.Table{Name: ttl, Envs: map[string]string{"default_ttl": ttl}})
	}
	_, a := serve(t, opts)
	for ttl, seconds := range want {
		if envs, err := a.GetEnvs(t.Context(), ttl); err != nil || envs["default_ttl"] != seconds {
			t.Errorf("%s became %v, %v, want %s", ttl, envs, err, seconds)
		}
	}
	for _, ttl := range []string{"", "-1", "-1h", "d", "-1d", "1.5s", "1d12h", "2147483648", "24856d", "65536d", "soon"} {
		checkOption(t, "Tables[0].Envs", onebox.Options{Tables: []onebox.Table{{Name: "a", Envs: map[string]string{"default_ttl": ttl}}}})
	}
}

// A table that is there is not changed, and one that differs from what is asked
// for ends the start, before others are made.
func TestTableThatDiffers(t *testing.T) {
	dir := t.TempDir()
	table := onebox.Table{Name: "a", Partitions: 4, Envs: map[string]string{"default_ttl": "1h", "business.info": "x"}}
	s := start(t, onebox.Options{Dir: dir, Tables: []onebox.Table{table}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for field, differs := range map[string]onebox.Table{
		"Partitions": {Name: "a", Partitions: 8},
		"Envs":       {Name: "a", Envs: map[string]string{"default_ttl": "2h"}},
	} {
		checkOption(t, "Tables[1]."+field, onebox.Options{Dir: dir, Tables: []onebox.Table{{Name: "new"}, differs}})
	}
	checkOption(t, "Tables[0].Envs", onebox.Options{Dir: dir, Tables: []onebox.Table{{Name: "a", Envs: map[string]string{"replica.slow_query_threshold": "20"}}}})

	given := maps.Clone(table.Envs)
	s, a := serve(t, onebox.Options{Dir: dir, Tables: []onebox.Table{table, {Name: "a2"}}})
	if !maps.Equal(table.Envs, given) {
		t.Errorf("the caller's map is now %v", table.Envs)
	}
	if _, err := a.Table(t.Context(), "new"); err == nil {
		t.Error("a table was made by a start that failed")
	}
	if resp := ask(t, s.MetaServers()[0], "a"); resp.PartitionCount != 4 || fmt.Sprint(resp.Err) != "ERR_OK" {
		t.Errorf("%+v", resp)
	}
	// The table changes, and with it what can be asked for.
	if err := errors.Join(a.SetEnvs(t.Context(), "a", map[string]string{"default_ttl": "7200"}), s.Close()); err != nil {
		t.Fatal(err)
	}
	checkOption(t, "Tables[0].Envs", onebox.Options{Dir: dir, Tables: []onebox.Table{table}})
	start(t, onebox.Options{Dir: dir, Tables: []onebox.Table{{Name: "a", Envs: map[string]string{"default_ttl": "2h"}}}})
}
