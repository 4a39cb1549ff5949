package ui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
)

func TestConfirm(t *testing.T) {
	for _, tc := range []struct {
		answer   string
		in, out  bool
		yes      bool
		want     exit.Code
		question bool
	}{
		{"", false, false, true, exit.OK, false},
		{"y\n", false, true, false, exit.Refused, false}, // what is piped in is data
		{"y\n", true, false, false, exit.Refused, false},
		{"y\n", true, true, false, exit.OK, true},
		{" YES \n", true, true, false, exit.OK, true},
		{"y", true, true, false, exit.OK, true},
		{"\n", true, true, false, exit.Refused, true},
		{"yeah\n", true, true, false, exit.Refused, true},
		{"", true, true, false, exit.Refused, true},
	} {
		var out, talk bytes.Buffer
		s := Streams{In: strings.NewReader(tc.answer), Out: &out, Err: &talk, InTerminal: tc.in, OutTerminal: tc.out}
		err := s.Confirm(t.Context(), "drop x", tc.yes)
		if exit.Of(err) != tc.want || (talk.Len() > 0) != tc.question || out.Len() > 0 {
			t.Errorf("%+v: %v, talk %q, data %q", tc, err, &talk, &out)
		}
	}
}

// In a cluster that is marked as dangerous, yes is not enough.
func TestConfirmDanger(t *testing.T) {
	for _, tc := range []struct {
		answer         string
		terminal       bool
		yes, confirmed bool
		want           exit.Code
	}{
		{"", false, true, false, exit.Refused},
		{"", false, false, true, exit.OK},
		{"y\n", true, true, false, exit.Refused},
		{"PROD\n", true, true, false, exit.Refused},
		{"prod\n", true, false, false, exit.OK},
	} {
		var talk bytes.Buffer
		s := Streams{In: strings.NewReader(tc.answer), Err: &talk, InTerminal: tc.terminal, OutTerminal: tc.terminal, Danger: "prod", Confirmed: tc.confirmed}
		if err := s.Confirm(t.Context(), "drop x", tc.yes); exit.Of(err) != tc.want {
			t.Errorf("%+v: %v, talk %q", tc, err, &talk)
		}
	}
}

// A question that nobody answers ends with the context, and what is asked drives no terminal.
func TestConfirmEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var talk bytes.Buffer
	s := Streams{In: r, Err: &talk, InTerminal: true, OutTerminal: true}
	if err := s.Confirm(ctx, "drop \x1b[2J", false); !errors.Is(err, context.Canceled) || talk.String() != "drop \\x1b[2J? [y/N] \n" {
		t.Errorf("%v, %q", err, &talk)
	}
}
