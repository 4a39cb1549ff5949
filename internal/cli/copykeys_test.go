package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/internal/cli/coding"
)

// Any list ends, and has keys that a table can have.
func FuzzKeyList(f *testing.F) {
	f.Add("{\"diff\":\"differs\",\"hk\":\"h\",\"sk\":\"\",\"detail\":\"\"}\n{\"end\":true,\"rows\":1}\n")
	f.Add("{\"hk\":\"\\\\x00\",\"sk\":\"s\"}")
	f.Fuzz(func(t *testing.T, text string) {
		l := newKeyList(strings.NewReader(text), coding.NewRow())
		for n := int64(0); ; n++ {
			key, err := l.next()
			if err == io.EOF && l.n != n {
				t.Errorf("%d keys of %d", n, l.n)
			}
			if err != nil {
				return
			}
			if len(key.HashKey) == 0 {
				t.Error("an empty hash key")
			}
		}
	})
}
