package server

import (
	"fmt"
	"testing"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A manual compaction carries out what the environment of the table asks for,
// and is about no other table.
func TestCompactCarriesOut(t *testing.T) {
	s := start(t, Options{})
	ensure(t, s, "other", testPartitions)
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	other := func(k string) wire.RequestHeader {
		h := home(k)
		h.GPID.AppID = 2
		return h
	}
	const n = 20
	for i := range n {
		for _, k := range []string{fmt.Sprint("tmp_", i), fmt.Sprint("user_", i)} {
			for _, h := range []wire.RequestHeader{home(k), other(k)} {
				if _, code := c.putAt(h, k, "v", 0); code != wire.ErrOK {
					t.Fatal(code)
				}
			}
		}
	}
	mustSetEnv(m, "default_ttl", "3600")
	mustSetEnv(m, "user_specified_compaction", `{"ops":[{"type":"COT_DELETE","params":"","rules":[{"type":"FRT_HASHKEY_PATTERN",`+
		`"params":"{\"pattern\":\"tmp_\",\"match_type\":\"SMT_MATCH_PREFIX\"}"}]}]}`)
	if resp := ask[wire.StartManualCompactRequest, wire.HintResponse](m, wire.TaskStartManualCompact,
		wire.StartManualCompactRequest{AppName: testTable}); resp.Err != wire.ErrOK {
		t.Fatalf("%+v", resp)
	}
	for done := false; !done; {
		q := ask[wire.AppNameRequest, wire.QueryManualCompactResponse](m, wire.TaskQueryManualCompact, wire.AppNameRequest{AppName: testTable})
		if q.Err != wire.ErrOK {
			t.Fatalf("%+v", q)
		}
		done = *q.Progress == 100
	}
	exists := func(h wire.RequestHeader, k string, ttl bool) {
		t.Helper()
		var resp wire.TTLResponse
		if code := do(c, h, wire.TaskTTL, key(k, ""), resp.Read); code != wire.ErrOK {
			t.Error(code)
		}
		if resp.Error != wire.Status(storage.OK) || ttl != (resp.TTLSeconds > 0) {
			t.Errorf("%s of table %d: status %d, TTL %d", k, h.GPID.AppID, resp.Error, resp.TTLSeconds)
		}
	}
	for i := range n {
		tmp, user := fmt.Sprint("tmp_", i), fmt.Sprint("user_", i)
		if resp, _ := c.get(tmp); resp.Error != wire.StatusNotFound {
			t.Errorf("%s is still there: status %d", tmp, resp.Error)
		}
		exists(home(user), user, true)
		exists(other(tmp), tmp, false)
		exists(other(user), user, false)
	}
}
