package cli

import (
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// statusReport is the JSON form of a survey. Fields are only added; null is not known.
type statusReport struct {
	Version int           `json:"v"`
	Time    string        `json:"time"`
	Cluster string        `json:"cluster"`
	Verdict string        `json:"verdict"`
	Text    string        `json:"text"`
	Why     []string      `json:"why"`
	Do      []string      `json:"do"`
	Leader  string        `json:"leader"`
	Level   string        `json:"level"`
	Metas   []statusMeta  `json:"metas"`
	Nodes   []statusNode  `json:"nodes"`
	Tables  []statusTable `json:"tables"`
}

type statusMeta struct {
	Addr   string `json:"addr"`
	Up     bool   `json:"up"`
	Leader bool   `json:"leader"`
	Error  any    `json:"error"`
}

type statusNode struct {
	Addr        string `json:"addr"`
	Alive       bool   `json:"alive"`
	Up          bool   `json:"up"`
	Error       any    `json:"error"`
	Primaries   int    `json:"primaries"`
	Secondaries int    `json:"secondaries"`
	Learning    any    `json:"learning"`
	// Disks is null if the node does not tell about them.
	Disks []statusDisk `json:"disks"`
}

type statusDisk struct {
	Tag            string `json:"tag"`
	Dir            string `json:"dir"`
	CapacityBytes  any    `json:"capacity_bytes"`
	AvailableBytes any    `json:"available_bytes"`
	UsedPercent    any    `json:"used_percent"`
}

type statusTable struct {
	Name           string `json:"name"`
	ID             int    `json:"id"`
	Partitions     int    `json:"partitions"`
	Ready          int    `json:"ready"`
	WithoutPrimary int    `json:"without_primary"`
	Short          int    `json:"short"`
	Splitting      int    `json:"splitting"`
	ReadPerS       any    `json:"read_per_s"`
	WritePerS      any    `json:"write_per_s"`
	P99Ms          any    `json:"p99_ms"`
	Rows           any    `json:"rows"`
	Bytes          any    `json:"bytes"`
	Error          any    `json:"error"`
}

func statusDocument(s *survey.Survey, v survey.Verdict) statusReport {
	r := statusReport{
		Version: 1, Time: s.Time.UTC().Format(time.RFC3339), Cluster: s.Cluster, Verdict: v.Word, Text: v.Text,
		Why: append([]string{}, v.Why...), Do: append([]string{}, v.Do...), Leader: s.Leader, Level: s.Level,
		Metas: []statusMeta{}, Nodes: []statusNode{}, Tables: []statusTable{},
	}
	for _, m := range s.Metas {
		r.Metas = append(r.Metas, statusMeta{m.Addr, m.Err == nil, m.Addr == s.Leader, because(m.Err)})
	}
	for _, n := range s.Nodes {
		r.Nodes = append(r.Nodes, statusNode{n.Addr, n.Alive, n.Err == nil, because(n.Err), n.Primaries, n.Secondaries, known(n.Learning), statusDisks(n.Disks)})
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		sum := t.Sum()
		r.Tables = append(r.Tables, statusTable{
			t.Name, t.ID, t.Table.Partitions, t.Count(survey.Ready), t.Count(survey.NoPrimary), t.Count(survey.Short), t.Count(survey.Splitting),
			known(sum.Read), known(sum.Write), knownMillis(max(sum.ReadP99, sum.WriteP99)), known(sum.Rows), known(sum.Bytes), because(t.Err),
		})
	}
	return r
}

// statusDisks are the disks of a node, nil if they are not known.
func statusDisks(disks []admin.Disk) []statusDisk {
	if disks == nil {
		return nil
	}
	all := []statusDisk{}
	for _, d := range disks {
		s := statusDisk{Tag: d.Tag, Dir: d.Dir}
		if used := survey.Used(d); used >= 0 {
			s.CapacityBytes, s.AvailableBytes, s.UsedPercent = d.Capacity, d.Available, used
		}
		all = append(all, s)
	}
	return all
}

// known is a number of a survey for JSON, nil if it is not known.
func known[N int64 | float64](n N) any {
	if n < 0 {
		return nil
	}
	return n
}

// knownMillis likewise, in milliseconds.
func knownMillis(d time.Duration) any {
	if d < 0 {
		return nil
	}
	return float64(d) / float64(time.Millisecond)
}
