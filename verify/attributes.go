package verify

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// Attributes are the path attributes of a route as they are on the wire (RFC 4271, section 5). Routes share them: once they
// are handed over, nobody changes them.
type Attributes struct {
	// Origin is the ORIGIN.
	Origin Origin `json:"origin"`
	// ASPath is written as FRR does: "65000 65001 {65002,65003}", and "" where it is empty.
	ASPath string `json:"asPath"`
	// NextHop is the address of the neighbor's next hop, of IPv6 the global one where there is one. In what is intended, the
	// zero Addr means the session's own.
	NextHop netip.Addr `json:"nextHop,omitzero"`
	// MED is 0 where the attribute is missing, which means the same (RFC 4271, section 9.1.2.2).
	MED uint32 `json:"med"`
	// LocalPreference is 0 where the attribute is missing, as it is on eBGP.
	LocalPreference uint32 `json:"localPreference"`
	// Communities (RFC 1997) and LargeCommunities (RFC 8092) are sorted, each once.
	Communities      []route.Community      `json:"communities,omitempty"`
	LargeCommunities []route.LargeCommunity `json:"largeCommunities,omitempty"`
	// Unseen are those that the witness could not see; its zero value means that it saw all.
	Unseen Fields `json:"unseen"`
}

// Origin is the ORIGIN of RFC 4271, section 5.1.1, with its values there.
type Origin uint8

// The three origins. What Fairlead originates is IGP.
const (
	IGP Origin = iota
	EGP
	Incomplete
)

// String gives FRR's word.
func (o Origin) String() string {
	switch o {
	case IGP:
		return "IGP"
	case EGP:
		return "EGP"
	case Incomplete:
		return "incomplete"
	default:
		return "origin " + strconv.Itoa(int(o))
	}
}

// MarshalText gives what String gives.
func (o Origin) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Field is one of the attributes that are compared.
type Field uint8

// The attributes that are compared.
const (
	NextHop Field = iota
	ASPath
	MED
	LocalPreference
	Communities
	LargeCommunities
	OriginField
	fieldCount
)

var fieldNames = [fieldCount]string{
	"next hop", "AS path", "MED", "local preference", "communities", "large communities", "origin",
}

// String gives the attribute's name, such as "next hop".
func (f Field) String() string {
	if f < fieldCount {
		return fieldNames[f]
	}
	return "attribute " + strconv.Itoa(int(f))
}

// MarshalText gives what String gives.
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Fields is a set of them. Its zero value is empty.
type Fields uint8

// FieldsOf is the set of some attributes.
func FieldsOf(fields ...Field) Fields {
	var s Fields
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

// Has reports whether f is one of the set.
func (s Fields) Has(f Field) bool { return s&(1<<f) != 0 }

// String lists the names: "next hop, communities".
func (s Fields) String() string {
	var names []string
	for f := range fieldCount {
		if s.Has(f) {
			names = append(names, f.String())
		}
	}
	return strings.Join(names, ", ")
}

// MarshalText gives what String gives.
func (s Fields) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Text is one attribute as people read it; "none" where there is nothing.
func (a *Attributes) Text(f Field) string {
	text := ""
	switch f {
	case NextHop:
		if !a.NextHop.IsValid() {
			return "the session's own"
		}
		text = a.NextHop.String()
	case ASPath:
		text = a.ASPath
	case MED:
		text = strconv.FormatUint(uint64(a.MED), 10)
	case LocalPreference:
		if a.LocalPreference != 0 {
			text = strconv.FormatUint(uint64(a.LocalPreference), 10)
		}
	case Communities:
		text = joined(a.Communities)
	case LargeCommunities:
		text = joined(a.LargeCommunities)
	case OriginField:
		text = a.Origin.String()
	}
	if text == "" {
		return "none"
	}
	return text
}

func joined[T fmt.Stringer](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return strings.Join(texts, " ")
}

// different is the set of attributes in which got is not what is wanted. Own are the session's own addresses; without any,
// a next hop that should be one of them is not looked at. What the witness could not see is no difference.
func different(want, got *Attributes, own []netip.Addr) Fields {
	var s Fields
	set := func(f Field, differs bool) {
		if differs {
			s |= 1 << f
		}
	}
	if want.NextHop.IsValid() {
		set(NextHop, want.NextHop != got.NextHop)
	} else {
		set(NextHop, len(own) > 0 && !slices.Contains(own, got.NextHop))
	}
	set(ASPath, want.ASPath != got.ASPath)
	set(MED, want.MED != got.MED)
	set(LocalPreference, want.LocalPreference != got.LocalPreference)
	set(Communities, !slices.Equal(want.Communities, got.Communities))
	set(LargeCommunities, !slices.Equal(want.LargeCommunities, got.LargeCommunities))
	set(OriginField, want.Origin != got.Origin)
	return s &^ got.Unseen
}

// equal reports whether two are the same in all that can be seen.
func (a *Attributes) equal(b *Attributes) bool {
	return a == b || a.NextHop == b.NextHop && a.Unseen == b.Unseen && different(a, b, nil) == 0
}

// Pool has routes with the same attributes share them. Its zero value is ready to use; it must not be used concurrently.
type Pool struct {
	known map[string]*Attributes
	key   []byte
}

// poolSize bounds how many are remembered. A node has a handful; beyond that some routes do not share theirs.
const poolSize = 4096

// Share gives the attributes that are like a: those of an earlier call, or a copy of a. The slices of a are kept.
func (p *Pool) Share(a Attributes) *Attributes {
	hop := a.NextHop.As16() // all zero where it is the zero Addr
	key := p.key[:0]
	key = append(key, hop[:]...)
	key = append(key, byte(a.Origin), byte(a.Unseen))
	key = binary.BigEndian.AppendUint32(key, a.LocalPreference)
	key = binary.BigEndian.AppendUint32(key, a.MED)
	key = binary.BigEndian.AppendUint32(key, uint32(len(a.Communities)))
	for _, c := range a.Communities {
		key = binary.BigEndian.AppendUint32(key, uint32(c))
	}
	key = binary.BigEndian.AppendUint32(key, uint32(len(a.LargeCommunities)))
	for _, c := range a.LargeCommunities {
		key = binary.BigEndian.AppendUint32(key, c.GlobalAdministrator)
		key = binary.BigEndian.AppendUint32(key, c.LocalData1)
		key = binary.BigEndian.AppendUint32(key, c.LocalData2)
	}
	key = append(key, a.ASPath...)
	p.key = key
	if shared, ok := p.known[string(key)]; ok {
		return shared
	}
	if p.known == nil || len(p.known) >= poolSize {
		p.known = map[string]*Attributes{}
	}
	// A copy, so that a itself stays on the stack where it is known.
	shared := new(Attributes)
	*shared = a
	p.known[string(key)] = shared
	return shared
}

// intended gives the attributes of a, as the neighbor should receive them. What a router of ours originates is IGP.
func intended(a *route.Announcement) Attributes {
	path := make([]byte, 0, 16)
	for i, asn := range a.ASPath {
		if i > 0 {
			path = append(path, ' ')
		}
		path = strconv.AppendUint(path, uint64(asn), 10)
	}
	return Attributes{
		ASPath: string(path), NextHop: a.NextHop, MED: a.MED, LocalPreference: a.LocalPreference,
		Communities: a.Communities, LargeCommunities: a.LargeCommunities,
	}
}
