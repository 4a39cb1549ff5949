package cli

import (
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// How full a disk is comes to the same number wherever it is told.
func TestDiskFigures(t *testing.T) {
	s := &survey.Survey{Nodes: []survey.Node{{
		Server: survey.Server{Addr: "10.0.0.1:34801"}, Alive: true,
		Disks: []admin.Disk{{Tag: "ssd1", Dir: "/ssd1", Capacity: 1000, Available: 876}, {Dir: "/ssd2"}},
	}}}
	if line := dataLine(s); !strings.Contains(line, "fullest disk 12%  10.0.0.1:34801 /ssd1") {
		t.Errorf("status: %s", line)
	}
	if used := diskUsed(s.Nodes[0].Disks); used != 12 {
		t.Errorf("node list and top: %v", used)
	}
	report := statusDocument(s, s.Verdict())
	want := []statusDisk{{"ssd1", "/ssd1", int64(1000), int64(876), 12}, {"", "/ssd2", nil, nil, nil}}
	if got := report.Nodes[0].Disks; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("status -o json: %+v, want %+v", got, want)
	}
}
