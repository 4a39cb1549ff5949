// Command consume uses the module as those do who depend on it: through a module
// proxy, made of the checkout, with an empty module cache. It fails if that does not
// work, or if the numbers in the README are not those that it has measured.
//
//	go -C tools run ./consume            compare the numbers
//	go -C tools run ./consume -w         write them
//	go -C tools run ./consume -official DIR
//
// DIR is the folder go-client of a checkout of Apache Pegasus: one program then uses
// both clients. Module proxies do not have the official one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	module  = "github.com/pegasus-go/pegasus"
	version = "v0.0.1"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("consume: ")
	write := flag.Bool("w", false, "write the numbers into the README")
	official := flag.String("official", "", "folder go-client of a checkout of Apache Pegasus")
	flag.Parse()
	if err := run(*write, *official); err != nil {
		log.Fatal(err)
	}
}

func run(write bool, official string) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "consume")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	u := &user{root: root, dir: dir}
	if err := u.setUp(official); err != nil {
		return err
	}
	var n numbers
	for _, s := range []struct {
		name string
		do   func(*numbers) error
	}{
		{"the client alone", u.alone},
		{"the client with the oldest Go", u.oldestGo},
		{"pegasustest in tests", u.inTests},
		{"the client beside thrift v0.13.0", u.besideThrift},
		{"the command, and the program of the README", u.command},
		{"the command with Kerberos", u.withKerberos},
		{"the steps of docs/migrating.md", u.migrate},
		{"the client beside the official one", u.besideOfficial},
	} {
		if s.name == "the client beside the official one" && official == "" {
			continue
		}
		log.Print(s.name)
		if err := s.do(&n); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return n.inReadme(filepath.Join(root, "README.md"), write)
}

// user is somebody with a module cache of their own, who gets what they do not have
// from a folder that looks like a module proxy.
type user struct {
	root string // of the checkout
	dir  string // for everything
	env  []string

	official bool // the official client is there
}

func (u *user) setUp(official string) error {
	proxy := filepath.Join(u.dir, "proxy")
	if err := publish(proxy, module, u.root); err != nil {
		return err
	}
	if err := publishAdapter(proxy, kerberosModule, filepath.Join(u.root, "auth/kerberos"), filepath.Join(u.dir, "kerberos")); err != nil {
		return err
	}
	u.official = official != ""
	if !u.official {
		// A module is needed that can be required; what is in it is not.
		official = filepath.Join(u.root, "tools/consume/testdata/stub")
	}
	if err := publish(proxy, officialModule, official); err != nil {
		return err
	}
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		return err
	}
	fields := strings.Fields(string(out))
	// What the module cache of the machine has need not come over the network.
	u.env = append(os.Environ(),
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(fields[0], "cache/download")+","+fields[1],
		"GOMODCACHE="+filepath.Join(u.dir, "cache"),
		"GOFLAGS=-modcacherw",
		"GOSUMDB=off", // it does not know what nobody has published
		"GOTOOLCHAIN=local",
		"GOWORK=off",
		"CGO_ENABLED=0",
	)
	return nil
}

// module makes a module with the files, and returns its folder.
func (u *user) module(name string, files map[string]string) (string, error) {
	dir := filepath.Join(u.dir, name)
	for file, text := range files {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			return "", err
		}
	}
	_, err := u.run(dir, "go", "mod", "init", "example.com/"+name)
	return dir, err
}

// steps runs commands, up to the first that fails.
func (u *user) steps(dir string, commands ...string) error {
	for _, c := range commands {
		if _, err := u.run(dir, strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command in dir and returns what it has printed.
func (u *user) run(dir string, command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, u.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// source returns a file of the checkout.
func (u *user) source(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(u.root, name))
	return string(b), err
}
