package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

// filterFlag is a condition for a key or a value: "prefix:TEXT", "contains:TEXT" or
// "suffix:TEXT".
type filterFlag struct {
	kind pegasus.FilterType
	text string
}

var filterKinds = map[string]pegasus.FilterType{
	"prefix": pegasus.FilterTypeMatchPrefix, "contains": pegasus.FilterTypeMatchAnywhere, "suffix": pegasus.FilterTypeMatchPostfix,
}

// Set takes such a condition.
func (f *filterFlag) Set(s string) error {
	kind, text, _ := strings.Cut(s, ":")
	t := filterKinds[kind]
	if t == pegasus.FilterTypeNoFilter || text == "" {
		return fmt.Errorf("%q is not prefix:TEXT, contains:TEXT or suffix:TEXT", s)
	}
	*f = filterFlag{t, text}
	return nil
}

// Type names the kind of value in the help.
func (f *filterFlag) Type() string { return "condition" }

// String returns what Set takes, "" for no condition.
func (f *filterFlag) String() string {
	for name, kind := range filterKinds {
		if f.kind == kind {
			return name + ":" + f.text
		}
	}
	return ""
}

// filter returns the condition in bytes.
func (f *filterFlag) filter(flag string, c coding.Coding) (pegasus.Filter, error) {
	if f.text == "" {
		return pegasus.Filter{}, nil
	}
	b, err := c.Parse(f.text)
	if err != nil {
		return pegasus.Filter{}, exit.Errorf(exit.Usage, "--%s: %w", flag, err)
	}
	return pegasus.Filter{Type: f.kind, Pattern: b}, nil
}

// matches reports whether a value meets a condition.
func matches(f pegasus.Filter, b []byte) bool {
	switch f.Type {
	case pegasus.FilterTypeMatchPrefix:
		return bytes.HasPrefix(b, f.Pattern)
	case pegasus.FilterTypeMatchAnywhere:
		return bytes.Contains(b, f.Pattern)
	case pegasus.FilterTypeMatchPostfix:
		return bytes.HasSuffix(b, f.Pattern)
	}
	return true
}

// selection is which rows a command is about.
type selection struct {
	codings          coding.Row
	from, to, prefix string
	hash, sort       filterFlag
}

// What the flags are called. The first three are for the rows of one hash key, and
// flagHash is for whole tables.
const (
	flagFrom, flagTo, flagPrefix = "from", "to", "prefix"
	flagHash, flagSort           = "filter-hash", "filter-sort"
	flagValue                    = "filter-value"
)

func (s *selection) addFlags(cmd *cobra.Command) {
	s.addKeyFlags(cmd)
	s.addHashFlag(cmd)
}

// addKeyFlags adds those that are for the rows of a hash key, of which --filter-sort is for
// tables, too.
func (s *selection) addKeyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.from, flagFrom, "", "first sort `key`, of a hash key")
	f.StringVar(&s.to, flagTo, "", "sort `key` to stop before, of a hash key")
	f.StringVar(&s.prefix, flagPrefix, "", "`text` that sort keys begin with, of a hash key")
	s.addSortFlags(cmd)
}

func (s *selection) addHashFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&s.hash, flagHash, "`condition` for hash keys, of a table: prefix:TEXT,\ncontains:TEXT or suffix:TEXT")
}

func (s *selection) addSortFlags(cmd *cobra.Command) {
	cmd.Flags().Var(&s.sort, flagSort, "`condition` for sort keys: prefix:TEXT, contains:TEXT\nor suffix:TEXT")
	encodingFlag(cmd, &s.codings)
}

// sel returns what the flags say of the rows of a hash key.
func (s *selection) sel() (sel pegasus.Select, err error) {
	for _, p := range []struct {
		flag, text string
		to         *[]byte
	}{{flagFrom, s.from, &sel.From}, {flagTo, s.to, &sel.To}, {flagPrefix, s.prefix, &sel.Prefix}} {
		if p.text == "" {
			continue
		}
		if *p.to, err = s.codings.Sort.Parse(p.text); err != nil {
			return sel, exit.Errorf(exit.Usage, "--%s: %w", p.flag, err)
		}
	}
	sel.Filter, err = s.sort.filter(flagSort, s.codings.Sort)
	return sel, err
}

// options returns what they say of a table.
func (s *selection) options() (o pegasus.ScanOptions, err error) {
	if o.HashKeyFilter, err = s.hash.filter(flagHash, s.codings.Hash); err != nil {
		return o, err
	}
	o.SortKeyFilter, err = s.sort.filter(flagSort, s.codings.Sort)
	return o, err
}

// tableFilter is which rows of a whole table a command is about. Servers filter by keys, and
// this program by values.
type tableFilter struct {
	selection
	value filterFlag
}

func (s *tableFilter) addFlags(cmd *cobra.Command) {
	s.codings = coding.NewRow()
	s.addHashFlag(cmd)
	s.addSortFlags(cmd)
	cmd.Flags().Var(&s.value, flagValue, "`condition` for values")
}

// conditions returns them in bytes.
func (s *tableFilter) conditions() (o pegasus.ScanOptions, value pegasus.Filter, err error) {
	if o, err = s.options(); err != nil {
		return o, value, err
	}
	value, err = s.value.filter(flagValue, s.codings.Value)
	return o, value, err
}

// text is the filters as a command line has them.
func (s *tableFilter) text() string {
	var b strings.Builder
	for _, f := range []struct{ name, text string }{{flagHash, s.hash.String()}, {flagSort, s.sort.String()}, {flagValue, s.value.String()}} {
		if f.text != "" {
			fmt.Fprintf(&b, "--%s %q ", f.name, f.text)
		}
	}
	all := coding.NewRow()
	if b.Len() > 0 && s.codings.String() != all.String() {
		fmt.Fprintf(&b, "--encoding %s", &s.codings)
	}
	return strings.TrimSpace(b.String())
}
