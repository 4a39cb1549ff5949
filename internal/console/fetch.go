package console

import (
	"context"
	"io"
	"net/http"
)

const maxMetrics = 8 << 20

// newHTTPClient returns one that uses no proxy and follows nobody.
func newHTTPClient() http.Client {
	return http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: idleAfter},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// getMetrics has the page /metrics of a server read.
func getMetrics(ctx context.Context, client *http.Client, addr, query string, read func(body io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return err
	}
	req.URL.RawQuery = query
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return read(io.LimitReader(resp.Body, maxMetrics))
}
