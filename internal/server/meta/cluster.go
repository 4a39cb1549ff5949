package meta

import (
	"fmt"
	"math"
	"strings"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/wire"
)

func (k *call) listNodes(req *wire.ListNodesRequest, resp *wire.ListNodesResponse) {
	status := func(n catalog.Member) wire.NodeStatus {
		if n.Alive() {
			return wire.NodeAlive
		}
		return wire.NodeUnalive
	}
	for _, s := range []wire.NodeStatus{wire.NodeAlive, wire.NodeUnalive} {
		for _, n := range k.Catalog.Members().Replicas {
			if status(n) == s && (req.Status == wire.NodeInvalid || req.Status == s) {
				resp.Infos = append(resp.Infos, wire.NodeInfo{Status: s, Node: k.told(n.Address())})
			}
		}
	}
}

func (k *call) clusterInfo(_ *wire.ClusterInfoRequest, resp *wire.ClusterInfoResponse) {
	members := k.Catalog.Members()
	var metas []string
	for _, n := range members.Metas {
		metas = append(metas, k.told(n.Address()).String())
	}
	primaries, replicas := k.replicasByNode()
	for _, e := range [][2]string{
		{"meta_servers", strings.Join(metas, ",")},
		{"primary_meta_server", k.told(members.Metas[k.Index].Address()).String()},
		{"zookeeper_hosts", ""},
		{"zookeeper_root", ""},
		{"meta_function_level", levelName(k.Catalog.Level())},
		{"balance_operation_count", "move_pri=0,copy_pri=0,copy_sec=0,total=0"},
		{"primary_replica_count_stddev", stddev(primaries)},
		{"total_replica_count_stddev", stddev(replicas)},
		{"cluster_name", k.ClusterName},
	} {
		resp.Keys = append(resp.Keys, e[0])
		resp.Values = append(resp.Values, e[1])
	}
}

// replicasByNode counts the partitions that each replica server is the primary of, and
// those that it has a replica of.
func (m *Role) replicasByNode() (primaries, replicas []int) {
	members := m.Catalog.Members()
	primaries = make([]int, len(members.Replicas))
	replicas = make([]int, len(members.Replicas))
	for _, t := range m.Catalog.Tables() {
		v := t.View()
		for i := range v.Partitions {
			if !v.Available() || v.Partitions[i].Primary == catalog.None {
				continue
			}
			for n := range members.Replicas {
				primary, secondary := v.Serves(int32(i), n)
				if primary {
					primaries[n]++
				}
				if primary || secondary {
					replicas[n]++
				}
			}
		}
	}
	return primaries, replicas
}

func stddev(counts []int) string {
	var sum, squares float64
	for _, n := range counts {
		sum += float64(n)
		squares += float64(n) * float64(n)
	}
	n := float64(len(counts))
	return fmt.Sprintf("%.2f", math.Sqrt(max(0, squares/n-sum/n*sum/n)))
}

func levelName(l wire.MetaFunctionLevel) string {
	switch l {
	case wire.MetaStopped:
		return "stopped"
	case wire.MetaBlind:
		return "blind"
	case wire.MetaFreezed:
		return "freezed"
	case wire.MetaSteady:
		return "steady"
	case wire.MetaLively:
		return "lively"
	}
	return "invalid"
}

func (m *Role) controlMeta(req *wire.ControlMetaRequest, resp *wire.ControlMetaResponse) {
	resp.OldLevel = m.Catalog.Level()
	switch {
	case req.Level == wire.MetaInvalid: // only asks
	case levelName(req.Level) == "invalid":
		resp.Err = wire.ErrInvalidParameters
	default:
		m.Catalog.SetLevel(req.Level)
	}
}
