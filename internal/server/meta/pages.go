package meta

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Pages are those of a meta server. In all of them every value is a text.
func (m *Role) Pages() console.Pages {
	pages := console.Pages{
		"meta/app":                 m.appPage,
		"meta/apps":                m.appsPage,
		"meta/app_envs":            m.envsPage,
		"meta/nodes":               m.nodesPage,
		"meta/cluster":             m.clusterPage,
		"meta/app/duplication":     refused("duplication is not enabled [duplication_enabled=false]"),
		"meta/backup_policy":       refused("cold_backup_disabled"),
		"meta/app/query_bulk_load": refused("bulk load is not enabled"),
		"meta/app/start_bulk_load": refused("bulk load is not enabled"),
	}
	for path, page := range pages {
		pages[path] = m.onlyLeader(path, page)
	}
	return pages
}

// refused is the page of something that is not supported.
func refused(why string) func(url.Values) (int, string) {
	return func(url.Values) (int, string) { return http.StatusNotFound, why }
}

// onlyLeader sends those who ask another meta server to the leader.
func (m *Role) onlyLeader(path string, page func(url.Values) (int, string)) func(url.Values) (int, string) {
	return func(query url.Values) (int, string) {
		members := m.Catalog.Members()
		switch leader := members.Leader(); leader {
		case m.Index:
			return page(query)
		case catalog.None:
			return http.StatusInternalServerError, "no leader"
		default:
			to := url.URL{Scheme: "http", Host: members.Metas[leader].Address().String(), Path: "/" + path, RawQuery: query.Encode()}
			return http.StatusTemporaryRedirect, to.String()
		}
	}
}

// A section of a page: texts by name, or rows of them.
type (
	texts map[string]string
	rows  map[string]texts
)

// only reports whether a query has no other arguments than these.
func only(query url.Values, names ...string) bool {
	n := 0
	for _, name := range names {
		if query.Has(name) {
			n++
		}
	}
	return n == len(query)
}

// health counts the partitions of a table that are not served as they should be.
type health struct{ healthy, unreadable, unwritable int }

func (h *health) add(pc *wire.PartitionConfiguration) {
	switch n := len(pc.Secondaries); {
	case !pc.Primary.Valid():
		h.unreadable++
		h.unwritable++
	case 1+n >= int(pc.MaxReplicaCount):
		h.healthy++
	case n == 0:
		h.unwritable++
	}
}

func (m *Role) healthOf(t *catalog.Table) (h health, partitions int) {
	all := m.pageCall().configurations(t)
	for i := range all {
		h.add(&all[i])
	}
	return h, len(all)
}

// pageCall is a call that no client has made: addresses are those of the servers.
func (m *Role) pageCall() *call {
	return &call{Role: m, r: new(request.Request)}
}

func (m *Role) appPage(query url.Values) (int, string) {
	if !only(query, "name", "detail") {
		return http.StatusBadRequest, ""
	}
	name := query.Get("name")
	t := m.Catalog.Named(name)
	if t == nil {
		return http.StatusNotFound, fmt.Sprintf("table not found: %q", name)
	}
	all := m.pageCall().configurations(t)
	page := map[string]any{"general": texts{
		"app_name":          name,
		"app_id":            itoa(t.ID),
		"partition_count":   itoa(len(all)),
		"max_replica_count": itoa(t.View().Replicas()),
	}}
	if !query.Has("detail") {
		return http.StatusOK, console.JSON(page)
	}
	var h health
	replicas, primaries, secondaries := rows{}, map[string]int{}, map[string]int{}
	for i := range all {
		pc := &all[i]
		h.add(pc)
		primary, count, others := "-", len(pc.Secondaries), make([]string, 0, len(pc.Secondaries))
		if pc.Primary.Valid() {
			primary = pc.Primary.String()
			count++
			primaries[primary]++
		}
		for _, a := range pc.Secondaries {
			others = append(others, a.String())
			secondaries[a.String()]++
		}
		replicas[itoa(i)] = texts{
			"pidx": itoa(i), "ballot": itoa(pc.Ballot), "replica_count": fmt.Sprintf("%d/%d", count, pc.MaxReplicaCount),
			"primary": primary, "secondaries": "[" + strings.Join(others, ",") + "]",
		}
	}
	nodes, sum := rows{}, [2]int{}
	for _, n := range m.Catalog.Members().Replicas {
		node := n.Address().String()
		p, s := primaries[node], secondaries[node]
		if p+s > 0 {
			nodes[node] = texts{"node": node, "primary": itoa(p), "secondary": itoa(s), "total": itoa(p + s)}
		}
		sum[0] += p
		sum[1] += s
	}
	nodes["total"] = texts{"node": "total", "primary": itoa(sum[0]), "secondary": itoa(sum[1]), "total": itoa(sum[0] + sum[1])}
	page["replicas"], page["nodes"] = replicas, nodes
	page["healthy"] = texts{
		"fully_healthy_partition_count":   itoa(h.healthy),
		"unhealthy_partition_count":       itoa(len(all) - h.healthy),
		"write_unhealthy_partition_count": itoa(h.unwritable),
		"read_unhealthy_partition_count":  itoa(h.unreadable),
	}
	return http.StatusOK, console.JSON(page)
}

func (m *Role) appsPage(query url.Values) (int, string) {
	if !only(query, "detail") {
		return http.StatusBadRequest, ""
	}
	general, healthy := rows{}, rows{}
	var total, unhealthy, unwritable, unreadable int
	for _, t := range m.Catalog.Tables() {
		v := t.View()
		if !v.Available() {
			continue
		}
		total++
		id, info := itoa(t.ID), v.AppInfo()
		created := "-"
		if info.CreateSecond > 0 {
			created = time.Unix(info.CreateSecond, 0).Format("2006-01-02 15:04:05.000")
		}
		general[id] = texts{
			"app_id": id, "status": "AVAILABLE", "app_name": info.AppName, "app_type": info.AppType,
			"partition_count": itoa(info.PartitionCount), "replica_count": itoa(info.MaxReplicaCount),
			"is_stateful": strconv.FormatBool(info.IsStateful), "create_time": created, "drop_time": "-", "drop_expire": "-",
			"envs_count": itoa(len(info.Envs)),
		}
		h, n := m.healthOf(t)
		healthy[id] = texts{
			"app_id": id, "app_name": info.AppName, "partition_count": itoa(n), "fully_healthy": itoa(h.healthy),
			"unhealthy": itoa(n - h.healthy), "write_unhealthy": itoa(h.unwritable), "read_unhealthy": itoa(h.unreadable),
		}
		unhealthy += min(1, n-h.healthy)
		unwritable += min(1, h.unwritable)
		unreadable += min(1, h.unreadable)
	}
	summary := texts{"total_app_count": itoa(total)}
	page := map[string]any{"general_info": general, "summary": summary}
	if query.Has("detail") && total > 0 {
		page["healthy_info"] = healthy
		summary["fully_healthy_app_count"] = itoa(total - unhealthy)
		summary["unhealthy_app_count"] = itoa(unhealthy)
		summary["write_unhealthy_app_count"] = itoa(unwritable)
		summary["read_unhealthy_app_count"] = itoa(unreadable)
	}
	return http.StatusOK, console.JSON(page)
}

func (m *Role) envsPage(query url.Values) (int, string) {
	name := query.Get("name")
	if name == "" {
		return http.StatusBadRequest, "app name shouldn't be empty"
	}
	envs := texts{}
	if t := m.Catalog.Named(name); t != nil {
		envs = t.View().AppInfo().Envs
	}
	return http.StatusOK, console.JSON(envs)
}

func (m *Role) nodesPage(query url.Values) (int, string) {
	if !only(query, "detail") {
		return http.StatusBadRequest, ""
	}
	details, alive := rows{}, 0
	members := m.Catalog.Members()
	primaries, replicas := m.replicasByNode()
	for i, n := range members.Replicas {
		address, status := n.Address().String(), "UNALIVE"
		if n.Alive() {
			status = "ALIVE"
			alive++
		}
		row := texts{"address": address, "status": status}
		if query.Has("detail") {
			row["replica_count"] = itoa(replicas[i])
			row["primary_count"] = itoa(primaries[i])
			row["secondary_count"] = itoa(replicas[i] - primaries[i])
		}
		details[address] = row
	}
	return http.StatusOK, console.JSON(map[string]any{"details": details, "summary": texts{
		"total_node_count":   itoa(len(members.Replicas)),
		"alive_node_count":   itoa(alive),
		"unalive_node_count": itoa(len(members.Replicas) - alive),
	}})
}

func (m *Role) clusterPage(url.Values) (int, string) {
	var resp wire.ClusterInfoResponse
	m.pageCall().clusterInfo(nil, &resp)
	page := texts{}
	for i, k := range resp.Keys {
		page[k] = resp.Values[i]
	}
	return http.StatusOK, console.JSON(page)
}

func itoa[N int | int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
