package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/storage"
)

// maxHTTPRequest is the size of a request with its header, in bytes.
const maxHTTPRequest = 64 << 10

// serveHTTP answers one HTTP request, which begins with the bytes read already,
// for the admin tools that use HTTP on the port of the RPCs.
func (c *conn) serveHTTP(read []byte) {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.s.opts.Limits.FrameTime))
	if c.closing.Load() { // see shutdown
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
	in := io.LimitReader(io.MultiReader(bytes.NewReader(read), c.nc), maxHTTPRequest)
	req, err := http.ReadRequest(bufio.NewReader(in))
	if err != nil {
		c.log("connection closed: not an HTTP request", "err", err)
		return
	}
	path := strings.Trim(req.URL.Path, "/")
	status, body := http.StatusNotFound, fmt.Sprintf("service not found for %q", path)
	if p, ok := httpPaths[path]; ok && p.roles&c.n.role != 0 {
		status, body = p.serve(c.s, c.n, req.URL.Query())
	}
	resp := http.Response{
		StatusCode:    status,
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"text/plain"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Close:         true,
	}
	var out bytes.Buffer
	if err := resp.Write(&out); err == nil {
		c.send(out.Bytes())
	}
}

// httpPath is what is served at a path, to nodes of some roles.
type httpPath struct {
	roles role
	serve func(s *Server, n *Node, query url.Values) (status int, body string)
}

var httpPaths = map[string]httpPath{
	"health":               {metaRole | replicaRole, httpHealth},
	"version":              {metaRole | replicaRole, httpVersion},
	"recentStartTime":      {metaRole | replicaRole, httpStartTime},
	"configs":              {metaRole | replicaRole, httpConfigs},
	"config":               {metaRole | replicaRole, httpConfig},
	"updateConfig":         {metaRole | replicaRole, httpUpdateConfig},
	"replica/data_version": {replicaRole, httpDataVersion},
}

func httpVersion(_ *Server, _ *Node, _ url.Values) (int, string) {
	return http.StatusOK, toJSON(map[string]string{"Version": serverVersion, "GitCommit": revision()})
}

// httpHealth is for what watches over a onebox; no Pegasus server has it. A
// store that takes no writes until it is opened anew is a failure, a disk that is
// full is not: a restart would not help.
func httpHealth(s *Server, _ *Node, _ url.Values) (int, string) {
	err := s.db.Health()
	switch {
	case errors.Is(err, storage.ErrFailed):
		return http.StatusServiceUnavailable, toJSON(map[string]string{"status": "failed", "reason": err.Error()})
	case err != nil:
		return http.StatusOK, toJSON(map[string]string{"status": "writes refused", "reason": err.Error()})
	}
	return http.StatusOK, toJSON(map[string]string{"status": "ok"})
}

func httpStartTime(s *Server, _ *Node, _ url.Values) (int, string) {
	return http.StatusOK, toJSON(map[string]string{"RecentStartTime": s.started.Format(time.DateTime)})
}

// flag is a setting in the form in which servers show theirs. All its fields are
// texts: tools refuse anything else.
type flag struct {
	Name        string `json:"name"`
	Section     string `json:"section"`
	Type        string `json:"type"`
	Tags        string `json:"tags"` // that of a setting that can be changed; we have none
	Description string `json:"description"`
	Value       string `json:"value"`
}

func (s *Server) flags() map[string]flag {
	l := &s.opts.Limits
	m := make(map[string]flag)
	for _, f := range []flag{
		{
			Name: "cluster_name", Section: "replication", Type: "FV_STRING",
			Description: "name of the cluster", Value: s.opts.ClusterName,
		},
		{
			Name: "max_allowed_write_size", Section: "replication", Type: "FV_UINT64",
			Description: "bytes of the largest body of a write, 0 is no limit", Value: strconv.Itoa(max(0, l.WriteSize)),
		},
		{
			Name: "rocksdb_iteration_threshold_time_ms", Section: "pegasus.server", Type: "FV_UINT64",
			Description: "longest time of a read of many records, 0 is no limit",
			Value:       strconv.FormatInt(max(0, l.IterationTime.Milliseconds()), 10),
		},
	} {
		m[f.Name] = f
	}
	return m
}

func httpConfigs(s *Server, _ *Node, query url.Values) (int, string) {
	if len(query) > 0 {
		return http.StatusBadRequest, ""
	}
	return http.StatusOK, toJSON(s.flags())
}

func httpConfig(s *Server, _ *Node, query url.Values) (int, string) {
	name := query.Get("name")
	if len(query) > 1 || len(query) == 1 && !query.Has("name") {
		return http.StatusBadRequest, ""
	}
	f, ok := s.flags()[name]
	if !ok {
		return http.StatusOK, fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
	}
	return http.StatusOK, toJSON(f)
}

// httpUpdateConfig refuses: limits are fixed while the server runs.
func httpUpdateConfig(s *Server, _ *Node, query url.Values) (int, string) {
	status := "ERR_INVALID_PARAMETERS: there should be exactly one config to be updated once"
	if len(query) == 1 {
		name := slices.Collect(maps.Keys(query))[0]
		status = fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
		if _, ok := s.flags()[name]; ok {
			status = fmt.Sprintf("ERR_INVALID_PARAMETERS: %s is not mutable", name)
		}
	}
	return http.StatusOK, toJSON(map[string]string{"update_status": status})
}

// httpDataVersion tells the version of the stored values' layout.
func httpDataVersion(s *Server, n *Node, query url.Values) (int, string) {
	if !query.Has("app_id") {
		return http.StatusBadRequest, "app_id should not be empty"
	}
	text := query.Get("app_id")
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return http.StatusBadRequest, "invalid app_id=" + text
	}
	versions := make(map[string]map[string]string)
	if t := (*s.available.Load())[int32(id)]; t != nil {
		for i, p := range *t.partitions.Load() {
			if primary, secondary := p.conf.Load().serves(n.index); primary || secondary {
				versions[strconv.Itoa(i)] = map[string]string{"data_version": "1"}
			}
		}
	}
	if len(versions) == 0 {
		return http.StatusNotFound, fmt.Sprintf("app_id=%s not found", text)
	}
	return http.StatusOK, toJSON(versions)
}
