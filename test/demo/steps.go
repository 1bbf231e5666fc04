package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// tour goes through the steps. An error of a step says what was wanted of tor, and what was found.
type tour struct {
	out   *printer
	scene *scene

	// What tor knew at the end of the second step, and what came over each session since.
	before   table
	sessions map[netip.Addr]session
	counters map[netip.Addr]*lab.UpdateCounter
}

func (t *tour) all(ctx context.Context) error {
	steps := []struct {
		title string
		run   func(context.Context) error
	}{
		{"The agents start FRR, and its sessions come up", t.comeUp},
		{"The subnet is announced by both nodes, the pod of policy local by its own", t.announce},
		{"The pod sample is annotated in its manifest", t.annotate},
		{"The annotation is removed", t.withdraw},
		{"Nothing else moved", t.unmoved},
		{"Each node proves what it sent", t.prove},
	}
	for i, step := range steps {
		t.out.heading("%d. %s", i+1, step.title)
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// The prefixes of the manifests, one of each family.
func subnetPrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.16.0.0/16"), netip.MustParsePrefix("fd00:10:16::/64")}
}

func localPrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.16.0.5/32"), netip.MustParsePrefix("fd00:10:16::5/128")}
}

func samplePrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.16.0.7/32"), netip.MustParsePrefix("fd00:10:16::7/128")}
}

// from adds to w that the nodes announce the prefixes, each over the session of its family.
func (w wanted) from(nodes []*node, prefixes []netip.Prefix) wanted {
	for _, prefix := range prefixes {
		var from []string
		for _, n := range nodes {
			from = append(from, n.address(prefix.Addr().Is4()).String())
		}
		w[prefix] = strings.Join(from, " and ")
	}
	return w
}

func (t *tour) comeUp(ctx context.Context) error {
	var want []netip.Addr
	for _, n := range t.scene.nodes {
		want = append(want, n.ipv4, n.ipv6)
	}
	took, err := await(ctx, t.scene.started, 30*time.Second, func() error {
		found, err := t.scene.sessions(ctx)
		if err != nil {
			return err
		}
		for _, address := range want {
			if s := found[address]; s.State != "Established" {
				return fmt.Errorf("the session with %s\nwanted: Established\nfound: %q", address, s.State)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.show(ctx, "show bgp summary"); err != nil {
		return err
	}
	t.out.ok("%d sessions are Established, at most %s after the agents were started", len(want), took)
	return nil
}

func (t *tour) announce(ctx context.Context) error {
	nodes := t.scene.nodes
	want := wanted{}.from(nodes, subnetPrefixes()).from(nodes[:1], localPrefixes())
	look := func() (err error) {
		if t.before, err = t.scene.table(ctx); err != nil {
			return err
		}
		return t.before.differs(want)
	}
	took, err := await(ctx, t.scene.started, 30*time.Second, look)
	if err != nil {
		return err
	}
	if err := t.show(ctx, "show ip bgp", "show bgp ipv6 unicast"); err != nil {
		return err
	}
	t.out.ok("the table holds these routes and no other, at most %s after the agents were started:\n%s", took, want)

	// What moves from here on is held against this.
	if err := t.calm(ctx); err != nil {
		return err
	}
	if err := look(); err != nil {
		return err
	}
	t.sessions, err = t.scene.sessions(ctx)
	return err
}

// routeMapDelay is how long after a route-map was loaded bgpd goes over it again and tells its neighbors all routes once
// more (FRR's "bgp route-map delay-timer").
const routeMapDelay = 5 * time.Second

// calm starts to count what the nodes send, and waits until their start is over: until each FRR has told its routes for
// the second time, and nothing came for a second.
func (t *tour) calm(ctx context.Context) error {
	t.out.text("(waiting until each node's FRR has gone over its new route-maps again, %s after they were loaded)", routeMapDelay)
	t.counters = map[netip.Addr]*lab.UpdateCounter{}
	var loaded time.Time
	for _, n := range t.scene.nodes {
		for _, a := range []netip.Addr{n.ipv4, n.ipv6} {
			t.counters[a] = t.scene.tor.CountUpdates(a)
		}
		at, err := n.loaded()
		if err != nil {
			return err
		}
		if at.After(loaded) {
			loaded = at
		}
	}
	count, changed := 0, loaded.Add(routeMapDelay)
	_, err := await(ctx, changed, 30*time.Second, func() error {
		now := 0
		for _, c := range t.counters {
			now += c.Counts().Messages
		}
		if now != count && time.Now().After(changed) {
			changed = time.Now()
		}
		count = now
		if time.Since(changed) < time.Second {
			return errors.New("the nodes\nwanted: no UPDATE for a second\nfound: they still send some")
		}
		return nil
	})
	for _, c := range t.counters {
		c.Reset()
	}
	return err
}

// annotation is the line that asks for an announcement, and above the one that it stands below.
const (
	annotation = `    ovn.kubernetes.io/bgp: "true"` + "\n"
	above      = "  annotations:\n"
)

func (t *tour) annotate(ctx context.Context) error {
	edited, err := t.edit("+", above, above+annotation)
	if err != nil {
		return err
	}
	want := wanted{}.from(t.scene.nodes, samplePrefixes())
	took, err := t.awaitSample(ctx, edited, want)
	if err != nil {
		return err
	}
	if err := t.show(ctx, "show ip bgp 10.16.0.7/32"); err != nil {
		return err
	}
	t.out.ok("the routes to the pod are there from both nodes, at most %s after the file was saved:\n%s", took, want)
	return nil
}

func (t *tour) withdraw(ctx context.Context) error {
	edited, err := t.edit("-", above+annotation, above)
	if err != nil {
		return err
	}
	took, err := t.awaitSample(ctx, edited, wanted{})
	if err != nil {
		return err
	}
	if err := t.show(ctx, "show ip bgp 10.16.0.7/32"); err != nil {
		return err
	}
	t.out.ok("the routes to the pod are gone, IPv4 and IPv6, at most %s after the file was saved", took)
	return nil
}

func (t *tour) awaitSample(ctx context.Context, since time.Time, want wanted) (time.Duration, error) {
	return await(ctx, since, 10*time.Second, func() error {
		found, err := t.scene.entries(ctx, samplePrefixes())
		if err != nil {
			return err
		}
		return found.differs(want)
	})
}

// unmoved checks that tor's other routes and its sessions are those of before, by their age and by what was received.
func (t *tour) unmoved(ctx context.Context) error {
	if err := t.show(ctx, "show ip bgp 10.16.0.0/16"); err != nil {
		return err
	}
	now, err := t.scene.table(ctx)
	if err != nil {
		return err
	}
	if err := sameAge(t.before, now); err != nil {
		return err
	}
	for _, prefix := range subnetPrefixes() {
		p := now[prefix].Paths[0]
		t.out.ok("%s: version %d and last update %s, as in step 2", prefix, now[prefix].Version, clock(p.LastUpdate.Epoch))
	}

	sessions, err := t.scene.sessions(ctx)
	if err != nil {
		return err
	}
	for a, was := range t.sessions {
		is := sessions[a]
		if is.State != was.State || is.Count != was.Count || !sameSecond(is.Since, was.Since) {
			return fmt.Errorf("the session with %s\nwanted: %+v\nfound: %+v", a, was, is)
		}
	}
	t.out.ok("%d sessions: up since step 1, none was reset", len(sessions))

	for a, counter := range t.counters {
		if err := onlySample(a, counter.Counts()); err != nil {
			return err
		}
	}
	t.out.ok("each session brought the pod's route in step 3 and its withdrawal in step 4, and not one UPDATE about another route")
	return nil
}

// prove has each agent compare what it was to send with what it sent, which fails where one route differs, and shows what
// the first one has told tor.
func (t *tour) prove(ctx context.Context) error {
	for _, n := range t.scene.nodes {
		if err := t.ask(ctx, n, "verify", "--wait", "20s"); err != nil {
			return err
		}
	}
	if err := t.ask(ctx, t.scene.nodes[0], "neighbor", "tor", "adj-out"); err != nil {
		return err
	}
	t.out.ok("each neighbor was sent exactly what it should be: fairlead verify exits 0")
	return nil
}

// ask asks the agent of a node, and shows what it answers.
func (t *tour) ask(ctx context.Context, n *node, question ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, t.scene.program(), append(question, "--socket", n.socket)...).CombinedOutput()
	t.out.command(fmt.Sprintf("%s# fairlead %s", n.name, strings.Join(question, " ")), string(out))
	if err != nil {
		return fmt.Errorf("ask %s: %w\nwanted: it agrees\nfound: see above", n.name, err)
	}
	return nil
}

// sameAge compares the prefixes of two tables by when they last changed.
func sameAge(before, now table) error {
	if !slices.Equal(slices.SortedFunc(maps.Keys(before), route.ComparePrefixes), slices.SortedFunc(maps.Keys(now), route.ComparePrefixes)) {
		return fmt.Errorf("the prefixes of tor\nwanted: %v\nfound: %v", before, now)
	}
	for prefix, was := range before {
		is := now[prefix]
		same := is.Version == was.Version && slices.EqualFunc(is.Paths, was.Paths, func(a, b path) bool {
			return a.Peer == b.Peer && sameSecond(a.LastUpdate.Epoch, b.LastUpdate.Epoch)
		})
		if !same {
			return fmt.Errorf("the age of the route to %s\nwanted: %s\nfound: %s", prefix, was.age(), is.age())
		}
	}
	return nil
}

// onlySample reports where a neighbor sent anything but one announcement and one withdrawal of the pod's prefix.
func onlySample(from netip.Addr, got lab.Updates) error {
	for _, prefix := range samplePrefixes() {
		if prefix.Addr().Is4() != from.Is4() {
			continue
		}
		if one := []netip.Prefix{prefix}; !slices.Equal(got.Announced, one) || !slices.Equal(got.Withdrawn, one) {
			return fmt.Errorf("from %s\nwanted: %s announced once and withdrawn once\nfound: %v", from, prefix, got)
		}
	}
	return nil
}

// sameSecond allows for bgpd's arithmetic: it takes an age in whole seconds from the clock's whole seconds, so that one
// moment is told as either of two. What is exact are the versions of the table, and the UPDATEs that were counted.
func sameSecond(a, b int64) bool { return a-b >= -1 && a-b <= 1 }

func clock(epoch int64) string { return time.Unix(epoch, 0).Format(time.TimeOnly) }

// edit replaces a part of the manifest of sample, shows the line, and tells when the new file was in place.
func (t *tour) edit(sign, old, new string) (time.Time, error) {
	file := filepath.Join(t.scene.manifests, "pod-sample.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, fmt.Errorf("edit manifest: %w", err)
	}
	if strings.Count(string(data), old) != 1 {
		return time.Time{}, fmt.Errorf("edit manifest %s: it does not hold the text %q once", file, old)
	}
	// As editors do: a new file beside, which then takes the place of the old one in one step.
	beside := file + ".new"
	if err := os.WriteFile(beside, []byte(strings.Replace(string(data), old, new, 1)), 0o644); err != nil {
		return time.Time{}, fmt.Errorf("edit manifest: %w", err)
	}
	t.out.command("$ edit "+file, " "+above+sign+annotation)
	edited := time.Now()
	if err := os.Rename(beside, file); err != nil {
		return time.Time{}, fmt.Errorf("edit manifest: %w", err)
	}
	return edited, nil
}

// show runs commands on tor's FRR and prints them with their output.
func (t *tour) show(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		out, err := t.scene.tor.Vtysh(ctx, c)
		if err != nil {
			return err
		}
		t.out.command(fmt.Sprintf("tor# vtysh -c '%s'", c), out)
	}
	return nil
}

// await calls check until it returns nil, and gives the time since then, rounded up to milliseconds. Each look takes a run
// of vtysh, so the true time is some 30 ms less. When the timeout is over, it returns the last error of check.
func await(ctx context.Context, since time.Time, timeout time.Duration, check func() error) (time.Duration, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return (time.Since(since) + time.Millisecond - 1).Truncate(time.Millisecond), nil
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), err)
		case <-deadline.C:
			return 0, fmt.Errorf("within %s: %w", timeout, err)
		case <-tick.C:
		}
	}
}
