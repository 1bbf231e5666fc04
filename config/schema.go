package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// fieldsOf gives the fields of struct type t that have a key, in their order, those of embedded structs among them.
func fieldsOf(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		key := f.Tag.Get("yaml")
		return key == "" || key == "-" || key == ",inline"
	})
}

func keysOf(t reflect.Type) []string {
	fields := fieldsOf(t)
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Tag.Get("yaml")
	}
	return keys
}

// unknownKey is the advice for a key that t does not have.
func unknownKey(key string, t reflect.Type) string {
	keys := keysOf(t)
	if places := placesOf(key, "", reflect.TypeFor[Config]()); len(places) > 0 {
		return fmt.Sprintf("unknown key here: it belongs to %s", strings.Join(places, " or "))
	}
	if near := nearest(key, keys); near != "" {
		return fmt.Sprintf("unknown key: did you mean %s?", near)
	}
	return fmt.Sprintf("unknown key: write one of %s", strings.Join(keys, ", "))
}

// placesOf gives the paths under t at which key is known, with [] for any entry of a list.
func placesOf(key, path string, t reflect.Type) []string {
	var places []string
	for _, f := range fieldsOf(t) {
		here := join(path, f.Tag.Get("yaml"))
		if f.Tag.Get("yaml") == key {
			places = append(places, here)
		}
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner, here = inner.Elem(), here+"[]"
		}
		if inner.Kind() == reflect.Struct {
			places = append(places, placesOf(key, here, inner)...)
		}
	}
	return places
}

// join adds key to path: a plain one after a dot, any other quoted in brackets.
func join(path, key string) string {
	plain := key != "" && len(key) <= 64 && !strings.ContainsFunc(key, func(r rune) bool {
		return !isAlphanumeric(r) && r != '-' && r != '_'
	})
	switch {
	case !plain:
		return path + "[" + quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// nearest gives the known key that key was probably meant to be, or "".
func nearest(key string, known []string) string {
	const longest = 32
	if len(key) > longest {
		return ""
	}
	given := normal(key)
	best, bestDistance := "", (len(given)+1)/3+1
	for _, k := range known {
		if d := distance(given, normal(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return best
	}
	const telling = 4
	for _, k := range known {
		if long := normal(k); len(given) >= telling && strings.Contains(long, given) {
			return k
		}
	}
	return ""
}

// normal takes away what people write differently in the same key: hold-time, hold_time, holdtime.
func normal(key string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key))
}

// distance is how many letters must be added, removed, replaced or swapped with their neighbor to make b of a (optimal
// string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
