package pegasus_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// longestMessage is what a person reads in a line of a log.
const longestMessage = 500

// failures are servers and networks that make every operation fail, at once or
// in the end.
var failures = map[string]func(c *peer.Cluster){
	"hangs":        func(c *peer.Cluster) { c.Hang(c.Nodes[0]); c.Hang(c.Nodes[1]) },
	"breaks":       func(c *peer.Cluster) { answerAll(c, peer.Hangup) },
	"refuses":      func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrACLDeny)) },
	"times out":    func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrTimeout)) },
	"unknown code": func(c *peer.Cluster) { answerAll(c, peer.Code("ERR_FROM_THE_FUTURE")) },
	"another RPC":  func(c *peer.Cluster) { answerAll(c, peer.Result(wire.ContextID(3))) },
	"table not found": func(c *peer.Cluster) {
		became(c)
		c.Update(func(tb *peer.Table) { tb.Name = "other" })
		answerAll(c, peer.Code(wire.ErrObjectNotFound))
	},
	"HTTP": func(c *peer.Cluster) {
		answerAll(c, func(r *peer.Request) { r.Send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	},
	"corruption": func(c *peer.Cluster) {
		answerAll(c, peer.Result(wire.UpdateResponse{Error: wire.StatusCorruption}))
	},
	"meta servers refuse": func(c *peer.Cluster) { c.Nodes[0].Stop(); c.Nodes[1].Stop(); c.Meta.Stop() },
	"meta servers hang":   func(c *peer.Cluster) { c.Nodes[0].Stop(); c.Nodes[1].Stop(); c.Hang(c.Meta) },
	"meta servers vanish": func(c *peer.Cluster) { c.Nodes[0].Stop(); c.Nodes[1].Stop(); c.Vanish(c.Meta) },
}

// readable checks the message of an error: one line, not too long, and no server
// is in it more than once.
func readable(t *testing.T, what string, err error, servers ...*peer.Server) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded", what)
		return
	}
	msg := err.Error()
	if strings.ContainsAny(msg, "\n\t") {
		t.Errorf("%s: more than a line: %.300q", what, msg)
	}
	if len(msg) > longestMessage {
		t.Errorf("%s: %d bytes: %.300q...", what, len(msg), msg)
	}
	for _, s := range servers {
		if n := strings.Count(msg, s.Addr()); n > 1 {
			t.Errorf("%s: %s is named %d times: %.300q", what, s.Addr(), n, msg)
		}
	}
	var pe *pegasus.PError
	if errors.As(err, &pe) && pe.Server != "" && !strings.Contains(msg, pe.Server) {
		t.Errorf("%s: %s is not named: %q", what, pe.Server, msg)
	}
}

// Every error is one line in which the server is named once, whatever failed and
// however often.
func TestMessagesAreLines(t *testing.T) {
	all := make(map[string]func(c *peer.Cluster))
	for name, f := range faults {
		all[name] = f
	}
	for name, f := range failures {
		all[name] = f
	}
	for name, script := range all {
		for _, m := range methods {
			t.Run(name+"/"+m.name, func(t *testing.T) {
				scripted(t, 2, 8, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					getAll(t, tb, 8)
					script(c)
					servers := append([]*peer.Server{c.Meta}, c.Nodes...)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					readable(t, "with a deadline", m.call(ctx, tb), servers...)
					readable(t, "without a deadline", m.call(context.Background(), tb), servers...)
				})
			})
		}
	}
}

// Twenty keys that fail are one line, too.
func TestMessageOfManyKeys(t *testing.T) {
	for name, script := range failures {
		for _, known := range []bool{true, false} {
			t.Run(name+"/server knows batch_get="+strconv.FormatBool(known), func(t *testing.T) {
				scripted(t, 2, 20, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					getAll(t, tb, 20)
					script(c)
					if !known {
						c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := tb.BatchGet(ctx, manyKeys(20, 1))
					readable(t, "a key in each partition", err, c.Nodes...)
					ctx, cancel = context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err = tb.BatchGet(ctx, manyKeys(20, 20)[:20])
					readable(t, "all keys in a partition", err, c.Nodes...)
				})
			})
		}
	}
}

// The error of many keys says how many could not be read, and why: each reason
// once, and all of them to errors.Is.
func TestReasonsOfManyKeys(t *testing.T) {
	script := func(r *peer.Request) {
		switch r.PartitionIndex % 4 {
		case 0:
			r.Fail(wire.ErrACLDeny)
		case 1:
			r.Fail("ERR_FROM_THE_FUTURE")
		default:
			answer(r)
		}
	}
	for _, known := range []bool{true, false} {
		t.Run("server knows batch_get="+strconv.FormatBool(known), func(t *testing.T) {
			scripted(t, 2, 16, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(wire.TaskGet, script)
				c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
				if known {
					c.On(wire.TaskBatchGet, script)
				}
				_, err := tb.BatchGet(t.Context(), manyKeys(16, 2))
				wantError(t, err, []error{pegasus.ErrACLDeny, pegasus.ErrorCode("ERR_FROM_THE_FUTURE")}, pegasus.ErrBusy)
				readable(t, "BatchGet", err, c.Nodes...)
				for _, part := range []string{"16 of 32 keys", "ERR_ACL_DENY (8 keys)", "ERR_FROM_THE_FUTURE (8 keys)"} {
					if msg := err.Error(); strings.Count(msg, part) != 1 {
						t.Errorf("%q is not once in %q", part, msg)
					}
				}
				// One reason of one server, and one of a single request.
				_, err = tb.BatchGet(t.Context(), append(manyKeys(16, 2)[:2], manyKeys(16, 2)[4:8]...))
				if msg, want := err.Error(), `at `+c.Nodes[0].Addr()+`: 2 of 6 keys failed: ERR_ACL_DENY`; !strings.Contains(msg, want) {
					t.Errorf("%q is not in %q", want, msg)
				}
				_, err = tb.BatchGet(t.Context(), manyKeys(16, 1)[:1])
				if msg, want := err.Error(), `partition 2.0 at `+c.Nodes[0].Addr()+`: ERR_ACL_DENY`; !strings.Contains(msg, want) {
					t.Errorf("%q is not in %q", want, msg)
				}
			})
		})
	}
}

// Waiting to connect differs from waiting for an answer.
func TestMessageOfWaiting(t *testing.T) {
	waiting := func(fail func(c *peer.Cluster)) (msg string) {
		scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			fail(c)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := tb.Get(ctx, h, s)
			wantError(t, err, []error{context.DeadlineExceeded})
			msg = err.Error()
		})
		return msg
	}
	toConnect := waiting(func(c *peer.Cluster) { c.Vanish(c.Nodes[0]) })
	forAnswer := waiting(func(c *peer.Cluster) { c.On(wire.TaskGet, peer.Silence) })
	if !strings.Contains(toConnect, "connect") || strings.Contains(toConnect, "answer") {
		t.Errorf("waiting to connect is %q", toConnect)
	}
	if !strings.Contains(forAnswer, "answer") || strings.Contains(forAnswer, "connect") {
		t.Errorf("waiting for an answer is %q", forAnswer)
	}
}

// A closed table is not a closed client.
func TestMessageOfClosed(t *testing.T) {
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			closed := func(end func(cl pegasus.Client, tb pegasus.TableConnector)) (msg string) {
				scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
					cl := clientOf(t, c, pegasus.Config{})
					tb := openTemp(t, cl)
					end(cl, tb)
					err := m.call(t.Context(), tb)
					wantError(t, err, []error{pegasus.ErrClosed})
					msg = err.Error()
				})
				return msg
			}
			table := closed(func(_ pegasus.Client, tb pegasus.TableConnector) { tb.Close() })
			client := closed(func(cl pegasus.Client, _ pegasus.TableConnector) { cl.Close() })
			if strings.Contains(table, "client is closed") || table == client {
				t.Errorf("after closing the table: %q, after closing the client: %q", table, client)
			}
		})
	}
}

// Operations of many requests name the server that they waited for, and say why,
// also when it is the caller's context that ends the waiting.
func TestMessageNamesTheServer(t *testing.T) {
	for _, m := range methods {
		if m.name == "BatchGet" {
			continue // of several servers
		}
		for name, end := range map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
			"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
			"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Second, cancel)
				return ctx, cancel
			},
			"no deadline": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		} {
			t.Run(m.name+"/"+name, func(t *testing.T) {
				scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					answerAll(c, peer.Silence)
					ctx, cancel := end(t.Context())
					defer cancel()
					err := m.call(ctx, tb)
					var pe *pegasus.PError
					if !errors.As(err, &pe) || pe.Server != c.Nodes[0].Addr() || !strings.Contains(err.Error(), pe.Server) {
						t.Errorf("the server is not named: %v", err)
					}
				})
			})
		}
	}
}

// A write above the server's limit says how large it was and what the limit is.
// One that is refused for another reason does not.
func TestMessageOfLargeWrite(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		answerAll(c, peer.Code(wire.ErrInvalidData))
		large := make([]byte, 2<<20)
		size, limit := regexp.MustCompile(`\b2(\.\d+)? MiB|\b209[78]\d{3}\b`), regexp.MustCompile(`\b1 MiB|\b1048576\b`)
		for name, call := range map[string]func(value []byte) error{
			"Set":      func(value []byte) error { return tb.Set(t.Context(), h, s, value) },
			"MultiSet": func(value []byte) error { return tb.MultiSet(t.Context(), h, [][]byte{s}, [][]byte{value}) },
			"CheckAndSet": func(value []byte) error {
				_, err := tb.CheckAndSet(t.Context(), h, s, pegasus.CheckTypeNoCheck, nil, s, value, nil)
				return err
			},
		} {
			err := call(large)
			wantError(t, err, []error{pegasus.ErrInvalidData})
			if msg := err.Error(); !size.MatchString(msg) || !limit.MatchString(msg) {
				t.Errorf("%s of 2 MiB: %q", name, msg)
			}
			err = call([]byte("small"))
			wantError(t, err, []error{pegasus.ErrInvalidData})
			if msg := err.Error(); limit.MatchString(msg) {
				t.Errorf("%s of 5 bytes: %q", name, msg)
			}
		}
	})
}

// A timeout of the client is no answer ERR_TIMEOUT of a server. If that code goes
// by the name of ErrTimeout, which a reader takes for both, it is both to
// errors.Is.
func TestTimeoutIsNotConfused(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	must(t, err)
	named := false
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
			for _, spec := range g.Specs {
				named = named || spec.(*ast.ValueSpec).Names[0].Name == "ErrTimeout"
			}
		}
	}
	for _, m := range methods {
		scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			answerAll(c, peer.Silence)
			if err := m.call(context.Background(), tb); errors.Is(err, pegasus.ErrorCode(wire.ErrTimeout)) != named {
				t.Errorf("%s is ERR_TIMEOUT to errors.Is: %v, want %v: %v", m.name, !named, named, err)
			}
		})
	}
}
