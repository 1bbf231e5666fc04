package main

import (
	"context"
	"net/netip"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
)

// feed is what is known of bgpd's way to feed a BMP station. The zero value knows nothing yet.
type feed struct{ asked, possible bool }

// ask asks bgpd, unless it has answered already, and reports whether it says that it cannot, for the first time.
func (f *feed) ask(ctx context.Context, vtysh *frr.Vtysh) bool {
	if f.asked {
		return false
	}
	possible, err := vtysh.FeedsBMP(ctx)
	if err != nil {
		// What was true stays so: a question that failed once takes no feed away.
		return false
	}
	f.asked, f.possible = true, possible
	return !possible
}

// unfed is what is said of a bgpd that cannot.
const unfed = "bgpd runs without its BMP module, and is not asked to feed the station: start it with -M bmp, on Debian by bgpd_options " +
	"in /etc/frr/daemons, or write verify.bmp.feed: false"

// leave takes the station out of what is given to a bgpd that cannot feed it: bgpd would refuse all that stands with it.
func (f *feed) leave(speaker *route.Speaker) {
	if !f.possible {
		speaker.Station = netip.AddrPort{}
	}
}
