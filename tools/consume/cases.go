package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	kerberosModule = module + "/auth/kerberos"
	officialModule = "github.com/apache/incubator-pegasus/go-client"
	hello          = "examples/hello/main.go" // the program of the README
	defaultMeta    = "127.0.0.1:34601"
)

// alone is a program that uses the client and nothing else of the module.
func (u *user) alone(n *numbers) error {
	text, err := u.source(hello)
	if err != nil {
		return err
	}
	dir, err := u.module("alone", map[string]string{"main.go": text})
	if err != nil {
		return err
	}
	if err := u.steps(dir, "go get "+module, "go build -o program .", "go mod tidy", "go vet ."); err != nil {
		return err
	}
	if err := u.linksOnlyTheClient(dir); err != nil {
		return err
	}
	if n.alone, err = u.count(dir); err != nil {
		return err
	}
	if n.size, err = size(filepath.Join(dir, "program")); err != nil {
		return err
	}
	n.base, err = u.base()
	return err
}

func (u *user) linksOnlyTheClient(dir string) error {
	linked, err := u.run(dir, "go", "version", "-m", "program")
	if err == nil && (strings.Count(linked, "\tdep\t") != 1 || !strings.Contains(linked, "\tdep\t"+module+"\t")) {
		err = fmt.Errorf("the program has not just the client in it:\n%s", linked)
	}
	return err
}

// base is the size of a program with what of the standard library every client needs.
func (u *user) base() (int64, error) {
	dir, err := u.module("base", map[string]string{"main.go": `package main

import (
	"context"
	"fmt"
	"log"
	"net"
)

func main() {
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", "localhost:80")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.RemoteAddr())
}
`})
	if err != nil {
		return 0, err
	}
	if err := u.steps(dir, "go build -o program ."); err != nil {
		return 0, err
	}
	return size(filepath.Join(dir, "program"))
}

// oldestGo builds with the Go release that go.mod names, which is what it promises.
func (u *user) oldestGo(*numbers) error {
	gomod, err := u.source("go.mod")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(gomod, "\ngo ")
	oldest, _, _ := strings.Cut(rest, "\n")
	// The environment is the one that this command was started in: toolchains are verified.
	cmd := exec.Command("go", "env", "GOROOT")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=go"+oldest)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	goTool := filepath.Join(strings.TrimSpace(string(out)), "bin", "go")
	return u.steps(filepath.Join(u.dir, "alone"), goTool+" mod edit -go="+oldest, goTool+" build -o oldest .")
}

// inTests is a program that uses the client, and pegasustest in its tests.
func (u *user) inTests(n *numbers) error {
	program, err := u.source(hello)
	if err != nil {
		return err
	}
	test, err := u.source("pegasustest/remember_test.go")
	if err != nil {
		return err
	}
	dir, err := u.module("tests", map[string]string{
		"main.go":                   program,
		"remember/remember_test.go": test,
	})
	if err != nil {
		return err
	}
	if err := u.steps(dir, "go get -t ./...", "go test ./...", "go mod tidy", "go build -o program ."); err != nil {
		return err
	}
	if n.inTests, err = u.count(dir); err != nil {
		return err
	}
	return u.linksOnlyTheClient(dir)
}

// besideThrift is a program that also needs the release of Thrift that the official
// client needs: code generated for it does not compile with a later one.
func (u *user) besideThrift(*numbers) error {
	text, err := u.source("tools/consume/testdata/thrift/main.go")
	if err != nil {
		return err
	}
	dir, err := u.module("thrift", map[string]string{"main.go": text})
	if err != nil {
		return err
	}
	if err := u.steps(dir, "go get github.com/apache/thrift@v0.13.0", "go get "+module+"/...", "go mod tidy", "go build -o program ."); err != nil {
		return err
	}
	out, err := u.run(dir, "go", "list", "-m", "github.com/apache/thrift")
	if err == nil && strings.TrimSpace(out) != "github.com/apache/thrift v0.13.0" {
		err = fmt.Errorf("the program asked for thrift v0.13.0 and has %s", out)
	}
	return err
}

// command carries out what the README says under "A program", with the program there.
func (u *user) command(*numbers) error {
	readme, err := u.source("README.md")
	if err != nil {
		return err
	}
	commands, err := block(readme, "<!-- sh: consume: program -->\n```sh\n")
	if err != nil {
		return err
	}
	program, err := block(readme, "```go\n")
	if err != nil {
		return err
	}
	return u.withOnebox(func(meta string) error {
		dir := filepath.Join(u.dir, "hello")
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		program = strings.ReplaceAll(program, defaultMeta, meta)
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o666); err != nil {
			return err
		}
		out, err := u.run(dir, "bash", "-euo", "pipefail", "-c", commands)
		if err == nil && out != "user_1 is Ann\n" {
			err = fmt.Errorf("the program of the README says %q", out)
		}
		return err
	})
}

// withKerberos installs the command that knows secured clusters, which uses internal packages of another
// module. That it has no krb5.conf shows that it would read one.
func (u *user) withKerberos(*numbers) error {
	bin := filepath.Join(u.dir, "bin")
	program := filepath.Join(bin, "pegasus")
	if _, err := u.run(u.dir, "env", "GOBIN="+bin, "go", "install", kerberosModule+"/cmd/pegasus@latest"); err != nil {
		return err
	}
	_, err := u.run(u.dir, program, "table", "list", "--kerberos", "service=pegasus/localhost,krb5_conf=none")
	if err == nil || !strings.Contains(err.Error(), "Kerberos, from --kerberos: krb5_conf: ") {
		return fmt.Errorf("without a krb5.conf it says %v", err)
	}
	return nil
}

// block returns the code of a document behind the text that it begins with.
func block(doc, begin string) (string, error) {
	_, rest, ok := strings.Cut(doc, begin)
	code, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		return "", fmt.Errorf("the document has no %q", begin)
	}
	return code, nil
}

// besideOfficial is a program that uses both clients.
func (u *user) besideOfficial(*numbers) error {
	text, err := u.source("tools/consume/testdata/official/main.go")
	if err != nil {
		return err
	}
	dir, err := u.module("official", map[string]string{"main.go": text})
	if err != nil {
		return err
	}
	if err := u.steps(dir, "go get "+officialModule, "go get "+module, "go mod tidy", "go build -o program ."); err != nil {
		return err
	}
	return u.withOnebox(func(meta string) error {
		out, err := u.run(dir, "./program", meta)
		if err == nil && out != "each reads what the other has written\n" {
			err = fmt.Errorf("the program says %q", out)
		}
		return err
	})
}

// withOnebox runs do while there is a onebox, and gives it the address of its meta server.
// It is started as the README says, but for the port, which may be taken.
func (u *user) withOnebox(do func(meta string) error) error {
	readme, err := u.source("README.md")
	if err != nil {
		return err
	}
	command, err := block(readme, "<!-- sh: consume: onebox -->\n```sh\n")
	if err != nil {
		return err
	}
	command, _, _ = strings.Cut(command, "#")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	arguments := append(strings.Fields(command), "--listen", "127.0.0.1:0")
	cmd := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = u.dir, u.env, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) } // go run, and what it runs
	cmd.WaitDelay = time.Minute
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines, meta := bufio.NewScanner(stdout), ""
	for meta == "" && lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "meta server "); ok {
			meta = strings.TrimSpace(rest)
		}
	}
	if meta == "" {
		return fmt.Errorf("pegasus onebox did not start: %w", cmd.Wait())
	}
	err = do(meta)
	cancel()
	for lines.Scan() { // to its end
	}
	_ = cmd.Wait() // go run reports the signal
	return err
}
