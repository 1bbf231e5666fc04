package route

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// ASN is an autonomous system number, two or four octets (RFC 6793).
type ASN uint32

// ParseASN reads an AS number in asplain ("4200000001") or asdot ("64086.59905") form (RFC 5396). It refuses the
// numbers that no speaker may use: 0 (RFC 7607), 23456 (RFC 6793), 65535 and 4294967295 (RFC 7300).
func ParseASN(s string) (ASN, error) {
	n, err := parseASNumber(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not an AS number: write a whole number from 1 to 4294967294", s)
	}
	switch n {
	case 0, 23456, 65535, 4294967295:
		return 0, fmt.Errorf("AS %d is reserved and cannot be used: write another, private ones are 64512-65534 and 4200000000-4294967294", n)
	}
	return ASN(n), nil
}

func parseASNumber(s string) (uint32, error) {
	high, low, dotted := strings.Cut(s, ".")
	if !dotted {
		n, err := strconv.ParseUint(s, 10, 32)
		return uint32(n), err
	}
	h, err1 := strconv.ParseUint(high, 10, 16)
	l, err2 := strconv.ParseUint(low, 10, 16)
	return uint32(h<<16 | l), errors.Join(err1, err2)
}

// UnmarshalText reads what ParseASN reads.
func (a *ASN) UnmarshalText(text []byte) (err error) {
	*a, err = ParseASN(string(text))
	return err
}

// RemoteAS is what a neighbor's AS must be: a number, any but ours (FRR: external), or ours (FRR: internal).
// The zero value is not valid.
type RemoteAS struct {
	asn  ASN
	rule string
}

// External and Internal are the two rules that name no number.
var (
	External = RemoteAS{rule: "external"}
	Internal = RemoteAS{rule: "internal"}
)

// RemoteASN is the rule that the neighbor's AS is exactly asn.
func RemoteASN(asn ASN) RemoteAS { return RemoteAS{asn: asn} }

// IsZero reports whether r was never set.
func (r RemoteAS) IsZero() bool { return r == RemoteAS{} }

// IsInternal reports whether a session from a router of AS local is iBGP.
func (r RemoteAS) IsInternal(local ASN) bool { return r == Internal || r.rule == "" && r.asn == local }

// Number gives the AS number; false where r is one of the rules that name none.
func (r RemoteAS) Number() (ASN, bool) { return r.asn, r.rule == "" && r.asn != 0 }

// String gives the number, "external" or "internal".
func (r RemoteAS) String() string {
	if r.rule != "" {
		return r.rule
	}
	return strconv.FormatUint(uint64(r.asn), 10)
}

// MarshalJSON gives a number, or the rule as a string.
func (r RemoteAS) MarshalJSON() ([]byte, error) {
	if r.rule != "" {
		return []byte(strconv.Quote(r.rule)), nil
	}
	return []byte(r.String()), nil
}

// UnmarshalJSON reads whatever MarshalJSON gives: any number, those too that none may configure, such as 0 of a RemoteAS that was
// never set; and a text as UnmarshalText does. null changes nothing.
func (r *RemoteAS) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		return nil
	case bytes.HasPrefix(text, []byte(`"`)):
		return r.UnmarshalText(bytes.Trim(text, `"`))
	}
	asn, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return fmt.Errorf("%s is not an AS number", text)
	}
	*r = RemoteASN(ASN(asn))
	return nil
}

// UnmarshalText reads an AS number, "external" or "internal".
func (r *RemoteAS) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case External.rule, Internal.rule:
		*r = RemoteAS{rule: s}
		return nil
	default:
		asn, err := ParseASN(s)
		if err != nil {
			return fmt.Errorf("%w, or external, or internal", err)
		}
		*r = RemoteASN(asn)
		return nil
	}
}

// Family is an address family with its subsequent one (RFC 4760).
type Family uint8

// The families that Fairlead announces.
const (
	IPv4Unicast Family = iota + 1
	IPv6Unicast
)

// FamilyOf is the family that routes with addresses like a belong to.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4Unicast
	}
	return IPv6Unicast
}

// String gives "ipv4-unicast" or "ipv6-unicast".
func (f Family) String() string {
	switch f {
	case IPv4Unicast:
		return "ipv4-unicast"
	case IPv6Unicast:
		return "ipv6-unicast"
	default:
		return "family " + strconv.Itoa(int(f))
	}
}

// MarshalText gives what String gives.
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads "ipv4-unicast" or "ipv6-unicast", or their short forms "ipv4" and "ipv6".
func (f *Family) UnmarshalText(text []byte) error {
	switch string(text) {
	case "ipv4-unicast", "ipv4":
		*f = IPv4Unicast
	case "ipv6-unicast", "ipv6":
		*f = IPv6Unicast
	default:
		return fmt.Errorf("%q is not an address family: write ipv4-unicast or ipv6-unicast", text)
	}
	return nil
}

// Community is a community of RFC 1997: the upper 16 bits are an AS number, the lower ones its own value.
type Community uint32

// wellKnown are the names that FRR has for communities (RFC 1997, 3765, 7999 and 8326).
var wellKnown = map[string]Community{
	"graceful-shutdown": 0xffff0000,
	"blackhole":         0xffff029a,
	"no-export":         0xffffff01,
	"no-advertise":      0xffffff02,
	"local-as":          0xffffff03,
	"no-peer":           0xffffff04,
}

// Scope reports whether c bounds how far a route goes: no-export, no-advertise and local-as (RFC 1997).
func (c Community) Scope() bool {
	return c == wellKnown["no-export"] || c == wellKnown["no-advertise"] || c == wellKnown["local-as"]
}

// UnmarshalText reads two numbers, such as "65000:100", or one of the names no-export, no-advertise, local-as, no-peer,
// blackhole and graceful-shutdown.
func (c *Community) UnmarshalText(text []byte) error {
	if known, ok := wellKnown[string(text)]; ok {
		*c = known
		return nil
	}
	numbers, err := parseNumbers(string(text), 2, 16)
	if err != nil {
		return fmt.Errorf("%q is not a community: write two numbers from 0 to 65535, such as 65000:100, or one of "+
			"no-export, no-advertise, local-as, no-peer, blackhole, graceful-shutdown", text)
	}
	*c = Community(numbers[0]<<16 | numbers[1])
	return nil
}

// parseNumbers reads n numbers of so many bits, with a colon between them.
func parseNumbers(s string, n, bits int) ([]uint32, error) {
	parts := strings.Split(s, ":")
	if len(parts) != n {
		return nil, fmt.Errorf("%d numbers, want %d", len(parts), n)
	}
	numbers := make([]uint32, n)
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 10, bits)
		if err != nil {
			return nil, err
		}
		numbers[i] = uint32(number)
	}
	return numbers, nil
}

// String gives "65000:100".
func (c Community) String() string { return fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xffff) }

// MarshalText gives what String gives.
func (c Community) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LargeCommunity is a large community of RFC 8092.
type LargeCommunity struct {
	// GlobalAdministrator is an AS number; the other two mean what that AS says.
	GlobalAdministrator, LocalData1, LocalData2 uint32
}

// MarkerData is the LocalData1 of the large communities that mark routes inside FRR, those of our own AS numbers. No other
// use can be made of them: they are taken away from what comes in and from what leaves.
const MarkerData = 4242

// Compare orders large communities by their fields in turn: negative where c comes first, 0 where the two are the same.
func (c LargeCommunity) Compare(other LargeCommunity) int {
	return cmp.Or(
		cmp.Compare(c.GlobalAdministrator, other.GlobalAdministrator),
		cmp.Compare(c.LocalData1, other.LocalData1),
		cmp.Compare(c.LocalData2, other.LocalData2),
	)
}

// UnmarshalText reads three numbers, such as "65000:1:2".
func (c *LargeCommunity) UnmarshalText(text []byte) error {
	numbers, err := parseNumbers(string(text), 3, 32)
	if err != nil {
		return fmt.Errorf("%q is not a large community: write three numbers from 0 to 4294967295, such as 65000:1:2", text)
	}
	*c = LargeCommunity{GlobalAdministrator: numbers[0], LocalData1: numbers[1], LocalData2: numbers[2]}
	return nil
}

// String gives "65000:1:2".
func (c LargeCommunity) String() string {
	return fmt.Sprintf("%d:%d:%d", c.GlobalAdministrator, c.LocalData1, c.LocalData2)
}

// MarshalText gives what String gives.
func (c LargeCommunity) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MaxPassword is the longest TCP MD5 key, in octets, that FRR takes (PEER_PASSWORD_MAXLEN) and Linux too.
const MaxPassword = 80

var ipv4Compatible = netip.MustParsePrefix("::/96")

// IPv4Compatible reports whether a is one of the deprecated IPv6 addresses of RFC 4291, section 2.5.5.1, or ::1 or ::, which
// stand among them. FRR writes them with an IPv4 tail.
func IPv4Compatible(a netip.Addr) bool { return a.Is6() && ipv4Compatible.Contains(a) }

// Secret is a text that is never printed: every verb of fmt, and every encoder that asks it, gets "***". It must not be the
// key of a map, whose string keys encoding/json does not ask.
type Secret string

const mask = "***"

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String gives "***", or "" where there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format prints what String gives, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText gives what String gives.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
