package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Case is one case of a behaviour case file: an operation with the answer a server must give to it, after the steps
// that set the scene and before those that look at what it left behind.
type Case struct {
	ID        string
	Given     []Step
	Op        Step
	Expect    Expectation
	Then      []Check
	Isolation *Isolation // the case needs a table of its own
	Targets   []string   // ["embedded"]: never sent to a real server, whose process it would end
	Requires  []string   // "env_sync", "settle", "table_ready"
	Since     string     // first and last server version, major.minor, the expectation holds for
	Until     string
	Source    string // where the fact was found
	Note      string
}

// Step is one RPC of a case.
type Step struct {
	RPC    string
	Args   map[string]any
	Save   map[string]string // variable -> response field
	Expect Expectation       // only of a given step; nil: it must succeed
}

// Check is a step of a case after its operation.
type Check struct {
	Op     Step
	Expect Expectation
}

// Expectation is a partial answer: the fields that are listed must match.
type Expectation map[string]any

// Isolation describes the fresh table of a case.
type Isolation struct {
	PartitionCount int `json:"partition_count"`
	Name           string
}

// caseFormat is the format this package reads.
const caseFormat = "pegasus-behaviour-cases/1"

// ReadCases reads a case file.
func ReadCases(rd io.Reader) ([]Case, error) {
	var file struct {
		Format string
		Count  int
		Cases  []Case
	}
	d := json.NewDecoder(rd)
	d.UseNumber() // int64 limits occur
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("case file: %w", err)
	}
	if file.Format != caseFormat || file.Count != len(file.Cases) {
		return nil, fmt.Errorf("case file: format %q with %d of %d cases, want %q", file.Format, len(file.Cases), file.Count, caseFormat)
	}
	return file.Cases, nil
}

// Skip returns why a case must not be run against a target, or "".
func (c *Case) Skip(t Target) string {
	if len(c.Targets) > 0 && !(t.Embedded && c.Targets[0] == "embedded") {
		return "would end the process of a real server"
	}
	if c.Risky() && !t.Embedded && !t.Risky {
		return "may end the process of a real server"
	}
	version := t.Version
	if version == "" {
		version = "2.5"
	}
	if c.Since != "" && versionNumber(version) < versionNumber(c.Since) {
		return "holds since " + c.Since
	}
	if c.Until != "" && versionNumber(version) > versionNumber(c.Until) {
		return "holds until " + c.Until
	}
	return ""
}

// versionNumber orders versions of the form major.minor; anything else is newer than all of them.
func versionNumber(v string) int {
	major, minor, _ := strings.Cut(v, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil {
		return 1 << 30
	}
	return a*1000 + b
}

// Risky reports whether a case may end the process of a real server of version 2.5, depending on timing: by a
// default_ttl of a table whose replicas are being opened, or by recalling a table that never had a primary.
func (c *Case) Risky() bool {
	dropped := false
	for _, step := range append(slices.Clone(c.Given), c.Op) {
		switch step.RPC {
		case "meta.drop_app":
			dropped = true
		case "meta.recall_app":
			if dropped {
				return true
			}
		case "meta.create_app", "meta.update_app_env":
			if strings.Contains(fmt.Sprint(step.Args), "default_ttl") {
				return true
			}
		}
	}
	return false
}

func (c *Case) requires(what string) bool { return slices.Contains(c.Requires, what) }
