package config

import (
	"strings"
	"testing"
)

func TestParseKerberos(t *testing.T) {
	for line, want := range map[string]Kerberos{
		"pegasus/host": {Service: "pegasus/host"},
		"service=pegasus/host,principal=alice@R,keytab=/etc/a=b.keytab": {Service: "pegasus/host", Principal: "alice@R", Keytab: "/etc/a=b.keytab"},
		"ccache=/tmp/c,service=p/h,krb5_conf=/etc/k":                    {Service: "p/h", CCache: "/tmp/c", Krb5Conf: "/etc/k"},
	} {
		got, err := ParseKerberos(line)
		if got != want || err != nil {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
		if again, err := ParseKerberos(got.String()); again != want || err != nil {
			t.Errorf("%q: %+v, %v", got.String(), again, err)
		}
	}
	for line, want := range map[string]string{
		"":                         "service: is required",
		"principal=alice":          "service: is required",
		"service=p/h,alice":        `"alice" is no name=value`,
		"service=p/h,keytab=":      "keytab: is empty",
		"service=p/h,service=p/h":  "service: is there twice",
		"service=p/h,Principal=me": `there is no setting "Principal", but service principal keytab ccache krb5_conf`,
	} {
		if k, err := ParseKerberos(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %s", line, k, err, want)
		}
	}
}
