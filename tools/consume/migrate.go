package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// migrate carries out the steps of docs/migrating.md on programs for the official client.
func (u *user) migrate(*numbers) error {
	doc, err := u.source("docs/migrating.md")
	if err != nil {
		return err
	}
	steps, err := block(doc, "<!-- sh: consume: steps -->\n```sh\n")
	if err != nil {
		return err
	}
	dir := filepath.Join(u.dir, "migrate")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(u.root, "tools/consume/testdata/migrate"))); err != nil {
		return err
	}
	if err := u.steps(dir, "go mod init example.com/migrate", "go mod edit -require="+officialModule+"@"+version); err != nil {
		return err
	}
	if u.official {
		if err := u.steps(dir, "go mod tidy", "go vet ./..."); err != nil {
			return fmt.Errorf("before the steps: %w", err)
		}
	}
	if _, err := u.run(dir, "bash", "-euo", "pipefail", "-c", steps); err != nil {
		return err
	}
	if err := noTrace(dir); err != nil {
		return err
	}
	return u.withOnebox(func(meta string) error {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(fmt.Sprintf(`{"meta_servers": [%q]}`, meta)), 0o666); err != nil {
			return err
		}
		u.env = append(u.env, "META="+meta)
		return u.steps(dir, "go run ./store config.json", "go run ./browse "+meta, "go run ./steady "+meta, "go test ./...")
	})
}

// old is what the steps have to replace, go fix included. The Op... names stay: they are
// constants that cannot be inlined.
var old = regexp.MustCompile(`incubator-pegasus|pegalog|config\.|NewScanOptions|NewConfig|OpType`)

func noTrace(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no files in %s: %w", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if found := old.Find(text); found != nil {
			return fmt.Errorf("%s has %q after the steps:\n%s", filepath.Base(file), found, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err == nil && old.Match(text) {
		err = fmt.Errorf("after the steps go.mod is\n%s", text)
	}
	return err
}
