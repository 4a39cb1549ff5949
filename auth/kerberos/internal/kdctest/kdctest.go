// Package kdctest runs a KDC of MIT Kerberos for tests, on the loopback network.
//
// It needs the Debian packages krb5-kdc, krb5-admin-server, krb5-user and faketime. Where they
// are not installed a test is skipped, and says so, unless the environment variable
// PEGASUS_TEST_KDC is "required": then it fails.
package kdctest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Realm is the realm of the KDC, Service the principal of the servers in it.
const (
	Realm   = "PEGASUS.TEST"
	Service = "pegasus/localhost"
)

// KDC is a realm with a running KDC.
type KDC struct {
	Dir  string
	Conf string // krb5.conf

	realm string
	addr  string
	env   []string
}

// Need skips the test, or fails it, unless the programs are installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if Program(p) != "" {
			continue
		}
		if os.Getenv("PEGASUS_TEST_KDC") == "required" {
			t.Fatalf("%s is not installed, and PEGASUS_TEST_KDC says that it has to be", p)
		}
		t.Skipf("NOT TESTED: %s is not installed (apt-get install krb5-kdc krb5-admin-server krb5-user faketime sasl2-bin libsasl2-modules-gssapi-mit)", p)
	}
}

// Program returns the path of a program, which may be where only root looks.
func Program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	return ""
}

// Start makes the realm, with the service and further principals, of each of which there
// is a keytab. It runs until the test ends.
func Start(t testing.TB, principals ...string) *KDC {
	t.Helper()
	return StartRealm(t, Realm, principals...)
}

// StartRealm is Start for another realm.
func StartRealm(t testing.TB, realm string, principals ...string) *KDC {
	t.Helper()
	Need(t, "krb5kdc", "kadmin.local", "kdb5_util", "kinit", "faketime")
	k := &KDC{Dir: t.TempDir(), realm: realm, addr: freeAddr(t)}
	k.write(t, "kdc.conf", `
[logging]
	kdc = STDERR
[kdcdefaults]
	kdc_listen = %[1]s
	kdc_tcp_listen = %[1]s
[realms]
	%[2]s = {
		database_name = %[3]s/principal
		key_stash_file = %[3]s/stash
		acl_file = %[3]s/acl
		max_life = 24h
		max_renewable_life = 7d
		default_principal_flags = +preauth
		supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal aes256-cts-hmac-sha384-192:normal
	}
`, k.addr, k.realm, k.Dir)
	k.Conf = k.WriteConf(t, "krb5.conf", k.addr)
	k.env = append(os.Environ(), "KRB5_CONFIG="+k.Conf, "KRB5_KDC_PROFILE="+filepath.Join(k.Dir, "kdc.conf"))
	k.Run(t, "kdb5_util", "create", "-s", "-r", k.realm, "-P", "master")
	for _, p := range append(principals, Service) {
		k.Admin(t, "addprinc -randkey "+p)
		k.Admin(t, "ktadd -k "+k.Keytab(p)+" "+p)
	}
	k.serve(t)
	return k
}

func (k *KDC) write(t testing.TB, name, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(k.Dir, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteConf writes a krb5.conf for KDCs at some addresses, and returns its path.
func (k *KDC) WriteConf(t testing.TB, name string, addrs ...string) string {
	t.Helper()
	var kdcs strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&kdcs, "\t\tkdc = %s\n", a)
	}
	return k.write(t, name, `
[libdefaults]
	default_realm = %[1]s
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
	ticket_lifetime = 10h
	renew_lifetime = 24h
[realms]
	%[1]s = {
%[2]s	}
`, k.realm, kdcs.String())
}

// Trusts makes the realm believe what other says of its clients, and returns a krb5.conf with
// both, in which other is the default.
func (k *KDC) Trusts(t testing.TB, other *KDC) (conf string) {
	t.Helper()
	for _, side := range []*KDC{k, other} {
		side.Admin(t, "addprinc -pw trust krbtgt/"+k.realm+"@"+other.realm)
	}
	b, err := os.ReadFile(other.Conf)
	if err != nil {
		t.Fatal(err)
	}
	return other.write(t, "both.conf", "%s\t%s = {\n\t\tkdc = %s\n\t}\n", b, k.realm, k.addr)
}

// Addr returns the address of the KDC.
func (k *KDC) Addr() string { return k.addr }

// Keytab returns the keytab of a principal.
func (k *KDC) Keytab(principal string) string {
	return filepath.Join(k.Dir, strings.NewReplacer("/", "_", "@", "_").Replace(principal)+".keytab")
}

// Admin runs a command of kadmin.local.
func (k *KDC) Admin(t testing.TB, command string) {
	t.Helper()
	if out := k.Run(t, "kadmin.local", "-r", k.realm, "-q", command); strings.Contains(out, "while") { // its status is 0 in any case
		t.Fatalf("kadmin.local: %s: %s", command, out)
	}
}

// Run runs a program, if it is not found as one that only root has, with the configuration of
// the realm.
func (k *KDC) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := k.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Command returns a program with the configuration of the realm.
func (k *KDC) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(Program(name), args...)
	cmd.Env = k.env
	return cmd
}

// Kinit puts the ticket of a principal into a credential cache and returns the file.
func (k *KDC) Kinit(t testing.TB, principal string, options ...string) string {
	t.Helper()
	ccache := filepath.Join(t.TempDir(), "ccache")
	k.Run(t, "kinit", append([]string{"-c", ccache, "-k", "-t", k.Keytab(principal)}, append(options, principal)...)...)
	return ccache
}

// At starts another KDC of the realm whose clock is off by d, such as "-2h" or "+10m", and
// returns it. The programs that the result runs are in its time.
func (k *KDC) At(t testing.TB, d string) *KDC {
	t.Helper()
	off := &KDC{Dir: k.Dir, realm: k.realm, addr: freeAddr(t)}
	off.Conf = off.WriteConf(t, "krb5"+d+".conf", off.addr)
	profile := off.write(t, "kdc"+d+".conf", "[logging]\n\tkdc = STDERR\n[kdcdefaults]\n\tkdc_listen = %[1]s\n\tkdc_tcp_listen = %[1]s\n%[2]s", off.addr, k.realms(t))
	// The program faketime would stay in front of the others.
	preload := strings.TrimSpace(k.Run(t, "faketime", "-f", d, "printenv", "LD_PRELOAD"))
	off.env = append(os.Environ(), "KRB5_CONFIG="+off.Conf, "KRB5_KDC_PROFILE="+profile, "LD_PRELOAD="+preload, "FAKETIME="+d, "FAKETIME_NO_CACHE=1")
	off.serve(t)
	return off
}

// realms returns the section of kdc.conf.
func (k *KDC) realms(t testing.TB) string {
	b, err := os.ReadFile(filepath.Join(k.Dir, "kdc.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)[strings.Index(string(b), "[realms]"):]
}

// serve runs a KDC until the test ends. It returns when the KDC is there.
func (k *KDC) serve(t testing.TB) {
	t.Helper()
	cmd := k.Command("krb5kdc", "-n", "-r", k.realm)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, said := make(chan bool, 1), new(strings.Builder)
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := bufio.NewScanner(log); s.Scan(); {
			fmt.Fprintln(said, s.Text())
			if strings.Contains(s.Text(), "commencing operation") {
				ready <- true
			}
		}
		close(ready)
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		wg.Wait()
		_ = cmd.Wait()
	})
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("krb5kdc at %s has ended: %s", k.addr, said)
		}
	case <-time.After(time.Minute):
		t.Fatalf("krb5kdc at %s does not begin", k.addr)
	}
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
