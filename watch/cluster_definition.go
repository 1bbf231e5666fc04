package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/reduce"
)

// definition is a CRD, and what it says of the objects that exist by it.
//
// Who deletes a CRD deletes its objects, and the API server tells of each as of any deletion, before the CRD goes. That is
// never what somebody wanted with the routes. So a deletion is followed only once a look at the CRD, made after it, shows
// the CRD that the objects were listed from, and that it stays. An object that went with its CRD is an orphan: it stays
// until the CRD comes back, and then for a grace time, in which whoever restores the CRD restores its objects, and
// Kube-OVN finds them ready again: an object is created without a status.
//
// Its fields but the first four belong to the Cluster's lock.
type definition struct {
	source  *source // follows the CRD itself
	objects *source // follows its objects
	crd     resource
	// kick holds at most one word that there is something to verify.
	kick chan struct{}

	// sight is the CRD as its watch shows it, listing as it was before the last list of objects, held the one that the
	// objects were last listed from.
	sight, listing, held sight
	// doubtful are objects whose deletion was seen and not yet verified, and the number of that deletion.
	doubtful map[key]int
	deletion int
	// orphans are the objects that went with their CRD, and what is to be in their place once they are given up: nothing, or
	// the object as it came back.
	orphans map[key]any
	// until is when the orphans are given up; zero where that is not near.
	until time.Time
}

// hidden reports whether nobody may watch the CRD. Then its objects are asked for whether it exists or not.
func (d *definition) hidden() bool { return d.source.trouble.Reason == Forbidden }

// open reports whether its objects can be asked for.
func (d *definition) open() bool { return d.sight.uid != "" || d.hidden() }

// put completes rows, and notes what the CRD's watch shows.
func (d *definition) put(_ key, value any) bool {
	last := d.sight
	d.sight = sight{}
	if seen, ok := value.(*sight); ok {
		d.sight = *seen
	}
	return d.sight != last
}

// merge completes rows.
func (d *definition) merge(items []*item) (differs bool, lacking []key) {
	if len(items) == 0 {
		return d.put(key{}, nil), nil
	}
	return d.put(key{}, items[0].value), nil
}

// get completes rows.
func (d *definition) get(key) any {
	if d.sight.uid == "" {
		return nil
	}
	return &d.sight
}

// len completes rows.
func (d *definition) len() int {
	if d.sight.uid == "" {
		return 0
	}
	return 1
}

// look asks the API server for the CRD as it is at this moment.
func (d *definition) look(ctx context.Context) (sight, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	object, err := d.crd.request(true).Name(d.crd.name).Do(ctx).Get()
	switch {
	case apierrors.IsForbidden(err):
		return sight{blind: true}, nil
	case apierrors.IsNotFound(err):
		return sight{}, nil
	case err != nil:
		return sight{}, err
	}
	crd, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return sight{}, fmt.Errorf("get CRD %s: the API server sent a %T", d.crd.name, object)
	}
	return sight{uid: crd.UID, ending: crd.DeletionTimestamp != nil}, nil
}

// anew reports whether the objects are being listed from another CRD than before.
func (d *definition) anew() bool { return d.held.uid != "" && d.listing.uid != d.held.uid }

// take notes that an object exists. One that came back with its CRD and is not ready yet stays an orphan that is.
func (d *definition) take(i *item) {
	if _, orphan := d.orphans[i.key]; orphan || d.anew() {
		if value := awaited(d.objects.rows.get(i.key), i.value); value != nil {
			delete(d.doubtful, i.key)
			d.orphan(i.key, i.value)
			i.value = value
			return
		}
	}
	d.found(i.key)
}

// awaited gives now as it will be once it is ready, where it was and is not; else nil.
func awaited(was, now any) any {
	switch now := now.(type) {
	case *reduce.Subnet:
		if was, ok := was.(*reduce.Subnet); ok && was.Ready && !now.Ready {
			ready := *now
			ready.Ready = true
			return &ready
		}
	case *reduce.EIP:
		if was, ok := was.(*reduce.EIP); ok && was.Ready && !now.Ready {
			ready := *now
			ready.Ready = true
			return &ready
		}
	}
	return nil
}

// found notes that an object exists, or that nothing is known of it any more.
func (d *definition) found(k key) {
	delete(d.doubtful, k)
	delete(d.orphans, k)
	if len(d.orphans) == 0 {
		d.until = time.Time{}
	}
}

// doubt notes that an object was deleted, which is to be verified. Where nobody may look at the CRD it is believed.
func (d *definition) doubt(k key) {
	if d.listing.blind {
		d.drop(k, nil)
		return
	}
	if d.doubtful == nil {
		d.doubtful = make(map[key]int)
	}
	d.deletion++
	d.doubtful[k] = d.deletion
	d.verifySoon()
}

func (d *definition) verifySoon() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// drop gives an object up, for what is in its place; nil is nothing.
func (d *definition) drop(k key, instead any) {
	d.found(k)
	d.objects.changed(d.objects.rows.put(k, instead))
}

// adopt takes over a list that lacks some of the objects, and reports whether the list says all there is to say.
func (d *definition) adopt(lacking []key) (complete bool) {
	seen, anew := d.listing, d.anew()
	for _, k := range lacking {
		_, orphan := d.orphans[k]
		switch {
		case seen.blind:
			d.drop(k, nil)
		case anew:
			delete(d.doubtful, k)
			d.orphan(k, nil)
		case !orphan:
			d.doubt(k)
		}
	}
	if anew && len(d.orphans) > 0 {
		d.until = time.Now().Add(d.objects.cluster.grace)
		d.verifySoon()
	}
	d.held = seen
	return !seen.ending
}

func (d *definition) orphan(k key, instead any) {
	if d.orphans == nil {
		d.orphans = make(map[key]any)
	}
	d.orphans[k] = instead
}

// verify looks into deletions and gives up orphans, until ctx ends.
func (d *definition) verify(ctx context.Context) {
	c := d.objects.cluster
	var pause pause
	for {
		c.mu.Lock()
		var grace <-chan time.Time
		if !d.until.IsZero() {
			grace = time.After(time.Until(d.until))
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-d.kick:
		case <-grace:
		}

		c.mu.Lock()
		held, deletion := d.held, d.deletion
		due := len(d.doubtful) > 0 || d.expired()
		c.mu.Unlock()
		if !due {
			continue
		}
		seen, err := d.look(ctx)
		if err != nil {
			d.verifySoon()
			c.wait(ctx, pause.next(err))
			continue
		}
		pause = 0
		d.conclude(seen, held, deletion)
	}
}

// expired reports whether the orphans are to be given up.
func (d *definition) expired() bool { return !d.until.IsZero() && !time.Now().Before(d.until) }

// conclude follows the deletions up to a number, or not, given what was seen of the CRD since, and the CRD that the
// objects were from.
func (d *definition) conclude(seen, held sight, deletion int) {
	defer d.objects.locked()()
	if d.held != held {
		d.verifySoon() // another list came meanwhile
		return
	}
	believed := seen.blind || seen.uid == held.uid && !seen.ending
	for k, number := range d.doubtful {
		switch {
		case number > deletion:
			d.verifySoon()
		case believed:
			d.drop(k, nil)
		default:
			delete(d.doubtful, k)
			d.orphan(k, nil)
		}
	}
	if !d.expired() {
		return
	}
	if believed {
		given := slices.SortedFunc(maps.Keys(d.orphans), key.compare)
		d.objects.cluster.log.WithField("object", d.objects.name).Warnf("giving up %d objects that CRD %s no longer holds, or not ready: %s",
			len(given), d.crd.name, names(given))
		for _, k := range given {
			d.drop(k, d.orphans[k])
		}
	}
	d.until = time.Time{}
}

// names lists objects for a log line of bounded length.
func names(keys []key) string {
	const most = 10
	var text []string
	for i, k := range keys {
		if i == most {
			text = append(text, "and more")
			break
		}
		text = append(text, k.String())
	}
	return strings.Join(text, ", ")
}

// condition is what the CRD's state means for its objects.
func (d *definition) condition() Condition {
	state := "is missing"
	switch {
	case d.sight.ending:
		state = "is being deleted"
	case d.sight.uid == "" && d.source.synced, len(d.orphans) > 0 && d.until.IsZero():
	case !d.until.IsZero():
		return Condition{Reason: Restored, Message: fmt.Sprintf("CRD %s was created anew: keeping %d objects until %s that it does not hold, or not ready",
			d.crd.name, len(d.orphans), d.until.UTC().Format(time.RFC3339))}
	default:
		return Condition{}
	}
	if !d.objects.refused && d.objects.rows.len() == 0 {
		return Condition{}
	}
	return Condition{Reason: Missing, Message: fmt.Sprintf("CRD %s %s: keeping its %d objects; create it again, or restart the agent without it to give them up",
		d.crd.name, state, d.objects.rows.len())}
}
