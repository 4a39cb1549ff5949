package console

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
)

// Call is what the page can ask for: it takes a JSON object and returns what is sent
// back as one. Everything is in the body of a POST, so that no key is ever in an
// address, which browsers and proxies remember.
type Call func(ctx context.Context, arg []byte) (any, error)

// CallOf returns the call of a function whose argument is a struct. Fields that it does
// not have are refused.
func CallOf[In any](f func(context.Context, In) (any, error)) Call {
	return func(ctx context.Context, arg []byte) (any, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(arg))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, Refuse("the request: %v", err)
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, Refuse("the request: there is something behind it")
		}
		return f(ctx, in)
	}
}

// A Refusal is an error of a call that makes no sense, or is not allowed. Nothing was
// sent to the cluster.
type Refusal struct {
	Status int // of HTTP
	Text   string
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Refuse returns the error of a call whose argument makes no sense.
func Refuse(format string, args ...any) error {
	return &Refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// conflict says that a row is not what the page has shown.
type conflict struct {
	Row *Row `json:"row"` // as it is now, nil if there is none
}

func (*conflict) Error() string { return "the row was changed meanwhile" }

const (
	// tokenHeader carries the token of a request.
	tokenHeader = "X-Console-Token"
	maxBody     = 4 << 20
	callTimeout = 10 * time.Second
)

func (c *Console) serveCall(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(c.token)) != 1 {
		c.answer(w, nil, &Refusal{http.StatusUnauthorized, "the token is missing or wrong: open the address that the console has printed"})
		return
	}
	call := c.calls[r.PathValue("call")]
	if call == nil {
		c.answer(w, nil, &Refusal{http.StatusNotFound, "there is no such call"})
		return
	}
	arg, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		c.answer(w, nil, &Refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", maxBody)})
		return
	}
	out, err := c.carryOut(r.Context(), call, arg)
	c.answer(w, out, err)
}

// carryOut makes a call, which the end of the console ends.
func (c *Console) carryOut(ctx context.Context, call Call, arg []byte) (any, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, &Refusal{http.StatusServiceUnavailable, "the console ends"}
	}
	c.pending.Add(1)
	c.mu.Unlock()
	defer c.pending.Done()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	return call(ctx, arg)
}

// answer sends what a call has returned. Errors have a text, and a class for those of
// the cluster.
func (c *Console) answer(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		body := map[string]any{"error": err.Error()}
		status = http.StatusBadGateway
		var refusal *Refusal
		var there *conflict
		var argument *pegasus.ArgumentError
		switch {
		case errors.As(err, &refusal):
			status = refusal.Status
		case errors.As(err, &there):
			status = http.StatusConflict
			body["row"] = there.Row
		case errors.As(err, &argument):
			status = http.StatusBadRequest
		case errors.Is(err, admin.ErrInDoubt), errors.Is(err, pegasus.ErrInDoubt):
			body["error"] = err.Error() + " (it may have been carried out or not: look before you repeat it)"
		}
		out = body
	}
	b, err := json.Marshal(out)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the page has gone if it fails
}

// changing returns a call that is refused unless changes are allowed.
func (c *Console) changing(call Call) Call {
	if c.opts.AllowWrites {
		return call
	}
	return func(context.Context, []byte) (any, error) {
		return nil, &Refusal{http.StatusForbidden, "this console is read-only"}
	}
}

// Bytes are bytes in JSON: base64url without padding, so that any key is text.
type Bytes []byte

// MarshalText returns the base64url form.
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText takes the base64url form.
func (b *Bytes) UnmarshalText(text []byte) error {
	decoded, err := base64.RawURLEncoding.Strict().AppendDecode([]byte{}, text)
	*b = decoded
	return err
}
