package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const scrapeInterval = 2 * time.Second

// server is a Prometheus of its own.
type server struct {
	cmd     *exec.Cmd
	address string
	version string
}

// span is the time that a run has lasted.
type span struct{ from, to time.Time }

// startPrometheus starts one that scrapes targets, by name.
func startPrometheus(ctx context.Context, program, dir string, targets map[string]string) (*server, error) {
	var config strings.Builder
	fmt.Fprintf(&config, "global: {scrape_interval: %v}\nscrape_configs:\n", scrapeInterval)
	for job, address := range targets {
		fmt.Fprintf(&config, "  - {job_name: %s, static_configs: [{targets: [%q]}]}\n", job, address)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{address: address}
	if s.cmd, err = start(ctx, filepath.Join(dir, "prometheus.log"), program,
		"--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address); err != nil {
		return nil, err
	}
	if err := answers(ctx, "http://"+address+"/-/ready"); err != nil {
		s.close()
		return nil, err
	}
	var info struct{ Version string }
	if err := s.get(ctx, "/api/v1/status/buildinfo", nil, &info); err != nil {
		s.close()
		return nil, err
	}
	s.version, _, _ = strings.Cut(info.Version, "+")
	return s, nil
}

func (s *server) close() { stop(s.cmd) }

// series is what a query returns for one set of labels.
type series struct {
	Metric map[string]string
	Values []point
}

// point is a value at a time, in seconds.
type point struct{ at, value float64 }

func (p *point) UnmarshalJSON(b []byte) error {
	var value string
	if err := json.Unmarshal(b, &[]any{&p.at, &value}); err != nil {
		return err
	}
	var err error
	p.value, err = strconv.ParseFloat(value, 64)
	return err
}

// query carries out a query of a panel over the time of a run.
func (s *server) query(ctx context.Context, expr string, of span) ([]series, error) {
	expr = strings.NewReplacer(
		"$__rate_interval", (4 * scrapeInterval).String(), // as Grafana does: four scrapes
		"$__range", of.to.Sub(of.from).Round(time.Second).String(),
		"$job", ".*",
	).Replace(expr)
	var result struct{ Result []series }
	err := s.get(ctx, "/api/v1/query_range", url.Values{
		"query": {expr}, "step": {scrapeInterval.String()},
		"start": {of.from.Format(time.RFC3339)}, "end": {of.to.Format(time.RFC3339)},
	}, &result)
	return result.Result, err
}

func (s *server) get(ctx context.Context, path string, query url.Values, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}
