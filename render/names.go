package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"

	"github.com/fairlead/fairlead/route"
)

// digest gives the hash of a content; tests give one that collides.
type digest func(content string) [sha256.Size]byte

func sha(content string) [sha256.Size]byte { return sha256.Sum256([]byte(content)) }

// names gives each content a name: prefix, and as much of its hash as sets it apart from all others, at least 32 bits. It
// depends on the set of contents alone, not on their order.
func names(prefix string, contents iter.Seq[string], hash digest) map[string]string {
	const short, long = 8, 40
	sums := make(map[string]string)
	bearers := make(map[string]int)
	for c := range contents {
		sum := hash(c)
		sums[c] = hex.EncodeToString(sum[:])
		bearers[sums[c][:short]]++
	}
	named := make(map[string]string, len(sums))
	for c, sum := range sums {
		length := short
		if bearers[sum[:short]] > 1 {
			length = long
		}
		named[c] = prefix + sum[:length]
	}
	return named
}

// install is the subject of the marker of what zebra installs.
const install = "install"

func audienceSubject(a route.Audience) string { return fmt.Sprintf("audience %q", a) }

// neighborSubject stands for what n's policy of now accepts. What an older one has let in bears another marker until FRR has
// asked n for its routes again, so that a change of policies never passes on, for that moment, what none of them lets pass.
func neighborSubject(n route.Neighbor) string {
	return fmt.Sprintf("neighbor %q accepts %t %v with our AS %d", n.TransitName(), n.Receive.All, n.Receive.Prefixes, n.AllowASIn)
}

// markers gives each subject of a router its marker. Two whose hashes collide are told apart in the order of their names.
func markers(asn route.ASN, subjects []string, hash digest) map[string]route.LargeCommunity {
	given := make(map[string]route.LargeCommunity, len(subjects))
	taken := make(map[uint32]bool, len(subjects))
	for _, s := range slices.Sorted(slices.Values(subjects)) {
		sum := hash(s)
		n := binary.BigEndian.Uint32(sum[:])
		for taken[n] {
			n++
		}
		taken[n] = true
		given[s] = route.LargeCommunity{
			GlobalAdministrator: uint32(asn),
			LocalData1:          route.MarkerData,
			LocalData2:          n,
		}
	}
	return given
}

// communityName gives c as FRR's running-config writes it: the well-known ones by name.
func communityName(c route.Community) string {
	switch c {
	case 0xFFFF0000:
		return "graceful-shutdown"
	case 0xFFFF0001:
		return "accept-own"
	case 0xFFFF029A:
		return "blackhole"
	case 0xFFFFFF01:
		return "no-export"
	case 0xFFFFFF02:
		return "no-advertise"
	case 0xFFFFFF03:
		return "local-AS"
	case 0xFFFFFF04:
		return "no-peer"
	default:
		return c.String()
	}
}
