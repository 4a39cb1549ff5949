// Package config reads the file that gives clusters names.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// File is what the file says.
type File struct {
	Path    string             `toml:"-"`
	Default string             `toml:"default"` // the cluster that is meant where none is named
	Cluster map[string]Cluster `toml:"cluster"`
}

// Cluster is what the file says of one.
type Cluster struct {
	Meta []string `toml:"meta"`
	// ClusterName is what its servers have to call it when something is to be changed.
	ClusterName string        `toml:"cluster_name"`
	Table       string        `toml:"table"`
	Timeout     time.Duration `toml:"timeout"`
	ReadOnly    bool          `toml:"read_only"` // commands that change something are refused
	Danger      bool          `toml:"danger"`    // what cannot be undone needs its name
	Kerberos    *Kerberos     `toml:"kerberos"`  // nil: it is not secured
}

// Example is a file that Parse takes, for the help.
const Example = `default = "dev"

[cluster.dev]
meta = ["127.0.0.1:34601"]

[cluster.prod]
meta = ["10.0.0.1:34601", "10.0.0.2:34601"]
cluster_name = "prod-eu"  # changes are refused if the servers have another name
table = "users"           # instead of the first argument
timeout = "3s"
read_only = false         # true: commands that change something are refused
danger = true             # what asks for --yes needs the name of the cluster typed

[cluster.prod.kerberos]   # if it is secured
service = "pegasus/pegasus.example.com"  # service_name/service_fqdn of the servers
principal = "alice@EXAMPLE.COM"          # required with keytab
keytab = "/etc/alice.keytab"             # or ccache: a cache of kinit, by default its own
krb5_conf = "/etc/krb5.conf"`

// Path returns where the file is: $PEGASUS_CONFIG, or pegasus/config.toml in the
// user's directory for such files, "" if there is none. explicit tells the first case.
func Path(getenv func(string) string) (path string, explicit bool) {
	if p := getenv("PEGASUS_CONFIG"); p != "" {
		return p, true
	}
	dir := getenv("XDG_CONFIG_HOME")
	switch home := getenv("HOME"); {
	case dir != "":
	case runtime.GOOS == "windows":
		dir = getenv("AppData")
	case home != "":
		dir = filepath.Join(home, ".config")
	}
	if dir == "" {
		return "", false
	}
	return filepath.Join(dir, "pegasus", "config.toml"), false
}

// Load reads the file. One that nobody has named need not be there.
func Load(getenv func(string) string) (File, error) {
	path, explicit := Path(getenv)
	if path == "" {
		return File{}, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return File{Path: path}, nil
	}
	if err != nil {
		if explicit {
			err = fmt.Errorf("PEGASUS_CONFIG: %w", err)
		}
		return File{}, err
	}
	f, err := Parse(string(b))
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	return f, nil
}

// Parse returns what a text says. What it does not know it refuses, so that a typing
// error in read_only does not go unnoticed.
func Parse(text string) (File, error) {
	var f File
	meta, err := toml.Decode(text, &f)
	if err != nil {
		return File{}, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return File{}, fmt.Errorf("there is no setting %s", unknown[0])
	}
	for _, name := range f.Names() {
		if err := f.Cluster[name].check(name); err != nil {
			return File{}, fmt.Errorf("cluster.%s: %w", name, err)
		}
	}
	if _, ok := f.Cluster[f.Default]; !ok && meta.IsDefined("default") {
		return File{}, fmt.Errorf("default: there is no cluster %q", f.Default)
	}
	return f, nil
}

func (c Cluster) check(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("has no name")
	case len(c.Meta) == 0:
		return errors.New("meta: no address")
	case slices.Contains(c.Meta, ""):
		return errors.New("meta: an address is empty")
	case c.Timeout < 0:
		return fmt.Errorf("timeout: %s is no time", c.Timeout)
	}
	if err := c.Kerberos.check(); err != nil {
		return fmt.Errorf("kerberos.%w", err)
	}
	return nil
}

// Names returns the names of the clusters, sorted.
func (f File) Names() []string {
	var names []string
	for name := range f.Cluster {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Find returns a cluster by its name.
func (f File) Find(name string) (Cluster, error) {
	c, ok := f.Cluster[name]
	switch {
	case ok:
		return c, nil
	case f.Path == "":
		return c, fmt.Errorf("there is no cluster %q, since there is no file of clusters: see pegasus help config", name)
	case len(f.Cluster) == 0:
		return c, fmt.Errorf("there is no cluster %q: %s has none or is not there", name, f.Path)
	}
	return c, fmt.Errorf("there is no cluster %q in %s; there are %s", name, f.Path, strings.Join(f.Names(), " "))
}
