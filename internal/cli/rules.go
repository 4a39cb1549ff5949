package cli

import (
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// rules are what the file of clusters says of how a cluster is to be treated. One that is given
// by addresses has those of all clusters with one of the addresses.
type rules struct {
	readOnly, danger string // the name of a cluster that is marked so, "" if none is
	given            string // says where the addresses are from, "" for a cluster that is named
	err              error  // why it is not known
}

// rulesOf returns the rules of a cluster that the file names, or of the one with addresses.
func rulesOf(name string, c config.Cluster, meta setting, getenv func(string) string) rules {
	if name != "" {
		var r rules
		r.add(name, c)
		return r
	}
	file, err := config.Load(getenv)
	r := rules{given: meta.source, err: err}
	for _, name := range file.With(strings.Split(meta.value, ",")) {
		r.add(name, file.Cluster[name])
	}
	return r
}

func (r *rules) add(name string, c config.Cluster) {
	if c.ReadOnly && r.readOnly == "" {
		r.readOnly = name
	}
	if c.Danger && r.danger == "" {
		r.danger = name
	}
}

// source says what a mark of a cluster is from, for those that have it by its address.
func (r *rules) source(name string) string {
	return fmt.Sprintf("cluster %s, which has an address from %s", name, r.given)
}

// allow refuses what is to be changed, as what says, if it may not.
func (r *rules) allow(what string) error {
	switch {
	case r.err != nil:
		return exit.Errorf(exit.Usage, "%s: whether the cluster is read_only is not known: %w", what, r.err)
	case r.readOnly != "" && r.given != "":
		return exit.Errorf(exit.Refused, "%s: the %s, is read_only in the file of clusters", what, r.source(r.readOnly))
	case r.readOnly != "":
		return exit.Errorf(exit.Refused, "%s: the cluster %s is read_only in the file of clusters", what, r.readOnly)
	}
	return nil
}
