package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
)

func newVersionCommand(streams ui.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(streams.Out, "pegasus %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is what the Go command knows of the program's origin: a version tag,
// or one made of the commit, with +dirty if files were changed.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
