package argument

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		servers         []string
		operation, dial time.Duration
		name, reason    string // of the error, "" if there is none
	}{
		{[]string{"10.0.0.1:34601", "meta.example.com:1", "[::1]:65535"}, 0, 0, "", ""},
		{[]string{"a:1"}, time.Second, time.Second, "", ""},
		{nil, 0, 0, "MetaServers", "at least one"},
		{[]string{"a:1", "b"}, 0, 0, "MetaServers[1]", "host:port"},
		{[]string{"::1:34601"}, 0, 0, "MetaServers[0]", "host:port"},
		{[]string{":34601"}, 0, 0, "MetaServers[0]", "no host"},
		{[]string{"a:0"}, 0, 0, "MetaServers[0]", "no port"},
		{[]string{"a:65536"}, 0, 0, "MetaServers[0]", "no port"},
		{[]string{"a:"}, 0, 0, "MetaServers[0]", "no port"},
		{[]string{"a:1", " b:1"}, 0, 0, "MetaServers[1]", "in its host"},
		{[]string{"a b:1"}, 0, 0, "MetaServers[0]", "in its host"},
		{[]string{"a,b:1"}, 0, 0, "MetaServers[0]", "in its host"},
		{[]string{"a:1"}, -1, 0, "OperationTimeout", "negative"},
		{[]string{"a:1"}, 0, -1, "DialTimeout", "negative"},
	} {
		err := Config(tc.servers, tc.operation, tc.dial)
		if tc.name == "" {
			if err != nil {
				t.Errorf("%q: %v", tc.servers, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrInvalid) || e.Name != tc.name || !strings.Contains(e.Reason, tc.reason) {
			t.Errorf("%q, %v, %v: error %v", tc.servers, tc.operation, tc.dial, err)
		}
	}
}
