package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// decodeScalar reads a single value.
func decodeScalar(n *yaml.Node, v reflect.Value, tag reflect.StructTag) error {
	switch p := v.Addr().Interface().(type) {
	case *netip.Addr:
		return set(p, n.Value, parseAddr)
	case *netip.Prefix:
		return set(p, n.Value, parsePrefix)
	case *time.Duration:
		return set(p, n.Value, func(s string) (time.Duration, error) { return parseDuration(s, tag) })
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(n.Value))
	}
	switch v.Kind() {
	case reflect.Bool:
		if n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false" {
			return fmt.Errorf("is %s: write true or false%s", describe(n), unquoted(n))
		}
		v.SetBool(n.Value == "true")
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		number, err := parseNumber(n, tag)
		if err != nil {
			return err
		}
		v.SetUint(number)
	case reflect.String:
		text, err := parseText(n, tag)
		if err != nil {
			return err
		}
		v.SetString(text)
	default:
		return fmt.Errorf("cannot be read: %s is not a type of a configuration value", v.Type())
	}
	return nil
}

func set[T any](p *T, s string, parse func(string) (T, error)) (err error) {
	*p, err = parse(s)
	return err
}

func parseAddr(s string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr, nil
	}
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return netip.Addr{}, fmt.Errorf("%s is a prefix: write the address alone, %s", prefix, prefix.Addr())
	}
	return netip.Addr{}, fmt.Errorf("%s is not an IP address: write one such as 10.32.32.254 or 2001:db8::1", quote(s))
}

func parsePrefix(s string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return netip.Prefix{}, fmt.Errorf("%s is an address: write its length too, %s/%d for it alone", addr, addr, addr.BitLen())
	}
	return netip.Prefix{}, fmt.Errorf("%s is not a prefix: write one such as 10.16.0.0/16 or 2001:db8::/32", quote(s))
}

// parseDuration reads a duration in Go's form or as a plain number of seconds, in whole seconds, within the tag's range.
func parseDuration(s string, tag reflect.StructTag) (time.Duration, error) {
	low, high, _ := strings.Cut(tag.Get("range"), "-")
	minimum, maximum := seconds(low), seconds(high)
	outside := func(given string) error {
		return fmt.Errorf("%s is out of range: write %s to %s", given, low, high)
	}
	if isWhole(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < minimum || n > maximum {
			return 0, outside(s + "s")
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration: write one such as %s or 1m30s, or a whole number of seconds", quote(s), low)
	}
	if d < time.Duration(minimum)*time.Second || d > time.Duration(maximum)*time.Second {
		return 0, outside(s)
	}
	if d%time.Second != 0 {
		whole := int64(d / time.Second)
		return 0, fmt.Errorf("%s is not in whole seconds: write %ds or %ds", s, whole, whole+1)
	}
	return d, nil
}

// seconds reads a bound of a duration's range, such as 3s.
func seconds(bound string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(bound, "s"), 10, 64)
	return n
}

// parseNumber reads a whole decimal number within the tag's range.
func parseNumber(n *yaml.Node, tag reflect.StructTag) (uint64, error) {
	low, high, _ := strings.Cut(tag.Get("range"), "-")
	if n.ShortTag() != "!!int" || !isWhole(n.Value) {
		return 0, fmt.Errorf("is %s: write a whole number from %s to %s%s", describe(n), low, high, unquoted(n))
	}
	minimum, _ := strconv.ParseInt(low, 10, 64)
	maximum, _ := strconv.ParseInt(high, 10, 64)
	number, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || number < minimum || number > maximum {
		return 0, fmt.Errorf("%s is out of range: write %s to %s", n.Value, low, high)
	}
	return uint64(number), nil
}

// isWhole reports whether s is a whole number that every YAML version reads as a decimal one: 010 is 8 in YAML 1.1.
func isWhole(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// parseText reads a text of one line, and one of the tag's enum where it has one.
func parseText(n *yaml.Node, tag reflect.StructTag) (string, error) {
	if n.ShortTag() != "!!str" {
		return "", fmt.Errorf("is %s: write a text, in quotes: %q", describe(n), n.Value)
	}
	if strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("has a line break or another character that cannot be printed: %s: take it out", quote(n.Value))
	}
	if allowed := tag.Get("enum"); allowed != "" && n.Value != "" {
		if values := strings.Split(allowed, ","); !slices.Contains(values, n.Value) {
			return "", fmt.Errorf("%s is not known: write one of %s", quote(n.Value), strings.Join(values, ", "))
		}
	}
	return n.Value, nil
}

// isNull reports whether n says nothing.
func isNull(n *yaml.Node) bool {
	n = target(n)
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describe says what n is, for a sentence that goes on with what it should be.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	switch n.ShortTag() {
	case "!!str":
		return "the text " + quote(n.Value)
	case "!!bool":
		return "the boolean " + n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	default:
		return "empty"
	}
}

// unquoted is the advice for a number or a boolean that stands in quotes.
func unquoted(n *yaml.Node) string {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return ", without quotes"
	}
	return ""
}

// quote prints what somebody wrote: safe for a terminal and a log, not longer than a line, and without a password of FRR's.
func quote(s string) string {
	const limit = 64
	if len(s) > limit {
		return fmt.Sprintf("%q...", mask(s[:limit]))
	}
	return fmt.Sprintf("%q", mask(s))
}

// passwords are the words of a statement of FRR after which the rest is a secret, also abbreviated or misspelled. A value may hold
// line breaks, which FRR's lines (frr.Mask) do not: what stands behind one is the rest of the secret too.
var passwords = regexp.MustCompile(`(?is)\b(passw[a-z]*)\s+\S.*`)

// mask puts "***" in the place of what stands behind the word password.
func mask(s string) string { return passwords.ReplaceAllString(s, "$1 ***") }
