package verify

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// Transit says what a neighbor may be told that this node did not originate. The zero value means nothing.
type Transit struct {
	// Any allows all, as it must where the routes come from iBGP neighbors, or from neighbors whose AS is not known.
	Any bool
	// From are the ASes of the eBGP neighbors whose routes may be passed on: such a route's path begins with one of them,
	// after our own AS where that is prepended.
	From []route.ASN
}

// allows reports whether a route with this AS path may be passed on to a neighbor before whom own is prepended; 0 means that
// nothing is.
func (t Transit) allows(path string, own route.ASN) bool {
	if t.Any {
		return true
	}
	first, rest, _ := strings.Cut(path, " ")
	if own != 0 {
		if first != strconv.FormatUint(uint64(own), 10) {
			return false
		}
		first, _, _ = strings.Cut(rest, " ")
	}
	asn, err := strconv.ParseUint(first, 10, 32)
	return err == nil && slices.Contains(t.From, route.ASN(asn))
}
