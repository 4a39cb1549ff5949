package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pegasus-go/pegasus/onebox"
)

// tableFlag collects the values of --table.
type tableFlag []onebox.Table

// Set adds "name", "name:partitions", or one of them with ",variable=value"
// behind it, as often as wanted. A value can have commas: what follows one begins
// a variable only if it has an equals sign.
func (f *tableFlag) Set(s string) error {
	name, rest, more := strings.Cut(s, ",")
	t := onebox.Table{Name: name}
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		n, err := strconv.Atoi(name[i+1:])
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of partitions; a table whose name has a colon needs one, as in %s:8", name[i+1:], name)
		}
		t.Name, t.Partitions = name[:i], n
	}
	if t.Name == "" {
		return fmt.Errorf("%q has no name", s)
	}
	if more {
		var err error
		if t.Envs, err = parseEnvs(rest); err != nil {
			return err
		}
	}
	*f = append(*f, t)
	return nil
}

// parseEnvs returns the environment in "variable=value,variable=value".
func parseEnvs(s string) (map[string]string, error) {
	envs := make(map[string]string)
	last := ""
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(part, "=")
		switch _, again := envs[name]; {
		case !ok && last != "":
			envs[last] += "," + part
			continue
		case !ok || name == "":
			return nil, fmt.Errorf("%q is not variable=value; another table needs another --table", part)
		case again:
			return nil, fmt.Errorf("%s is given twice", name)
		}
		envs[name], last = value, name
	}
	return envs, nil
}

// Type names the kind of value in the help.
func (f *tableFlag) Type() string { return "table" }

// String returns the tables in the form that Set takes, separated by spaces.
func (f *tableFlag) String() string {
	var all []string
	for _, t := range *f {
		s := t.Name
		if t.Partitions != 0 {
			s += ":" + strconv.Itoa(t.Partitions)
		}
		for _, name := range slices.Sorted(maps.Keys(t.Envs)) {
			s += "," + name + "=" + t.Envs[name]
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}
