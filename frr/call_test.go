package frr

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCall checks what may be asked of a server, and what may not.
func TestCall(t *testing.T) {
	script := func(text string) call { return call{Script: []byte(text)} }
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		call call
		want error
	}{
		"summary":                   {call{Questions: []string{"show bgp summary json"}}, nil},
		"several":                   {call{Questions: []string{"show bgp ipv4 unicast 10.0.0.0/8 json", "show bgp view a ipv6 unicast 2001:db8::/32 json"}}, nil},
		"running configuration":     {call{Daemon: "bfdd", Questions: []string{"show running-config"}}, nil},
		"modules":                   {call{Daemon: "bgpd", Questions: []string{"show modules"}}, nil},
		"sent again":                {call{Questions: []string{"clear bgp view a ipv4 unicast eth0.100 soft out"}}, nil},
		"configuration":             {script("router bgp 65000\n neighbor 192.0.2.1 password ping pong\n address-family ipv4 unicast\n  network 10.0.0.0/8\n exit-address-family\nexit\n"), nil},
		"no configuration":          {script(""), nil},
		"context and comment":       {call{Daemon: "bgpd", Script: []byte("! show what\nno router bgp 65000\n\n")}, nil},
		"a reset":                   {call{Questions: []string{"clear bgp *"}}, errQuestion},
		"a reset behind":            {call{Questions: []string{"show bgp summary", "clear bgp ipv4 unicast 192.0.2.1"}}, errQuestion},
		"configure":                 {call{Questions: []string{"configure terminal"}}, errQuestion},
		"another show":              {call{Questions: []string{"show startup-config"}}, errQuestion},
		"almost a show":             {call{Questions: []string{"show bgpx"}}, errQuestion},
		"a pipe":                    {call{Questions: []string{"show bgp summary | include x"}}, errQuestion},
		"a second line":             {call{Questions: []string{"show bgp summary\nconfigure"}}, errQuestion},
		"an option":                 {call{Questions: []string{"-f"}}, errQuestion},
		"nothing":                   {call{Questions: []string{""}}, errQuestion},
		"another daemon":            {call{Daemon: "../bgpd", Script: []byte("exit\n")}, errNoDaemon},
		"both":                      {call{Questions: []string{"show modules"}, Script: []byte("exit\n")}, errTooMuch},
		"a program":                 {script("exit\nstart-shell bash\n"), errNotConfig},
		"a program in short":        {script("exit\n\t pin 192.0.2.1\n"), errNotConfig},
		"a file":                    {script("hostname a\nexit\noutput file /etc/passwd\n"), errNotConfig},
		"a file in short":           {script("exit\r\nw\r\n"), errNotConfig},
		"do":                        {script("do show version\n"), errNotConfig},
		"behind a zero byte":        {script("hostname a\x00ping\n"), errLineForm},
		"behind what is read first": {script("hostname " + long + "\n"), errLineForm},
	} {
		if err := c.call.check(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	err := script("neighbor 192.0.2.1 passw\nwrite hunter2\n").check()
	if err == nil || err.Error() != "line 2 of the script: it is a command, and no configuration" {
		t.Errorf("got error %v", err)
	}
}

// FuzzRequest has a server read whatever it may be sent: what it takes is a run of vtysh that Fairlead has.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"protocol":1,"questions":["show bgp summary json"]}`, `{"protocol":1,"daemon":"bgpd","script":"ZXhpdAo="}`, `{"protocol":2}`,
		`{"protocol":1,"questions":["show bgp","-c","configure"],"more":[1]}`, `{"protocol":1,"script":"cGluZyAx"}`, `{}`, `[`, `null`,
		`{"protocol":1,"Daemon":"bgpd","daemon":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	harmless := regexp.MustCompile(`^show (bgp|modules|running-config)( |$)|^clear bgp .* soft out`)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := readRequest(bytes.NewReader(data))
		if err != nil {
			return
		}
		args := c.args("/path")
		for i := 0; i < len(args); i += 2 {
			switch value := args[i+1]; args[i] {
			case "-d":
				if !slices.Contains(daemonsOfOurs(), value) {
					t.Errorf("a daemon %q", value)
				}
			case "-c":
				if !harmless.MatchString(value) || strings.ContainsAny(value, "|\n\x00") {
					t.Errorf("a command %q", value)
				}
			case "-f":
				if value != "/path" {
					t.Errorf("a script at %q", value)
				}
			default:
				t.Errorf("an argument %q", args[i])
			}
		}
		for line := range strings.Lines(string(c.Script)) {
			if words := strings.Fields(line); len(words) > 0 && (strings.HasPrefix("ping", words[0]) || strings.HasPrefix("write", words[0])) {
				t.Errorf("a line %q", line)
			}
		}
		// It is the same where it is asked again.
		var again bytes.Buffer
		if err := encode(&again, request{Protocol, c}); err != nil {
			t.Fatal(err)
		}
		other, err := readRequest(&again)
		if err != nil || !slices.Equal(other.args(""), c.args("")) || !bytes.Equal(other.Script, c.Script) {
			t.Errorf("%+v becomes %+v, %v", c, other, err)
		}
	})
}

// FuzzAnswer has an agent read whatever may come from a server.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"protocol":1,"version":"1"}{"out":"YQ=="}{"err":"Yg=="}{"end":{"exit":2,"text":"exit status 2"}}`, `{"protocol":0}`, `{"protocol":3}{"end":{"kind":"refused"}}`,
		`{"protocol":1}{"end":{"exit":0}}`, `{"protocol":1}{}`, `{"protocol":1}{"end":{"kind":"later"}}`, ``, `x`,
		`{"protocol":1}{"out":"!"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var stdout, stderr bytes.Buffer
		r := newReader(bytes.NewReader(data), 1<<10)
		g, err := readGreeting(r)
		if err == nil {
			err = readAnswer(r, g.Version, &stdout, &stderr)
		}
		if stdout.Len()+stderr.Len() > 1<<10 {
			t.Errorf("%d bytes were read", stdout.Len()+stderr.Len())
		}
		// Only an end that says so is a good one.
		if err == nil && !bytes.Contains(bytes.ToLower(data), []byte(`end`)) && !bytes.Contains(data, []byte(`\u`)) {
			t.Errorf("%q is a good end", data)
		}
		if err == nil {
			return
		}
		// Whoever asked is to know what to do.
		explained := explain(ofConnection(err), "")
		if !errors.Is(explained, ErrVtysh) && !errors.Is(explained, ErrNoVtysh) && !errors.As(explained, new(*NotRunningError)) {
			t.Errorf("%v becomes %v", err, explained)
		}
	})
}

// TestProtocols meets programs of other versions.
func TestProtocols(t *testing.T) {
	_, err := readRequest(strings.NewReader(`{"protocol":2,"questions":["show bgp summary json"]}`))
	if err == nil || err.Error() != "it is of protocol 2, and this fairlead frr speaks 1" {
		t.Errorf("a later agent gets %v", err)
	}
	_, err = readGreeting(newReader(strings.NewReader(`{"protocol":0,"version":"0.0.9"}`), maxAnswer))
	want := `vtysh itself failed: fairlead frr "0.0.9" speaks protocol 0, and this agent needs 1: start it anew in the agent's version, ` +
		"in Kubernetes by deleting FRR's pod of this node"
	if err == nil || err.Error() != want || !errors.Is(err, ErrVtysh) {
		t.Errorf("an earlier server gives\n%v, want\n%s", err, want)
	}
	later := newReader(strings.NewReader(`{"protocol":2,"version":"9","more":{}}{"out":"YQ==","more":1}{"end":{"exit":2,"text":"exit status 2","more":""}}`), maxAnswer)
	g, err := readGreeting(later)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = readAnswer(later, g.Version, &out, io.Discard)
	var exit *exitError
	if !errors.As(err, &exit) || *exit != (exitError{2, "exit status 2"}) || out.String() != "a" {
		t.Errorf("a later server gives %q, %v", out.String(), err)
	}
	for _, e := range []error{nil, &exitError{2, "exit status 2"}, &exitError{-1, "signal: killed"}, ErrNoVtysh, io.ErrShortWrite} {
		var text bytes.Buffer
		if err := encode(&text, answer{End: endOf(e)}); err != nil {
			t.Fatal(err)
		}
		got := readAnswer(newReader(&text, maxAnswer), "1", io.Discard, io.Discard)
		if (got == nil) != (e == nil) || errors.As(e, &exit) && cmp.Diff(e.Error(), got.Error()) != "" {
			t.Errorf("%v becomes %v", e, got)
		}
		if e != nil && !errors.As(e, &exit) && errors.Is(e, ErrNoVtysh) != errors.Is(got, ErrNoVtysh) {
			t.Errorf("%v becomes %v", e, got)
		}
	}
	if err := newReader(strings.NewReader(`{"out":"`+strings.Repeat("A", 64)+`"}`), 32).read(new(answer)); !errors.Is(err, errTooLong) {
		t.Errorf("a long answer gives %v", err)
	}
}
