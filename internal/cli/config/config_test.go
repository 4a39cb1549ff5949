package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestExample(t *testing.T) {
	f, err := Parse(Example)
	if err != nil {
		t.Fatal(err)
	}
	want := File{Default: "dev", Cluster: map[string]Cluster{
		"dev": {Meta: []string{"127.0.0.1:34601"}},
		"prod": {Meta: []string{"10.0.0.1:34601", "10.0.0.2:34601"}, ClusterName: "prod-eu", Table: "users", Timeout: 3 * time.Second, Danger: true, Kerberos: &Kerberos{
			Service: "pegasus/pegasus.example.com", Principal: "alice@EXAMPLE.COM", Keytab: "/etc/alice.keytab", Krb5Conf: "/etc/krb5.conf",
		}},
	}}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v, want %+v", f, want)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[cluster.a]":                                          "cluster.a: meta: no address",
		"[cluster.a]\nmeta = [\"\"]":                           "meta: an address is empty",
		"[cluster.\" \"]\nmeta = [\"a:1\"]":                    "has no name",
		"[cluster.a]\nmeta = [\"a:1\"]\nreadonly = true":       "no setting cluster.a.readonly",
		"[cluster.a]\nmeta = [\"a:1\"]\n[cluster.a.kerberos]":  "cluster.a: kerberos.service: is required",
		"[cluster.a]\nmeta = [\"a:1\"]\nkerberos.user = \"x\"": "no setting cluster.a.kerberos.user",
		"[cluster.a]\nmeta = [\"a:1\"]\nread_only = \"no\"":    "incompatible types",
		"[cluster.a]\nmeta = [\"a:1\"]\ntimeout = \"-3s\"":     "timeout: -3s is no time",
		"[cluster.a]\nmeta = [\"a:1\"]\ntimeout = \"soon\"":    "soon",
		"default = \"b\"\n[cluster.a]\nmeta = [\"a:1\"]":       `default: there is no cluster "b"`,
		"default = \"\"": `default: there is no cluster ""`,
		"\n\nx =":        "line 3",
	} {
		if f, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %s", text, f, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	getenv := func(name string) string { return env[name] }
	f, err := Load(getenv)
	if err != nil || f.Path != filepath.Join(dir, "pegasus", "config.toml") || f.Cluster != nil {
		t.Errorf("without a file: %+v, %v", f, err)
	}
	if _, err := f.Find("a"); err == nil || !strings.Contains(err.Error(), f.Path) {
		t.Errorf("Find without a file: %v", err)
	}
	env["PEGASUS_CONFIG"] = filepath.Join(dir, "mine")
	if _, err := Load(getenv); err == nil || !strings.Contains(err.Error(), "PEGASUS_CONFIG") {
		t.Errorf("a named file that is not there: %v", err)
	}
	if err := os.WriteFile(env["PEGASUS_CONFIG"], []byte(Example), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := Load(getenv); err != nil || len(f.Cluster) != 2 {
		t.Errorf("%+v, %v", f, err)
	} else if _, err := f.Find("staging"); err == nil || !strings.Contains(err.Error(), "there are dev prod") {
		t.Errorf("Find: %v", err)
	}
	if err := os.WriteFile(env["PEGASUS_CONFIG"], []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(getenv); err == nil || !strings.Contains(err.Error(), env["PEGASUS_CONFIG"]) {
		t.Errorf("a file with an error: %v", err)
	}
	if f, err := Load(func(string) string { return "" }); err != nil || f.Path != "" {
		t.Errorf("with no environment: %+v, %v", f, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{Example, "", "[cluster]", "cluster = 1", "[cluster.a]\nmeta = [\"a\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		file, err := Parse(s)
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			if c, err := file.Find(name); err != nil || len(c.Meta) == 0 {
				t.Errorf("%q has %q: %+v, %v", s, name, c, err)
			}
		}
	})
}
