package route

import (
	"strings"
	"testing"
)

func TestCommunityText(t *testing.T) {
	tests := []struct {
		in, want, err string
	}{
		{in: "65000:100", want: "65000:100"},
		{in: "0:0", want: "0:0"},
		{in: "65535:65535", want: "65535:65535"},
		{in: "graceful-shutdown", want: "65535:0"},
		{in: "blackhole", want: "65535:666"},
		{in: "no-export", want: "65535:65281"},
		{in: "no-advertise", want: "65535:65282"},
		{in: "local-as", want: "65535:65283"},
		{in: "no-peer", want: "65535:65284"},
		{in: "65536:1", err: "write two numbers"},
		{in: "1:65536", err: "write two numbers"},
		{in: "-1:1", err: "write two numbers"},
		{in: "1:2:3", err: "write two numbers"},
		{in: "100", err: "write two numbers"},
		{in: "", err: "write two numbers"},
		{in: "No-Export", err: "blackhole"},
	}
	for _, test := range tests {
		var c Community
		err := c.UnmarshalText([]byte(test.in))
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q gives %v, want an error with %q", test.in, err, test.err)
			}
			continue
		}
		if err != nil || c.String() != test.want {
			t.Errorf("%q gives %s, %v, want %s", test.in, c, err, test.want)
		}
	}
}

func TestLargeCommunityText(t *testing.T) {
	for in, want := range map[string]string{"65000:1:2": "65000:1:2", "4294967295:0:4294967295": "4294967295:0:4294967295"} {
		var c LargeCommunity
		if err := c.UnmarshalText([]byte(in)); err != nil || c.String() != want {
			t.Errorf("%q gives %s, %v, want %s", in, c, err, want)
		}
	}
	for _, in := range []string{"", "1:2", "1:2:3:4", "1:2:4294967296", "1:2:", "a:b:c", "no-export"} {
		var c LargeCommunity
		if err := c.UnmarshalText([]byte(in)); err == nil || !strings.Contains(err.Error(), "write three numbers") {
			t.Errorf("%q gives %v, want an error that says what to write", in, err)
		}
	}
}

// FuzzCommunities reads what it wrote.
func FuzzCommunities(f *testing.F) {
	for _, seed := range []string{"65000:100", "no-export", "65000:1:2", "1::2", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c, again Community
		if c.UnmarshalText([]byte(text)) == nil {
			if err := again.UnmarshalText([]byte(c.String())); err != nil || again != c {
				t.Errorf("%q becomes %s, and that %s, %v", text, c, again, err)
			}
		}
		var l, more LargeCommunity
		if l.UnmarshalText([]byte(text)) == nil {
			if err := more.UnmarshalText([]byte(l.String())); err != nil || more != l {
				t.Errorf("%q becomes %s, and that %s, %v", text, l, more, err)
			}
		}
	})
}
