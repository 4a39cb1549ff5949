package cli

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

// Help lists the flags that a command takes, and no others.
func TestHelpListsWhatIsTaken(t *testing.T) {
	all := map[string]string{"meta": "127.0.0.1:1", "cluster": "c", "table": "t", "confirm": "c", "kerberos": "service=x", "timeout": "1s", "await": "true", "output": "json"}
	for command, takes := range map[string][]string{
		"console":    {"meta", "cluster", "kerberos"},
		"version":    nil,
		"table list": {"meta", "cluster", "kerberos", "table", "timeout", "await", "output"},
		"table drop": {"meta", "cluster", "kerberos", "table", "confirm", "timeout", "await", "output"},
	} {
		args := strings.Fields(command)
		_, help, _ := run(t, append(args, "--help")...)
		_, global, _ := strings.Cut(help, "Global Flags:")
		var listed []string
		for _, m := range regexp.MustCompile(`(?m)^ .*--([a-z]+) `).FindAllStringSubmatch(global, -1) {
			listed = append(listed, m[1])
		}
		slices.Sort(listed)
		slices.Sort(takes)
		if !slices.Equal(listed, takes) {
			t.Errorf("%s: help lists %v, want %v", command, listed, takes)
		}
		for name, value := range all {
			if slices.Contains(takes, name) {
				continue
			}
			status, _, stderr := run(t, append(args, "--"+name+"="+value)...)
			if status != int(exit.Usage) || !strings.Contains(stderr, "--"+name+": pegasus "+command) {
				t.Errorf("%s --%s: status %d, %s", command, name, status, stderr)
			}
		}
	}
}
