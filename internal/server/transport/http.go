package transport

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxHTTPRequest is the size of a request with its header, in bytes.
const maxHTTPRequest = 64 << 10

// serveHTTP answers one HTTP request, which begins with the bytes read already,
// for the admin tools that use HTTP on the port of the RPCs.
func (c *conn) serveHTTP(read []byte) {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.hub.opts.Limits.RequestTime))
	if c.closing.Load() { // see shutdown
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
	in := io.LimitReader(io.MultiReader(bytes.NewReader(read), c.nc), maxHTTPRequest)
	req, err := http.ReadRequest(bufio.NewReader(in))
	if err != nil {
		c.log("connection closed: not an HTTP request", "error", err)
		return
	}
	status, body := c.n.role.Page(req.URL.Path, req.URL.Query())
	header := http.Header{"Content-Type": {"text/plain"}}
	if status == http.StatusTemporaryRedirect {
		header.Set("Location", body)
		body = ""
	}
	resp := http.Response{
		StatusCode:    status,
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
		Close:         true,
	}
	var out bytes.Buffer
	if err := resp.Write(&out); err == nil {
		c.outbox.sendRound(out.Bytes())
	}
}
