package config

import (
	"slices"
	"testing"
)

func TestWith(t *testing.T) {
	f := File{Cluster: map[string]Cluster{
		"dev":  {Meta: []string{"127.0.0.1:34601"}},
		"prod": {Meta: []string{"meta1.example.com:34601", "10.0.0.2:34601"}},
		"six":  {Meta: []string{"[2001:db8::1]:34601"}},
		"same": {Meta: []string{"10.0.0.2:34601"}},
	}}
	for _, tc := range []struct {
		addrs []string
		want  []string
	}{
		{[]string{"10.0.0.1:34601"}, nil},
		{[]string{"10.0.0.2:34602"}, nil},
		{[]string{"10.0.0.1:34601", "10.0.0.2:34601"}, []string{"prod", "same"}},
		{[]string{"META1.Example.com.:034601"}, []string{"prod"}},
		{[]string{"LocalHost:34601"}, []string{"dev"}},
		{[]string{"[::ffff:127.0.0.1]:34601"}, []string{"dev"}},
		{[]string{" 127.0.0.1:34601"}, []string{"dev"}},
		{[]string{"[2001:DB8:0:0::1]:34601"}, []string{"six"}},
		{[]string{"2001:db8::1:34601"}, nil}, // without a port
	} {
		if got := f.With(tc.addrs); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.addrs, got, tc.want)
		}
	}
}
