// Package chart tests the chart with the real helm: what it makes of values, what it refuses, and that the rights it gives are those
// that an agent needs.
package chart
