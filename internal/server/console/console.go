// Package console is what any server of the cluster tells the tools of
// operators about itself: by commands that are RPCs, by pages over HTTP.
package console

import (
	"encoding/json"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Console is that of one server. All fields are needed.
type Console struct {
	Role    string // "meta" or "replica"
	Started time.Time
	Clock   func() time.Time
	// Settings are what can be looked at, and changed if they have a Set.
	Settings []Setting
	// Counters returns what the server counts.
	Counters func() []Counter
	// Health says whether the store takes writes: "ok", or why not. failed is set if it
	// will not before it is opened anew.
	Health func() (state, reason string, failed bool)
	// Pages are pages that only servers of this role have, by path, Commands
	// their commands.
	Pages    Pages
	Commands []Command
}

// Counter is something that a server counts, by the name that Pegasus has for it.
type Counter struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"` // NUMBER, VOLATILE_NUMBER, RATE or NUMBER_PERCENTILES
	Value float64 `json:"value"`
}

// Answers reports whether a request is one to the console.
func (c *Console) Answers(r *request.Request) bool {
	task := string(r.Task)
	return task == wire.TaskRemoteCommand || task == wire.TaskNegotiation
}

// Admit is that of a request to the console.
func (c *Console) Admit(r *request.Request) request.Verdict {
	if string(r.Task) == wire.TaskNegotiation { // bytes
		return request.Verdict{}
	}
	return request.Verdict{Memory: r.DecodedMemory()}
}

// Answer carries out a request to the console and appends the answer.
func (c *Console) Answer(r *request.Request, dst []byte) []byte {
	if string(r.Task) == wire.TaskNegotiation {
		return negotiate(r, dst)
	}
	var req wire.Command
	wire.Of(&req).Read(&r.Arg)
	if r.Undecodable() {
		return dst
	}
	return wire.AppendReply(dst, &r.Request, wire.TaskRemoteCommand+wire.AckSuffix, wire.Text(c.run(&req)))
}

// negotiate authenticates a client, or tells it that it need not.
func negotiate(r *request.Request, dst []byte) []byte {
	var req wire.Negotiation
	wire.Of(&req).Read(&r.Arg)
	if r.Undecodable() {
		return dst
	}
	resp, err := r.Client.Negotiate(req)
	if err != nil {
		r.Refused = err
		return dst
	}
	return wire.AppendReply(dst, &r.Request, wire.TaskNegotiation+wire.AckSuffix, wire.Of(&resp))
}

// serverVersion is the Pegasus release whose behaviour is followed.
const serverVersion = "2.5.0"

// revision is the commit that the program was built from, if it knows.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, e := range info.Settings {
			if e.Key == "vcs.revision" {
				return e.Value
			}
		}
	}
	return "unknown"
}

// JSON returns v as text.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Pages are pages by their path.
type Pages map[string]func(query url.Values) (status int, body string)
