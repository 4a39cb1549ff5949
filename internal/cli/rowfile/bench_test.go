package rowfile

import (
	"bytes"
	"io"
	"testing"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

func BenchmarkWrite(b *testing.B) {
	rows := some(3000)
	for _, f := range formats {
		b.Run(string(f), func(b *testing.B) {
			w, err := NewWriter(io.Discard, f, Plain, header(coding.NewRow()), Position{})
			if err != nil {
				b.Fatal(err)
			}
			for i := range b.N {
				if err := w.Write(&rows[i%len(rows)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	rows := some(3000)
	for _, f := range formats {
		in := file(b, f, Plain, coding.NewRow(), rows, 1)
		b.Run(string(f), func(b *testing.B) {
			for n := 0; n < b.N; n += len(rows) {
				r, err := NewReader(bytes.NewReader(in), coding.NewRow())
				var row pegasus.Row
				for err == nil {
					err = r.Read(&row)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
