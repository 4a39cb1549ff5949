package cli

import (
	"context"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

// row is what the arguments of a command about one row say.
type row struct {
	codings    coding.Row
	hash, sort []byte
	rest       []string // the arguments behind the keys
	values     [][]byte // that they stand for, if they are values
}

// rowCommand returns a command whose arguments are a table, the keys of a row and
// more. What it prints by -o raw is a number or a value, with no newline.
func (a *app) rowCommand(use, short, long, example string, more []string, run func(context.Context, *pegasus.Table, row) error) *cobra.Command {
	return a.commandWith(use, short, long, example, more, func(context.Context, *row) error { return nil }, run)
}

// commandWith is a rowCommand that reads its values before it turns to the cluster: they may
// take as long as they do.
func (a *app) commandWith(use, short, long, example string, more []string, read func(context.Context, *row) error, run func(context.Context, *pegasus.Table, row) error) *cobra.Command {
	codings := coding.NewRow()
	cmd := &cobra.Command{
		Use:         strings.Join(append([]string{use, "[TABLE]", "HASHKEY", "SORTKEY"}, more...), " "),
		Short:       short,
		Long:        short + "." + long,
		Example:     example,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, args, err := a.arguments(cmd, args, append([]string{"HASHKEY", "SORTKEY"}, more...)...)
			if err != nil {
				return err
			}
			r := row{codings: codings, rest: args[2:]}
			if r.hash, err = codings.Hash.Parse(args[0]); err != nil {
				return exit.Errorf(exit.Usage, "HASHKEY: %w", err)
			}
			if r.sort, err = codings.Sort.Parse(args[1]); err != nil {
				return exit.Errorf(exit.Usage, "SORTKEY: %w", err)
			}
			if err := read(cmd.Context(), &r); err != nil {
				return err
			}
			return a.withTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error { return run(ctx, t, r) })
		},
	}
	encodingFlag(cmd, &codings)
	return cmd
}

// absent returns the error of a command that has found no row.
func absent(r row) error {
	hash, _ := r.codings.Hash.Format(r.hash) // as they were typed
	sort, _ := r.codings.Sort.Format(r.sort)
	return exit.Errorf(exit.Absent, `there is no row "%s" "%s"`, hash, sort)
}

// ttlFlag adds --ttl to a command.
func ttlFlag(cmd *cobra.Command, ttl *time.Duration) {
	cmd.Flags().DurationVar(ttl, "ttl", 0, "`time` until the row expires, such as 90s or 24h (default: it does not, unless the table\nhas a default time to live)")
}

// readValues reads the values that the arguments stand for: the bytes of a file for
// @file, those of standard input for -, or else what the coding says.
func (a *app) readValues(ctx context.Context, r *row) error {
	for i, arg := range r.rest {
		var v []byte
		var err error
		name, isFile := strings.CutPrefix(arg, "@")
		switch {
		case isFile:
			v, err = os.ReadFile(name)
		case arg == "-" && slices.Contains(r.rest[:i], "-"):
			err = exit.Errorf(exit.Usage, "OLD and NEW cannot both be standard input")
		case arg == "-":
			v, err = io.ReadAll(a.streams.Input(ctx))
		default:
			if v, err = r.codings.Value.Parse(arg); err != nil {
				err = exit.Errorf(exit.Usage, "VALUE: %w", err)
			}
		}
		if err != nil {
			return err
		}
		r.values = append(r.values, append([]byte{}, v...))
	}
	return nil
}

const valueHelp = `

The value is taken as it is from a file for @FILE and from standard input for -;
write \x40 and \x2d for a value that begins with @ or is a -.`

func newGetCommand(a *app) *cobra.Command {
	return a.rowCommand("get", "Print the value of a row", " Without the row the status is 3.\n\nThe output json has the time to live in seconds, -1 for none; raw has the bytes of\nthe value and no newline.",
		`  pegasus get users u1 name
  pegasus get users u1 photo -o raw > photo.jpg
  pegasus get counters 42 views --encoding hash=int64`,
		nil, func(ctx context.Context, t *pegasus.Table, r row) error {
			found, ok, err := a.getRow(ctx, t, r)
			if err != nil {
				return err
			}
			if !ok {
				return absent(r)
			}
			v := found.Value
			if a.format == output.Raw {
				return a.printer().One("", v)
			}
			text, err := r.codings.Value.Format(v)
			if err != nil || a.format == output.Table {
				return a.printOr(err, text, v)
			}
			hash, _ := r.codings.Hash.Format(r.hash)
			sort, _ := r.codings.Sort.Format(r.sort)
			fields := []output.Field{
				{Name: "hk", Value: output.Escaped(hash)},
				{Name: "sk", Value: output.Escaped(sort)},
				{Name: "value", Value: output.Escaped(text)},
				{Name: "enc", Value: r.codings.String()},
				{Name: "ttl_s", Value: secondsLeft(found.Expires)},
			}
			return a.printer().One(text, v, fields...)
		})
}

// getRow asks for the expiry, too, if the output has it.
func (a *app) getRow(ctx context.Context, t *pegasus.Table, r row) (found pegasus.Row, ok bool, err error) {
	if a.format != output.Raw && a.format != output.Table {
		return t.GetRow(ctx, r.hash, r.sort)
	}
	found.Value, err = t.Get(ctx, r.hash, r.sort)
	return found, found.Value != nil, err
}

// secondsLeft is the time to live of a row as servers tell it: -1 if it does not expire.
func secondsLeft(expires time.Time) int {
	if expires.IsZero() {
		return -1
	}
	return max(0, int(math.Ceil(time.Until(expires).Seconds())))
}

func newSetCommand(a *app) *cobra.Command {
	var ttl time.Duration
	cmd := a.commandWith("set", "Write a row", valueHelp,
		`  pegasus set users u1 name Ann --ttl 1h
  pegasus set users u1 photo @photo.jpg`,
		[]string{"VALUE"}, a.readValues, func(ctx context.Context, t *pegasus.Table, r row) error {
			return t.SetTTL(ctx, r.hash, r.sort, r.values[0], ttl)
		})
	ttlFlag(cmd, &ttl)
	return silent(changes(cmd))
}

func newDelCommand(a *app) *cobra.Command {
	return silent(changes(a.rowCommand("del", "Delete a row", " It is no error if there is none.",
		"  pegasus del users u1 name", nil, func(ctx context.Context, t *pegasus.Table, r row) error {
			return t.Del(ctx, r.hash, r.sort)
		})))
}

func newExistCommand(a *app) *cobra.Command {
	return a.rowCommand("exist", "Print whether there is a row", " It prints true, or false with status 3.",
		"  pegasus exist users u1 name && echo there", nil, func(ctx context.Context, t *pegasus.Table, r row) error {
			ok, err := t.Exist(ctx, r.hash, r.sort)
			if err != nil {
				return err
			}
			text := strconv.FormatBool(ok)
			if err := a.printer().One(text, []byte(text), output.Field{Name: "exist", Value: ok}); err != nil {
				return err
			}
			if !ok {
				return &exit.Error{Code: exit.Absent}
			}
			return nil
		})
}

func newTTLCommand(a *app) *cobra.Command {
	return a.rowCommand("ttl", "Print the time to live of a row", " It is in seconds, -1 for none. Without the row the\nstatus is 3.",
		"  pegasus ttl users u1 name -o raw", nil, func(ctx context.Context, t *pegasus.Table, r row) error {
			ttl, err := t.TTL(ctx, r.hash, r.sort)
			if err != nil {
				return err
			}
			if ttl == -2 {
				return absent(r)
			}
			text := strconv.Itoa(ttl)
			return a.printer().One(text, []byte(text), output.Field{Name: "ttl_s", Value: ttl})
		})
}

func newIncrCommand(a *app) *cobra.Command {
	return changes(a.rowCommand("incr", "Add to the number in a row and print it", " No row counts as 0.\n\nIf no answer comes the status is 7: it is not tried again, which could count twice.",
		"  pegasus incr counters page7 views 1\n  pegasus incr counters page7 views -- -5", []string{"NUMBER"},
		func(ctx context.Context, t *pegasus.Table, r row) error {
			n, err := strconv.ParseInt(r.rest[0], 10, 64)
			if err != nil {
				return exit.Errorf(exit.Usage, "NUMBER: %w", err)
			}
			sum, err := t.Incr(ctx, r.hash, r.sort, n)
			text := strconv.FormatInt(sum, 10)
			return a.printOr(err, text, []byte(text), output.Field{Name: "value", Value: sum})
		}))
}

func newCASCommand(a *app) *cobra.Command {
	var ttl time.Duration
	var absent bool
	read := func(ctx context.Context, r *row) error {
		err := a.readValues(ctx, r)
		if err == nil && absent && len(r.values[0]) > 0 {
			err = exit.Errorf(exit.Usage, "OLD must be empty with --absent: there is no value to expect")
		}
		return err
	}
	cmd := a.commandWith("cas", "Write a row if its value is the one expected", ` If it is not the status is 3, and
nothing is written. With --absent it is written if there is none, and OLD is "".`+valueHelp,
		"  pegasus cas users u1 name Ann Anna\n  pegasus cas users u1 lock '' me --absent --ttl 30s", []string{"OLD", "NEW"}, read,
		func(ctx context.Context, t *pegasus.Table, r row) (err error) {
			old, v := r.values[0], r.values[1]
			var ok bool
			if absent {
				ok, err = t.SetIfAbsent(ctx, r.hash, r.sort, v, ttl)
			} else {
				ok, err = t.CompareAndSwap(ctx, r.hash, r.sort, old, v, ttl)
			}
			if err == nil && !ok {
				return exit.Errorf(exit.Absent, "the row is not as expected; nothing was written")
			}
			return err
		})
	ttlFlag(cmd, &ttl)
	cmd.Flags().BoolVar(&absent, "absent", false, "write the row only if there is none")
	return silent(changes(cmd))
}

// printOr prints a record unless there is an error.
func (a *app) printOr(err error, text string, raw []byte, fields ...output.Field) error {
	if err != nil {
		return err
	}
	return a.printer().One(text, raw, fields...)
}
