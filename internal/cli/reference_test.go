package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli anew")

// docs/cli is what the commands say of themselves, and each says how it is used.
func TestReference(t *testing.T) {
	root := newRoot(&app{streams: ui.Streams{}, format: "table"})
	root.InitDefaultHelpCmd()
	var b strings.Builder
	b.WriteString("# The pegasus command\n\nMade from the commands by `go test ./internal/cli -run TestReference -update`.\n")
	reference(t, &b, root)
	file := filepath.Join("..", "..", "docs", "cli", "README.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != b.String() {
		t.Error("docs/cli/README.md is not what the commands say: run the test with -update")
	}
}

func reference(t *testing.T, b *strings.Builder, cmd *cobra.Command) {
	if cmd.Runnable() && cmd.Example == "" && cmd.Name() != "version" && cmd.Name() != "help" {
		t.Errorf("%s has no example", cmd.CommandPath())
	}
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	b.WriteString("\n## " + cmd.CommandPath() + "\n\n```text\n" + strings.TrimSpace(long) + "\n")
	if cmd.Runnable() {
		b.WriteString("\nUsage:\n  " + cmd.UseLine() + "\n")
	}
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + strings.TrimRight(cmd.Example, "\n") + "\n")
	}
	flags := cmd.NonInheritedFlags()
	if flags.HasAvailableFlags() {
		b.WriteString("\nFlags:\n" + flags.FlagUsagesWrapped(screenWidth))
	}
	b.WriteString("```\n")
	for _, c := range cmd.Commands() {
		if c.Name() == "help" || c.Hidden {
			continue
		}
		reference(t, b, c)
	}
}
