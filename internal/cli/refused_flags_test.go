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
		"table drop": {"meta", "cluster", "kerberos", "table", "confirm", "timeout", "await"},
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

// What prints nothing refuses --output, in all of its forms.
func TestOutputOfWhatPrintsNothing(t *testing.T) {
	box := startThree(t)
	for _, command := range []string{
		"set temp h s v", "del temp h s", "cas temp h s v w",
		"table drop temp --yes", "table rename temp other",
		"table env set temp default_ttl=5", "table env unset temp default_ttl", "table env clear temp --yes",
		"table split temp --yes", "table split temp --pause", "table split temp --wait --yes", "table compact temp", "table compact temp --wait",
		"balance --run --yes",
	} {
		for _, format := range []string{"json", "table"} {
			args := append(strings.Fields(command), "-o", format, "--meta", box.MetaServers()[0])
			if status, stdout, stderr := run(t, args...); status != int(exit.Usage) || stdout != "" || !strings.Contains(stderr, "--output") {
				t.Errorf("%q: status %d, %s%s", args, status, stdout, stderr)
			}
		}
	}
	// A shell may have a form for what prints.
	if status, stdout, stderr := run(t, "shell", "-o", "json", "-c", "set temp h s v", "-c", "get temp h s", "--meta", box.MetaServers()[0]); status != int(exit.OK) || !strings.Contains(stdout, `"value":"v"`) {
		t.Errorf("shell: status %d, %s%s", status, stdout, stderr)
	}
}
