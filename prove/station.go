package prove

import (
	"context"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/bmp"
)

const (
	// complainAgain is how long nothing more is logged of an address, whatever it does.
	complainAgain = time.Minute
	// maxComplaints bounds the addresses that are remembered, and by that how many complaints there are in a minute: an outsider
	// with many addresses does not fill the log.
	maxComplaints = 64
)

// complaints are what the log was told last of each address.
type complaints map[netip.Addr]complaint

type complaint struct {
	text string
	at   time.Time
}

// isNew reports whether a text is to be logged now of an address, and takes it for logged.
func (c complaints) isNew(of netip.Addr, text string, now time.Time) bool {
	last, known := c[of]
	if known && (last.text == text || now.Sub(last.at) < complainAgain) {
		return false
	}
	if !known && len(c) >= maxComplaints {
		for addr, old := range c {
			if now.Sub(old.at) >= complainAgain {
				delete(c, addr)
			}
		}
		if len(c) >= maxComplaints {
			return false
		}
	}
	c[of] = complaint{text, now}
	return true
}

// failed takes what is wrong with a router that feeds the station.
func (p *Prover) failed(source netip.AddrPort, err error) {
	p.mu.Lock()
	isNew := p.complaints.isNew(source.Addr(), err.Error(), time.Now())
	p.mu.Unlock()
	if !isNew {
		return
	}
	p.options.Log.WithField("router", source.String()).WithError(err).Warn("a router does not feed the BMP station as it should")
	wish(p.unfed)
}

// tell tells who feeds the station, again and again until ctx ends.
func (p *Prover) tell(ctx context.Context, station *bmp.Station) {
	for ctx.Err() == nil {
		p.options.Fed(station.Routers())
		pause(ctx, askEvery, p.unfed)
	}
}
