package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/decode"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/spf13/cobra"
)

func newDecodeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "decode HEX",
		Short: "Explain the bytes of a request, of an answer or of a key",
		Long: `Explain the bytes of a request or an answer, as they travel between client and server,
or of a key, as servers store it. Nothing is sent.

HEX may have spaces and newlines in it and begin with 0x; it may be in several
arguments, and is read from standard input for -.`,
		Example: `  pegasus decode 000275316e616d65
  xxd -p frame.bin | pegasus decode -`,
		Args:        cobra.MinimumNArgs(1),
		Annotations: map[string]string{prints: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := a.hexBytes(cmd.Context(), args)
			if err != nil {
				return err
			}
			lines, err := decode.Bytes(b)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, l := range lines {
				rows = append(rows, []any{output.Escaped(l.Field), output.Escaped(l.Value), given(output.Escaped(l.Meaning))})
			}
			return a.printer().List([]string{"field", "value", "meaning"}, rows)
		},
	}
}

// maxHex is more than any frame has.
const maxHex = 256 << 20

// hexBytes returns the bytes that arguments have in hexadecimal digits.
func (a *app) hexBytes(ctx context.Context, args []string) ([]byte, error) {
	text := strings.Join(args, "")
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(a.streams.Input(ctx), maxHex+1))
		if err != nil {
			return nil, err
		}
		if len(b) > maxHex {
			return nil, exit.Errorf(exit.Usage, "standard input has more than %d bytes", maxHex)
		}
		text = string(b)
	}
	text = strings.TrimPrefix(strings.Join(strings.Fields(text), ""), "0x")
	b, err := hex.DecodeString(text)
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("there are no bytes")
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "HEX: %w", err)
	}
	return b, nil
}

func newHashCommand(a *app) *cobra.Command {
	codings := coding.NewRow()
	var partitions int
	cmd := &cobra.Command{
		Use:   "hash HASHKEY [SORTKEY]",
		Short: "Print the hash that decides on the partition of a row",
		Long: `Print the hash that decides on the partition of a row, which is that of the hash key, or
of the sort key if the hash key is empty. Nothing is sent.

raw has the partition with --partitions, and else the hash.`,
		Example: `  pegasus hash u1 --partitions 16
  pegasus hash 42 --encoding hash=int64 -o raw`,
		Args:        cobra.RangeArgs(1, 2),
		Annotations: map[string]string{prints: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := codings.Hash.Parse(args[0])
			if err != nil {
				return exit.Errorf(exit.Usage, "HASHKEY: %w", err)
			}
			switch {
			case len(args) == 1 && len(key) == 0:
				return exit.Errorf(exit.Usage, "SORTKEY: is what decides where the hash key is empty")
			case len(args) == 2 && len(key) > 0:
				return exit.Errorf(exit.Usage, "SORTKEY: has no effect, since there is a hash key")
			case len(args) == 2:
				if key, err = codings.Sort.Parse(args[1]); err != nil {
					return exit.Errorf(exit.Usage, "SORTKEY: %w", err)
				}
			}
			if cmd.Flags().Changed("partitions") && partitions < 1 {
				return exit.Errorf(exit.Usage, "--partitions: %d is no number of partitions", partitions)
			}
			return a.printHash(schema.Hash(key), partitions)
		},
	}
	encodingFlag(cmd, &codings)
	cmd.Flags().IntVar(&partitions, "partitions", 0, "`number` of partitions of the table, to print which one it is")
	return cmd
}

func (a *app) printHash(h uint64, partitions int) error {
	fields := []output.Field{{Name: "hash", Value: h}, {Name: "hash_hex", Value: fmt.Sprintf("%016x", h)}, {Name: "partition", Value: nil}}
	text := fmt.Sprintf("%d (0x%016x)", h, h)
	raw := strconv.FormatUint(h, 10)
	if partitions > 0 {
		p := h % uint64(partitions)
		fields[2].Value = p
		text += fmt.Sprintf(", partition %d of %d", p, partitions)
		raw = strconv.FormatUint(p, 10)
	}
	return a.printer().One(text, []byte(raw), fields...)
}

// given is how a text is printed that may not be known.
func given[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return s
}
