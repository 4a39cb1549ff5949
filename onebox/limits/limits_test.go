package limits

import (
	"errors"
	"testing"
	"time"
)

// Connections leave files for the store.
func TestConnectionsFor(t *testing.T) {
	for files, want := range map[uint64]int{
		0: 1, 1: 1, 64: 32, 256: 128, 1024: 512, 2048: 1024, 4096: 3072, 17408: 16384, 1 << 20: 16384, 1<<64 - 1: 16384,
	} {
		if got := connectionsFor(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	l, err := Limits{}.WithDefaults()
	if err != nil || l.RequestSize != 64<<20 || l.WriteSize != 1<<20 || l.ScanContextLife != 5*time.Minute || l.Connections < 1 {
		t.Errorf("%+v, %v", l, err)
	}
	set := Limits{WriteSize: -1, MultiGetSize: -1, IterationTime: -1, Connections: 7}
	if l, err := set.WithDefaults(); err != nil || l.WriteSize != -1 || l.MultiGetSize != -1 || l.IterationTime != -1 || l.Connections != 7 {
		t.Errorf("%+v, %v", l, err)
	}
	for field, l := range map[string]Limits{
		"RequestSize":     {RequestSize: -1},
		"ReplySize":       {ReplySize: -1},
		"MultiGetCount":   {MultiGetCount: -1},
		"ScanCount":       {ScanCount: -1},
		"ScanContexts":    {ScanContexts: -1},
		"ScanContextLife": {ScanContextLife: -1},
		"ScanBytes":       {ScanBytes: -1},
		"Connections":     {Connections: -1},
		"BufferedBytes":   {BufferedBytes: -1},
		"AnswerBytes":     {AnswerBytes: -1},
		"RequestTime":     {RequestTime: -1},
		"AnswerTime":      {AnswerTime: -1},
	} {
		var e *Error
		if _, err := l.WithDefaults(); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
