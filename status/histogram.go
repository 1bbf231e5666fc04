package status

import "time"

// bounds are the upper ends of a Histogram's buckets, in seconds: from a pass over a few routes to a vtysh that runs into its
// deadline.
var bounds = [...]float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60}

// Histogram says how long something took, each time since the agent started. It is a value: a copy stays as it is. The zero
// Histogram has seen nothing.
type Histogram struct {
	// Count is how many times.
	Count uint64 `json:"count"`
	// Sum is how long all of them took, in seconds.
	Sum float64 `json:"sumSeconds"`
	// Last is how long the last one took, in seconds.
	Last float64 `json:"lastSeconds"`
	// buckets count those that took at most as many seconds as the bound of the same index, and more than the bound before.
	buckets [len(bounds)]uint64
}

// observe adds one that took d.
func (h *Histogram) observe(d time.Duration) {
	seconds := d.Seconds()
	h.Count++
	h.Sum += seconds
	h.Last = seconds
	for i, bound := range bounds {
		if seconds <= bound {
			h.buckets[i]++
			return
		}
	}
}

// cumulative gives what Prometheus wants: for each bound how many took at most that long.
func (h Histogram) cumulative() map[float64]uint64 {
	counts := make(map[float64]uint64, len(bounds))
	sum := uint64(0)
	for i, bound := range bounds {
		sum += h.buckets[i]
		counts[bound] = sum
	}
	return counts
}
