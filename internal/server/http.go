package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxHTTPRequest is the size of a request with its header, in bytes.
const maxHTTPRequest = 64 << 10

// serveHTTP answers one HTTP request, which begins with the bytes read already,
// for the admin tools that use HTTP on the port of the RPCs.
func (c *conn) serveHTTP(read []byte) {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.s.opts.Limits.FrameTime))
	in := io.LimitReader(io.MultiReader(bytes.NewReader(read), c.nc), maxHTTPRequest)
	req, err := http.ReadRequest(bufio.NewReader(in))
	if err != nil {
		c.log("connection closed: not an HTTP request", "err", err)
		return
	}
	status, contentType, body := http.StatusNotFound, "text/plain", "path not found\n"
	if f := httpPaths[strings.TrimRight(req.URL.Path, "/")]; f != nil {
		status, contentType, body = f(c.s, c.n, req.URL.Query())
	}
	resp := http.Response{
		StatusCode:    status,
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {contentType}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Close:         true,
	}
	var out bytes.Buffer
	if err := resp.Write(&out); err == nil {
		c.send(out.Bytes())
	}
}

type httpHandler func(s *Server, n *Node, query url.Values) (status int, contentType, body string)

var httpPaths = map[string]httpHandler{
	"/version":              httpVersion,
	"/configs":              httpConfigs,
	"/config":               httpConfig,
	"/updateConfig":         httpUpdateConfig,
	"/replica/data_version": httpDataVersion,
}

const jsonType = "application/json"

func httpVersion(s *Server, _ *Node, _ url.Values) (int, string, string) {
	return http.StatusOK, jsonType, toJSON(s.info())
}

// flag is a setting in the form in which servers show theirs.
type flag struct {
	Name    string   `json:"name"`
	Section string   `json:"section"`
	Type    string   `json:"type"`
	Tags    []string `json:"tags"`
	Value   string   `json:"value"`
}

func (s *Server) flags() map[string]flag {
	l := &s.opts.Limits
	m := make(map[string]flag)
	add := func(section, name, typ, value string) {
		m[name] = flag{Name: name, Section: section, Type: typ, Tags: []string{}, Value: value}
	}
	add("replication", "cluster_name", "FV_STRING", s.opts.ClusterName)
	add("replication", "max_allowed_write_size", "FV_UINT64", strconv.Itoa(max(0, l.WriteSize)))
	add("pegasus.server", "rocksdb_iteration_threshold_time_ms", "FV_UINT64",
		strconv.FormatInt(max(0, l.IterationTime.Milliseconds()), 10))
	return m
}

func httpConfigs(s *Server, _ *Node, _ url.Values) (int, string, string) {
	return http.StatusOK, jsonType, toJSON(s.flags())
}

func httpConfig(s *Server, _ *Node, query url.Values) (int, string, string) {
	name := query.Get("name")
	if name == "" {
		return http.StatusBadRequest, "text/plain", "name shouldn't be empty\n"
	}
	f, ok := s.flags()[name]
	if !ok {
		return http.StatusOK, "text/plain", fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
	}
	return http.StatusOK, jsonType, toJSON(f)
}

// httpUpdateConfig refuses: limits are fixed while the server runs.
func httpUpdateConfig(s *Server, _ *Node, query url.Values) (int, string, string) {
	if len(query) != 1 {
		return http.StatusBadRequest, "text/plain", "there should be exactly one config to be updated once\n"
	}
	name := slices.Collect(maps.Keys(query))[0]
	status := fmt.Sprintf("ERR_OBJECT_NOT_FOUND: %s is not found", name)
	if _, ok := s.flags()[name]; ok {
		status = fmt.Sprintf("ERR_INVALID_PARAMETERS: %s is not mutable", name)
	}
	return http.StatusOK, jsonType, toJSON(map[string]string{"update_status": status})
}

// httpDataVersion tells the version of the stored values' layout.
func httpDataVersion(s *Server, n *Node, query url.Values) (int, string, string) {
	id, err := strconv.ParseInt(query.Get("app_id"), 10, 32)
	if err != nil || n.role != replicaRole {
		return http.StatusBadRequest, "text/plain", fmt.Sprintf("invalid app_id=%s\n", query.Get("app_id"))
	}
	t := (*s.available.Load())[int32(id)]
	if t == nil {
		return http.StatusNotFound, "text/plain", fmt.Sprintf("app_id=%d not found\n", id)
	}
	versions := make(map[string]map[string]string)
	for i, p := range *t.partitions.Load() {
		if primary, secondary := p.conf.Load().serves(n.index); primary || secondary {
			versions[strconv.Itoa(i)] = map[string]string{"data_version": "1"}
		}
	}
	return http.StatusOK, jsonType, toJSON(versions)
}
