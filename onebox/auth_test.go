package onebox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/sasltest"
	"github.com/pegasus-go/pegasus/onebox"
)

type namelessAcceptor struct{ sasltest.Acceptor }

func (*namelessAcceptor) Mechanism() string { return "" }

// What Auth does to clients is tested beside the client.
func TestAuthOptions(t *testing.T) {
	acceptor := &sasltest.Acceptor{}
	for field, auth := range map[string]onebox.Auth{
		"Auth.Acceptor":      {},
		"Auth.Acceptor ":     {Acceptor: &namelessAcceptor{}},
		"Auth.SuperUsers":    {Acceptor: acceptor, SuperUsers: []string{"root"}},
		"Auth.SuperUsers[1]": {Acceptor: acceptor, ACL: true, SuperUsers: []string{"root", "alice@R"}},
		"Auth.SuperUsers[0]": {Acceptor: acceptor, ACL: true, SuperUsers: []string{"root,alice"}},
	} {
		s, err := onebox.Start(onebox.Options{Auth: &auth})
		if err == nil {
			s.Close()
		}
		var oe *onebox.OptionError
		if !errors.As(err, &oe) || oe.Field != strings.TrimSpace(field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
