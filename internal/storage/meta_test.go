package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func metaText(t *testing.T, db *DB) string {
	t.Helper()
	var got []string
	if err := db.Meta(func(key string, value []byte) error {
		got = append(got, key+"="+string(value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

func TestMeta(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	db := openDB(t, opts)
	put(t, partition(t, db, 1, 0), "h", "s", "v", 0) // data is not meta data
	for _, step := range []struct {
		set  map[string][]byte
		del  []string
		want string
	}{
		{nil, nil, ""},
		{map[string][]byte{"b": []byte("2"), "a": []byte("1"), "": nil}, nil, "= a=1 b=2"},
		{map[string][]byte{"b": []byte("3")}, []string{"a", "b", "missing"}, "= b=3"},
		{nil, []string{""}, "b=3"},
	} {
		if err := db.UpdateMeta(step.set, step.del); err != nil {
			t.Fatal(err)
		}
		if got := metaText(t, db); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := metaText(t, openDB(t, opts)); got != "b=3" {
		t.Errorf("after reopening %q", got)
	}
}

func TestMetaStops(t *testing.T) {
	db := openDB(t, Options{})
	if err := db.UpdateMeta(map[string][]byte{"a": nil, "b": nil}, nil); err != nil {
		t.Fatal(err)
	}
	n, stop := 0, errors.New("stop")
	if err := db.Meta(func(string, []byte) error { n++; return fmt.Errorf("at %d: %w", n, stop) }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d calls, %v", n, err)
	}
}
