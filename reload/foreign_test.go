package reload

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mine declares what guest is made of.
func mine() Foreign {
	return Foreign{
		{"router bgp 65000", "neighbor 192.0.2.9"},
		{"router bgp 65000", "neighbor 2001:DB8::9"},
		{"router bgp 65000", "bgp bestpath"},
		{"router bgp 65000", "address-family ipv4 unicast", "aggregate-address"},
		{"router bgp 65000", "address-family ipv4 unicast", "network 10.9.9.0/24"},
		{"router bgp 65000", "address-family l2vpn evpn"},
		{"router bgp 65020 view mine"},
	}
}

// guest is somebody's own in a router of ours, as FRR writes it.
const guest = `router bgp 65000
 bgp bestpath as-path multipath-relax
 neighbor 192.0.2.9 remote-as 65009
 neighbor 192.0.2.9 password hunter2
 neighbor 2001:db8::9 remote-as 65009
 !
 address-family ipv4 unicast
  network 10.9.9.0/24
  aggregate-address 10.9.0.0/16 summary-only
  neighbor 192.0.2.9 activate
  no neighbor 2001:db8::9 activate
 exit-address-family
 !
 address-family l2vpn evpn
  neighbor 192.0.2.9 activate
  advertise-all-vni
 exit-address-family
exit
!
router bgp 65020 view mine
 neighbor 192.0.2.1 remote-as 65001
exit
!
`

func TestSplit(t *testing.T) {
	own := golden(t, "one-switch")
	whole := Parse(merge([]byte(own), []byte(guest), mine()))
	ours, theirs := mine().split(whole.Owned())
	if diff := cmp.Diff(lines(Parse([]byte(own)).Owned()), lines(ours)); diff != "" {
		t.Errorf("ours (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(lines(Parse([]byte(guest))), lines(theirs)); diff != "" {
		t.Errorf("theirs (-want +got):\n%s", diff)
	}
	// A word is not the beginning of another one.
	ours, theirs = Foreign{{"router bgp 65000", "neighbor 10.32.32.25"}}.split(Parse([]byte(own)).Owned())
	if len(theirs) > 0 || len(ours) != len(Parse([]byte(own)).Owned()) {
		t.Errorf("10.32.32.254 is taken for 10.32.32.25: %q", lines(theirs))
	}
}

// foreignLinesOf gives the lines of a configuration that are somebody's own, in their order, as they are written.
func foreignLinesOf(conf string) string {
	var found strings.Builder
	context := ""
	for line := range strings.Lines(conf) {
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "router ") || strings.HasPrefix(text, "address-family "):
			context = strings.Repeat(" ", strings.Index(line, text)) + text
		case strings.Contains(line, "192.0.2.") || strings.Contains(line, "2001:db8::9") || strings.Contains(line, "10.9.") ||
			strings.Contains(line, "bestpath") || strings.Contains(line, "advertise-all-vni") || strings.Contains(line, "MINE"):
			fmt.Fprintf(&found, "%s: %s", context, line)
		}
	}
	return found.String()
}

// TestForeignStays applies one configuration after another to a model of FRR that holds somebody's own statements, among
// them some without the router that they stand in: no script names one, and the file keeps each as it was written.
func TestForeignStays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	configs := []string{"frr defaults traditional\n"}
	for _, name := range []string{"one-switch", "pair-of-switches", "bfd", "every-setting", "audiences", "empty"} {
		conf := golden(t, name)
		if strings.Contains(conf, "192.0.2.") {
			t.Fatalf("%s has addresses of the guest", name)
		}
		// The AS of a router with foreign statements cannot change.
		for _, line := range strings.Split(conf, "\n") {
			if words := strings.Fields(line); strings.HasPrefix(line, "router bgp ") && len(words) == 3 {
				conf = strings.Replace(conf, line+"\n", "router bgp 65000\n", 1)
			}
		}
		configs = append(configs, conf)
	}
	path := filepath.Join(t.TempDir(), "frr.conf")
	existing := golden(t, "one-switch") + guest + "ip prefix-list MINE seq 5 permit any\n"
	if err := os.WriteFile(path, []byte(existing), 0o600); err != nil {
		t.Fatal(err)
	}
	file := File{Path: path, Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }}
	m := &model{running: Parse(merge([]byte(golden(t, "one-switch")), []byte(guest), mine()))}
	inFRR, inFile := foreignLinesOf(write(m.running, "")), ""
	r := New(m, file)
	r.Declare(mine())
	for step := range 100 {
		wanted := configs[random.IntN(len(configs))]
		if random.IntN(5) == 0 {
			r.Forget()
		}
		m.scripts = nil
		if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		for _, script := range m.scripts {
			if touched := foreignLinesOf(script); touched != "" || strings.Contains(script, "no router bgp 65000\n") {
				t.Fatalf("step %d touches what is foreign:\n%s", step, script)
			}
		}
		if diff := cmp.Diff(inFRR, foreignLinesOf(write(m.running, ""))); diff != "" {
			t.Fatalf("step %d: in FRR (-want +got):\n%s", step, diff)
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if inFile == "" {
			inFile = foreignInFile(t, string(kept))
		}
		if diff := cmp.Diff(inFile, foreignInFile(t, string(kept))); diff != "" {
			t.Fatalf("step %d: in the file (-want +got):\n%s\n%s", step, diff, kept)
		}
		// What FRR would start with is what it runs, also of a router that only stays for what is foreign.
		ours, _ := mine().split(Parse(kept).Owned())
		runs, _ := mine().split(m.running.Owned())
		if diff := cmp.Diff(lines(runs), lines(ours)); diff != "" {
			t.Fatalf("step %d: ours (-in FRR +in the file):\n%s", step, diff)
		}
		if want := Parse([]byte(wanted)).Owned(); len(want) > 0 {
			if diff := cmp.Diff(lines(want), lines(ours)); diff != "" {
				t.Fatalf("step %d: ours (-want +got):\n%s", step, diff)
			}
		}
	}
}

// foreignInFile gives the foreign lines of a file, sorted by their contexts: a family of its own moves behind ours.
func foreignInFile(t *testing.T, conf string) string {
	t.Helper()
	lines := strings.Split(foreignLinesOf(conf), "\n")
	var router, families, rest []string
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "router bgp 65000: "):
			router = append(router, line)
		case strings.HasPrefix(line, " address-family"):
			families = append(families, line)
		default:
			_, text, _ := strings.Cut(line, ": ")
			rest = append(rest, text)
		}
	}
	return strings.Join(router, "\n") + "\n" + strings.Join(families, "\n") + "\n" + strings.Join(rest, "\n")
}

// A file is merged once and for all: the second time nothing changes, whoever wrote it and in whichever form.
func TestMergeForeign(t *testing.T) {
	flat := "router bgp 65000\nneighbor 192.0.2.9 remote-as 65009\nneighbor 10.32.32.254 remote-as 1\n!\naddress-family ipv4 unicast\nnetwork 10.9.9.0/24\nneighbor 192.0.2.9 activate\nexit-address-family\nexit\nlog syslog\n"
	files := map[string]string{
		"as FRR writes it":   "frr version 10.3\n" + guest + golden(t, "pair-of-switches"),
		"flat":               flat,
		"flat, with exit":    strings.ReplaceAll(flat, "exit-address-family\n", "exit\nneighbor 2001:db8::9 remote-as 65009\n"),
		"without an end":     strings.TrimSuffix(strings.ReplaceAll(guest, "exit\n!\n", "!\n"), "!\n"),
		"with tabs":          strings.ReplaceAll(guest, "\n ", "\n\t"),
		"nothing that is so": golden(t, "every-setting"),
	}
	for name, existing := range files {
		t.Run(name, func(t *testing.T) {
			for _, wanted := range []string{golden(t, "one-switch"), "frr defaults traditional\n", golden(t, "pair-of-switches")} {
				once := merge([]byte(wanted), []byte(existing), mine())
				if diff := cmp.Diff(string(once), string(merge([]byte(wanted), once, mine()))); diff != "" {
					t.Errorf("the second merge differs (-once +twice):\n%s", diff)
				}
				_, before := mine().split(Parse([]byte(strings.ReplaceAll(existing, "\n\t", "\n "))).Owned())
				_, after := mine().split(Parse(once).Owned())
				if diff := cmp.Diff(lines(before), lines(after)); diff != "" && !strings.HasPrefix(name, "flat") {
					t.Errorf("foreign statements (-in the file before +after):\n%s\n%s", diff, once)
				}
				if strings.HasPrefix(name, "flat") && !strings.Contains(strings.Join(lines(after), "\n"), "address-family ipv4 unicast / network 10.9.9.0/24") {
					t.Errorf("foreign statements are lost:\n%s", once)
				}
				if name == "flat, with exit" && !strings.Contains(strings.Join(lines(after), "\n"), " / neighbor 2001:db8::9 remote-as 65009") {
					t.Errorf("what follows the end of an address family is lost:\n%s", once)
				}
				if strings.Contains(string(once), "remote-as 1\n") {
					t.Errorf("a line that was ours has become somebody's:\n%s", once)
				}
			}
		})
	}
}

// What is written as foreign and is not declared so is taken back, and what is declared is not asked for.
func TestForeignAndWanted(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{running: Parse([]byte("router bgp 65000\n neighbor 192.0.2.9 remote-as 65009\n address-family ipv4 unicast\n  network 10.16.0.5/32\n"))}
	r := New(m, File{})
	r.Declare(Foreign{{"router bgp 65000", "address-family ipv4 unicast", "network 10.16.0.5/32"}})
	if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines(m.running.Owned()), "\n")
	if strings.Contains(got, "192.0.2.9") || !strings.Contains(got, "unicast / network 10.16.0.5/32\n") {
		t.Errorf("FRR holds\n%s", got)
	}
	found, made, err := r.Audit(t.Context())
	if err != nil || !made || len(found) != 1 || found[0].Owner != Operator || found[0].Kind != Changed {
		t.Errorf("the audit finds %v, %t, %v: want the network that was declared", found, made, err)
	}
}

// The AS of a router with foreign statements is not changed, because that would take them along.
func TestForeignKeepsAS(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{running: Parse(merge([]byte(own), []byte(guest), mine()))}
	r := New(m, File{})
	r.Declare(Foreign{{"router bgp 65001", "neighbor 192.0.2.9"}})
	_, err := r.Apply(t.Context(), []byte(strings.ReplaceAll(own, "router bgp 65000", "router bgp 65001")))
	if err == nil || !strings.Contains(err.Error(), "declared foreign") || len(m.scripts) > 0 {
		t.Errorf("got %v, and %d scripts", err, len(m.scripts))
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error has a password: %v", err)
	}
}

// The sessions of foreign neighbors are foretold where a change resets them, and not where their router only seems to go.
func TestForeignResets(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{running: Parse(merge([]byte(own), []byte(guest), mine()))}
	r := New(m, File{})
	r.Declare(mine())
	told := map[string]string{}
	r.Foretell(func(f Foresight) {
		for _, reset := range f.Resets {
			told[reset.Neighbor] = reset.Cause
		}
	})
	if _, err := r.Apply(t.Context(), []byte(strings.Replace(own, "router-id 10.0.1.2", "router-id 10.0.1.9", 1))); err != nil {
		t.Fatal(err)
	}
	if told["192.0.2.9"] != "bgp router-id" || told["2001:db8::9"] != "bgp router-id" {
		t.Errorf("another router ID: foretold %v", told)
	}
	clear(told)
	if _, err := r.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if told["192.0.2.9"] != "" || told["10.32.32.254"] == "" {
		t.Errorf("all of ours goes: foretold %v", told)
	}
}

// FuzzMerge merges any file with a configuration of ours: what is ours is as wanted, and the second merge changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add(guest)
	f.Add("router bgp 65000\nneighbor 192.0.2.9 remote-as 1\naddress-family ipv4 unicast\nnetwork 10.9.9.0/24\n!\nlog syslog\n")
	f.Add("router bgp 65000\n\tneighbor 192.0.2.9 remote-as 1\n  x\n exit\nexit\nrouter bgp 65020 view mine\n")
	f.Add("router bgp 65000\n address-family l2vpn evpn\n  vni 5\n   rd 1:1\n  exit-vni\n exit-address-family\nexit\n")
	f.Add("router bgp 00\n neighbor 2001:dB8::9\n  0\n exit-")
	f.Add("router bgp 65000\n neighbor 192.0.2.9\n no neighbor 2001:dB8::9 0\n no neighbor 2001:DB8:0:0:0:0:0:9 x\n")
	f.Add("router bgp 0 0\nneighbor 0\n exit\n 000")
	f.Add("router bgp 65000\naddress-family ipv4 unicast\nnetwork 10.9.9.0/24\nexit\nneighbor 192.0.2.9 remote-as 1\nexit\nlog syslog\n")
	own := []byte(golden(f, "one-switch"))
	want, _ := mine().split(Parse(own).Owned())
	f.Fuzz(func(t *testing.T, existing string) {
		if strings.Contains(existing, namespace) {
			t.Skip("a router that names what is ours is ours")
		}
		once := merge(own, []byte(existing), mine())
		ours, _ := mine().split(asRead(Parse(once)).Owned())
		if diff := cmp.Diff(lines(want), lines(ours)); diff != "" {
			t.Errorf("ours (-want +got):\n%s\n%s", diff, once)
		}
		if diff := cmp.Diff(string(once), string(merge(own, once, mine()))); diff != "" {
			t.Errorf("the second merge differs (-once +twice):\n%s", diff)
		}
	})
}

// asRead gives what people typed as FRR has it once it read it: its addresses and address families in FRR's own form.
func asRead(typed Tree) Tree {
	var read Tree
	for _, s := range typed {
		read = append(read, &Statement{Text: canonicalTyped(s.Text), Children: asRead(s.Children)})
	}
	return read
}

// merge gives wanted with what existing has of others.
func merge(wanted, existing []byte, declared Foreign) []byte {
	return othersOf(existing, declared, routersOf(wanted)).merge(wanted)
}
