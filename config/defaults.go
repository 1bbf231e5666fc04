package config

import (
	"math"
	"path"
	"slices"
	"time"
)

// defaultPort is that of BGP (RFC 4271, section 8).
const defaultPort = 179

// auditInterval is short enough that nobody wonders whether a change by hand was seen.
const auditInterval = 30 * time.Second

// verifyDeadline is longer than a route takes that FRR's delay timer does not hold up, on a busy node too.
const verifyDeadline = 2 * time.Second

// claimsInterval is gentle: FRR prints a whole table each time.
const claimsInterval = 10 * time.Second

// third is the keepalive time that RFC 4271, section 10 suggests for a hold time, in whole seconds.
func third(hold time.Duration) time.Duration {
	return max((hold / 3).Truncate(time.Second), time.Second)
}

// preset gives the defaults of the keys whose zero value says something else than that the key was left out.
func preset() Config {
	return Config{
		Events: true,
		Status: Status{Listen: ":7473", Socket: "/run/fairlead/fairlead.sock"},
		Verify: Verify{Tap: true, BMP: BMP{Listen: "127.0.0.1:11019"}},
	}
}

// setDefaults fills in what a valid file left out, beside what preset gives.
func (c *Config) setDefaults() {
	for i := range c.Routers {
		setDefault(&c.Routers[i].ASN, c.ASN)
	}
	for i := range c.Neighbors {
		c.Neighbors[i].setDefaults()
	}
	f := &c.FRR
	setDefault(&f.Mode, External)
	setDefault(&f.Paths.Vtysh, "/usr/bin/vtysh")
	setDefault(&f.Paths.Daemons, "/usr/lib/frr")
	setDefault(&f.Paths.Config, path.Join("/etc/frr", f.Pathspace, "frr.conf"))
	setDefault(&f.Audit.Interval, auditInterval)
	setDefault(&f.Audit.Drift, Heal)
	setDefault(&c.Verify.Deadline, verifyDeadline)
	setDefault(&c.Verify.Claims.Interval, claimsInterval)
	setDefault(&c.Kubernetes.Scope, ScopeCluster)
	setDefault(&c.Logging.Level, "info")
	setDefault(&c.Logging.Format, "text")
}

func (n *Neighbor) setDefaults() {
	const (
		holdTime    = 90 * time.Second
		maxHoldTime = math.MaxUint16 * time.Second
	)
	n.Name = n.name()
	setDefault(&n.Port, defaultPort)
	if n.EBGPMultihop == 1 {
		n.EBGPMultihop = 0
	}
	setDefault(&n.HoldTime, min(max(holdTime, 3*n.KeepaliveTime), maxHoldTime))
	setDefault(&n.KeepaliveTime, third(n.HoldTime))
	n.Families = slices.Sorted(slices.Values(n.families()))
	n.Receive.Accept = n.Receive.accept()
	if n.PasswordSecretRef.Name != "" {
		setDefault(&n.PasswordSecretRef.Key, "password")
	}
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}
