package watch

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// key names an object among those of its resource.
type key struct{ namespace, name string }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.namespace, other.namespace), cmp.Compare(k.name, other.name))
}

func (k key) String() string {
	if k.namespace == "" {
		return k.name
	}
	return k.namespace + "/" + k.name
}

// table holds the objects of one resource. Changes gather beside a sorted slice, and are merged into a new one when
// somebody asks for it: what was handed out never changes, and ten thousand changes between two passes cost one copy. It
// needs a keyOf, and the caller's lock.
type table[T any] struct {
	keyOf  func(*T) key
	sorted []*T
	// fresh are the objects that differ from those in sorted; nil for those that are gone.
	fresh map[key]*T
}

// rows is what a source knows of its table, whatever the kind of its objects. The caller holds the lock.
type rows interface {
	// put takes the object over and reports whether it is another than before. A nil value removes it.
	put(k key, value any) bool
	// merge takes the objects over and reports whether one of them is another than before, and which objects are held
	// that are not among them: they stay.
	merge(items []*item) (differs bool, lacking []key)
	// get gives the object, or nil where it is not held.
	get(k key) any
	// len is the number of objects.
	len() int
}

func (t *table[T]) at(k key) *T {
	if object, changed := t.fresh[k]; changed {
		return object
	}
	i, found := slices.BinarySearchFunc(t.sorted, k, func(o *T, k key) int { return t.keyOf(o).compare(k) })
	if !found {
		return nil
	}
	return t.sorted[i]
}

func (t *table[T]) get(k key) any {
	if object := t.at(k); object != nil {
		return object
	}
	return nil
}

func (t *table[T]) len() int { return len(t.list()) }

func (t *table[T]) put(k key, value any) bool {
	object, _ := value.(*T) // nil where value is
	last := t.at(k)
	if last == nil && object == nil || last != nil && object != nil && reflect.DeepEqual(last, object) {
		return false
	}
	if t.fresh == nil {
		t.fresh = make(map[key]*T)
	}
	t.fresh[k] = object
	return true
}

func (t *table[T]) merge(items []*item) (differs bool, lacking []key) {
	objects := make([]*T, 0, len(items))
	for _, i := range items {
		if object, ok := i.value.(*T); ok {
			objects = append(objects, object)
		}
	}
	slices.SortFunc(objects, func(a, b *T) int { return t.keyOf(a).compare(t.keyOf(b)) })
	last := t.list()
	merged := make([]*T, 0, max(len(objects), len(last)))
	for len(objects) > 0 || len(last) > 0 {
		order := 0
		switch {
		case len(objects) == 0:
			order = 1
		case len(last) == 0:
			order = -1
		default:
			order = t.keyOf(objects[0]).compare(t.keyOf(last[0]))
		}
		switch {
		case order > 0:
			merged, lacking = append(merged, last[0]), append(lacking, t.keyOf(last[0]))
			last = last[1:]
		case order < 0:
			merged, differs = append(merged, objects[0]), true
			objects = objects[1:]
		default:
			// The same object stays the same pointer, which makes the next comparison cheap.
			if reflect.DeepEqual(objects[0], last[0]) {
				merged = append(merged, last[0])
			} else {
				merged, differs = append(merged, objects[0]), true
			}
			objects, last = objects[1:], last[1:]
		}
	}
	t.sorted, t.fresh = merged, nil
	return differs, lacking
}

// list gives the objects sorted by namespace and name. The slice is never changed.
func (t *table[T]) list() []*T {
	if len(t.fresh) == 0 {
		return t.sorted
	}
	keys := slices.SortedFunc(maps.Keys(t.fresh), key.compare)
	merged := make([]*T, 0, len(t.sorted)+len(keys))
	rest := t.sorted
	for _, k := range keys {
		n, found := slices.BinarySearchFunc(rest, k, func(o *T, k key) int { return t.keyOf(o).compare(k) })
		merged = append(merged, rest[:n]...)
		if found {
			n++
		}
		rest = rest[n:]
		if object := t.fresh[k]; object != nil {
			merged = append(merged, object)
		}
	}
	merged = append(merged, rest...)
	t.sorted, t.fresh = merged, nil
	return t.sorted
}
