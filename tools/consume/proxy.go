package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	mod "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// publish adds the module in the folder root to a folder that is a module proxy.
func publish(proxy, path, root string) error {
	escaped, err := mod.EscapePath(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, escaped, "@v")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"list":            version + "\n",
		version + ".info": fmt.Sprintf(`{"Version":%q,"Time":"2020-01-01T00:00:00Z"}`, version),
		version + ".mod":  string(gomod),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(f, mod.Version{Path: path, Version: version}, root); err != nil {
		return err
	}
	return f.Close()
}

// publishAdapter adds a module that needs the main one, as it is released: with a version of that in place of
// the folder. dir is for the copy.
func publishAdapter(proxy, path, root, dir string) error {
	if err := os.CopyFS(dir, os.DirFS(root)); err != nil {
		return err
	}
	file := filepath.Join(dir, "go.mod")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	gomod := string(b)
	for old, released := range map[string]string{
		module + " v0.0.0":                module + " " + version,
		"replace " + module + " => ../..": "",
	} {
		if !strings.Contains(gomod, old) {
			return fmt.Errorf("%s: there is no %q", file, old)
		}
		gomod = strings.Replace(gomod, old, released, 1)
	}
	if err := os.WriteFile(file, []byte(gomod), 0o666); err != nil {
		return err
	}
	return publish(proxy, path, dir)
}
