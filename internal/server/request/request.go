// Package request is what connections and the roles of a server have in common:
// a request on its way, and how it is carried out. A role knows no connection,
// a connection no table.
package request

import (
	"math"
	"net/netip"
	"net/url"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/access"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// Role carries out the requests to a node: as a meta server or as a replica
// server. Its methods are called concurrently.
type Role interface {
	// Listens tells the address of the node, before the first request.
	Listens(addr wire.Address)
	// NewCall returns what carries out requests one after another.
	NewCall() Call
	// Page answers an HTTP request. The body of a redirection is where to.
	Page(path string, query url.Values) (status int, body string)
	// Crashed says that what clients had open on the node is lost.
	Crashed()
}

// Call carries out requests one after another. It remembers of a request that
// was admitted what is needed to answer it.
type Call interface {
	// Table returns the name of the table that a request is about, or "".
	Table(r *Request) string
	// Admit decides on a request before it is carried out. A request that has
	// waited is admitted again.
	Admit(r *Request) Verdict
	// Answer carries out the request that was admitted last, and appends the
	// answer. It does so in r's frame, which it may keep until it returns.
	Answer(r *Request, dst []byte) []byte
	// Commit carries out the requests that were staged, and completes their answers
	// in out, which is what Answer has returned last. It comes before any request
	// that is not to join those that are staged.
	Commit(r *Request, out []byte)
	// Observe is told how long a request has taken until its answer is ready, and before
	// that is sent: one of those that have arrived together.
	Observe(done stats.Request, d time.Duration)
	// Failed is told that a request is answered with an error that Answer knows nothing of.
	Failed(r *Request, code wire.ErrorCode)
}

// Verdict is the decision on a request before it is carried out.
type Verdict struct {
	Code  wire.ErrorCode // if not empty, the answer
	Drop  bool           // no answer
	Delay time.Duration  // first
	// Slow says that it may take long.
	Slow bool
	// OnlyAnswers says that nothing comes of it but the answer: if it is slow, it
	// ends when the client has stopped waiting.
	OnlyAnswers bool
	// Joins says that it may be carried out together with requests that are staged.
	Joins bool
	// Memory is about how many bytes it takes decoded, beside its frame.
	Memory int
}

// Request is a request on its way through a server.
type Request struct {
	wire.Request
	// Reached is the IPv4 address by which the client has reached the server, if
	// there is one.
	Reached netip.Addr
	// Client is who has sent it; nil if that is nobody's business.
	Client *access.Client
	// Now is the time in seconds of the Pegasus epoch.
	Now uint32
	// Waited is set when throttling was gone through, which happens only once.
	Waited bool

	// Quick is set if other requests wait for this one. If it turns out to take
	// long, Answer gives up, sets Long and appends what is thrown away: it is
	// carried out once more, not quickly.
	Quick, Long bool
	// Pace is called from time to time by requests that take long. They end, with
	// what they have, if it returns false. It is nil for quick requests.
	Pace func() bool
	// Room makes room for n more bytes of the answer, or returns false if there
	// is none. Nil is no limit.
	Room func(n int) bool

	// Malformed is set by Answer if the body could not be decoded, which ends the
	// connection.
	Malformed bool
	// Refused is set by Answer if the client could not be authenticated, which ends the
	// connection.
	Refused error

	// Staged is set by Answer if the request is carried out by the next Commit,
	// which completes its answer. Answer does so only with quick ones.
	Staged bool

	// Done is set by Answer to what was carried out, for Observe.
	Done stats.Request

	// Writes are those of the requests carried out that nobody has waited for.
	Writes Writes
}

// Parse makes r the request in a frame, as delimited by wire.RequestSize. Writes,
// Reached and Client stay.
func (r *Request) Parse(frame []byte) error {
	r.Waited, r.Quick, r.Long, r.Malformed, r.Staged = false, false, false, false, false
	r.Refused, r.Done = nil, stats.Request{}
	return r.Request.Parse(frame)
}

// decodedShare is how much larger lists, texts and maps get when they are decoded,
// at most.
const decodedShare = 32

// DecodedMemory is about how many bytes the request takes decoded at most, if it
// is about the administration.
func (r *Request) DecodedMemory() int {
	return int(min(int64(r.BodySize)*decodedShare, math.MaxInt32))
}

// Undecodable reports, and notes, that the body could not be decoded.
func (r *Request) Undecodable() bool {
	r.Malformed = r.Arg.Err() != nil
	return r.Malformed
}

// Fail appends an answer that only has an error.
func (r *Request) Fail(dst []byte, code wire.ErrorCode) []byte {
	task := r.Task[:min(len(r.Task), wire.MaxTaskCode)]
	return wire.AppendErrorReply(dst, &r.Request, string(task)+wire.AckSuffix, code)
}
