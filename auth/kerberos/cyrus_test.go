package kerberos

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/auth/kerberos/acceptor"
	"github.com/pegasus-go/pegasus/auth/kerberos/internal/kdctest"
)

// Servers of Apache Pegasus use the SASL library of Cyrus, which comes with an example of either
// side. They talk in lines: "C: " and "S: " in front of base64.

// sample is a running example program.
type sample struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Scanner
	all strings.Builder
}

func startSample(t testing.TB, k *kdctest.KDC, env []string, name string, args ...string) *sample {
	t.Helper()
	kdctest.Need(t, name, "stdbuf")
	cmd := k.Command("stdbuf", append([]string{"-oL", kdctest.Program(name)}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &sample{t: t, in: in, out: bufio.NewScanner(out)}
}

// until reads up to a line that begins with one of prefixes, and returns what is behind it.
func (s *sample) until(prefixes ...string) (prefix, rest string) {
	s.t.Helper()
	for s.out.Scan() {
		fmt.Fprintln(&s.all, s.out.Text())
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(s.out.Text(), p); ok {
				return p, rest
			}
		}
	}
	s.t.Fatalf("no %q: %s", prefixes, s.all.String())
	return "", ""
}

func (s *sample) bytes(text string) []byte {
	s.t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	must(s.t, err)
	return b
}

func (s *sample) say(who string, b []byte) {
	fmt.Fprintf(s.in, "%s: %s\n", who, base64.StdEncoding.EncodeToString(b))
}

func TestWithServerOfCyrus(t *testing.T) {
	k := kdctest.Start(t, "alice/laptop")
	s := startSample(t, k, []string{"KRB5_KTNAME=" + k.Keytab(kdctest.Service)}, "sasl-sample-server", "-s", "pegasus", "-m", "GSSAPI", "-d", "localhost")
	x, err := keytabOf(t, k, "alice/laptop").Start(t.Context(), "")
	must(t, err)
	if _, list := s.until("S: "); string(s.bytes(list)) != "GSSAPI" {
		t.Fatalf("the server offers %q", s.bytes(list))
	}
	answer, err := x.Step(t.Context(), nil)
	must(t, err)
	s.say("C", append([]byte("GSSAPI\x00"), answer...))
	for {
		said, challenge := s.until("S: ", "Negotiation complete")
		if said != "S: " {
			break
		}
		answer, err := x.Step(t.Context(), s.bytes(challenge))
		must(t, err)
		s.say("C", answer)
	}
	if !x.Done() {
		t.Error("the server is content, the client is not")
	}
	if _, user := s.until("Username: "); user != "alice/laptop" {
		t.Errorf("the server knows the client as %q", user)
	}
}

func TestWithClientOfCyrus(t *testing.T) {
	k := kdctest.Start(t, "alice/laptop")
	accept, err := acceptor.New(acceptor.Config{Keytab: k.Keytab(kdctest.Service)})
	must(t, err)
	c := startSample(t, k, []string{"KRB5CCNAME=" + k.Kinit(t, "alice/laptop")}, "sasl-sample-client", "-s", "pegasus", "-n", "localhost", "-m", "GSSAPI")
	c.say("S", []byte("GSSAPI"))
	x := accept.Accept()
	for first := true; ; first = false {
		_, text := c.until("C: ")
		message := c.bytes(text)
		if first {
			message = []byte(strings.TrimPrefix(string(message), "GSSAPI\x00"))
		}
		challenge, done, err := x.Step(message)
		must(t, err)
		if done {
			break
		}
		c.say("S", challenge)
	}
	if x.Principal() != "alice/laptop@"+kdctest.Realm {
		t.Errorf("the client is %q", x.Principal())
	}
}
