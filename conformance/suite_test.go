package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// knownDifferences are answers that knowingly differ from a real server's: id of the case or name of the recording, and
// why. An entry that is not needed is an error. An RPC that a onebox refuses is "rpc/" and its name; the servers' own tests
// see to it that those are all.
type knownDifferences map[string]string

func readKnownDifferences(t *testing.T) knownDifferences {
	t.Helper()
	known := knownDifferences{}
	readJSON(t, "testdata/known_differences.json", &known)
	return known
}

// report fails the test for a difference that is not known, and for a known one that is none.
func (k knownDifferences) report(t *testing.T, id string, differs error) {
	t.Helper()
	reason, known := k[id]
	switch {
	case known && differs == nil:
		t.Errorf("%s is listed as a known difference (%s) but passes", id, reason)
	case known:
		t.Logf("known difference: %s: %v", reason, differs)
	case differs != nil:
		t.Error(differs)
	}
}

// TestCases runs those last that may end the process of a real server, so that the others are not disturbed.
func TestCases(t *testing.T) {
	target := startTarget(t)
	known := readKnownDifferences(t)
	cases := readCases(t)
	runner, err := NewRunner(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	var run, skipped atomic.Int32
	t.Cleanup(func() {
		if err := runner.Close(context.Background()); err != nil {
			t.Error(err)
		}
		t.Logf("%d of %d cases run, %d skipped, %d known differences", run.Load(), len(cases), skipped.Load(), len(known))
	})
	for _, risky := range []bool{false, true} {
		t.Run(map[bool]string{false: "safe", true: "risky"}[risky], func(t *testing.T) { // it ends when all in it have ended
			for i := range cases {
				c := &cases[i]
				if c.Risky() != risky {
					continue
				}
				t.Run(c.ID, func(t *testing.T) {
					t.Parallel()
					if reason := c.Skip(target); reason != "" {
						skipped.Add(1)
						t.Skip(reason)
					}
					run.Add(1)
					known.report(t, c.ID, runner.Run(t.Context(), c))
				})
			}
		})
	}
}

// TestAlteredExpectationsFail runs every case with one expected value changed: a case that still passes proves nothing.
func TestAlteredExpectationsFail(t *testing.T) {
	target := startTarget(t)
	if !target.Embedded {
		t.Skip("checks the suite, not the cluster")
	}
	runner, err := NewRunner(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runner.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	cases := readCases(t)
	for i := range cases {
		c := &cases[i]
		if c.Skip(target) != "" || c.requires("settle") { // a step to be retried would be retried for long
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			name := slices.Sorted(maps.Keys(c.Expect))[0]
			c.Expect = maps.Clone(c.Expect)
			c.Expect[name] = alteredExpectation(c.Expect[name])
			err := runner.Run(t.Context(), c)
			if err == nil {
				t.Errorf("passes with %s changed to %v", name, c.Expect[name])
			} else if !strings.HasPrefix(err.Error(), "op ") {
				t.Errorf("fails before the changed expectation: %v", err)
			}
		})
	}
}

// alteredExpectation returns an expectation that no correct answer meets.
func alteredExpectation(want any) any {
	switch want := want.(type) {
	case bool:
		return !want
	case string:
		return want + "~"
	case []any:
		return append(slices.Clone(want), map[string]any{"hex": "00"})
	case map[string]any:
		for predicate, v := range want {
			switch v := v.(type) {
			case bool:
				return map[string]any{predicate: !v}
			case map[string]any:
				return map[string]any{predicate: map[string]any{"no_such_field": true}}
			}
		}
		return map[string]any{"in": []any{}}
	default:
		return "NO_SUCH_VALUE"
	}
}

func TestTranscript(t *testing.T) {
	target := startTarget(t)
	known := readKnownDifferences(t)
	files := transcriptFiles(t)
	var equal, lines atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d of %d transcripts equal, %d RPCs replayed", equal.Load(), len(files), lines.Load())
	})
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			tr := readTranscript(t, file)
			differs := replayDifference(t, target, tr)
			known.report(t, filepath.Base(file), differs)
			if differs == nil {
				equal.Add(1)
			}
			lines.Add(int64(len(tr.Lines)))
		})
	}
}

// TestTranscriptOverEveryFraming replays one recording of each profile as a Java and as a C++ client would send it.
func TestTranscriptOverEveryFraming(t *testing.T) {
	target := startTarget(t)
	for _, framing := range []Framing{THFTv1, RDSN} {
		target.Framing = framing
		for _, name := range []string{"02.jsonl.gz", "07.jsonl.gz", "12.jsonl.gz"} {
			t.Run(framing.String()+" "+name, func(t *testing.T) {
				if err := replayDifference(t, target, readTranscript(t, filepath.Join("testdata/transcripts", name))); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// replayDifference replays a recording and returns its differences as one error, cut after the first few: the rest mostly
// follows from them.
func replayDifference(t *testing.T, target Target, tr *Transcript) error {
	t.Helper()
	diffs, err := Replay(t.Context(), target, tr)
	if err != nil {
		t.Fatal(err)
	}
	if len(diffs) == 0 {
		return nil
	}
	const most = 5
	text := fmt.Sprintf("%d differences", len(diffs))
	for _, d := range diffs[:min(most, len(diffs))] {
		text += "\n" + d.String()
	}
	return errors.New(text)
}

// TestKnownDifferencesExist fails for an entry that no test would ever look at.
func TestKnownDifferencesExist(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range readCases(t) {
		ids[c.ID] = true
	}
	for _, file := range transcriptFiles(t) {
		ids[filepath.Base(file)] = true
	}
	for id, reason := range readKnownDifferences(t) {
		if !ids[id] && !strings.HasPrefix(id, "rpc/") || reason == "" {
			t.Errorf("known difference %q (%q) is no case, recording or RPC, or has no reason", id, reason)
		}
	}
}
