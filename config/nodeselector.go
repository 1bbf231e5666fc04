package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// NodeSelector chooses nodes by their labels, as a LabelSelector of Kubernetes does: all that it says must hold. The zero
// value chooses every node.
//
// In the file it is either plain labels, as in a pod's nodeSelector, or the keys matchLabels and matchExpressions.
type NodeSelector struct {
	// MatchLabels are labels that a node must have, with these values. Default: none.
	MatchLabels map[string]string `yaml:"matchLabels" value:"mapping of labels" example:"{rack: rack1}" frr:"-"`
	// MatchExpressions are conditions that a node must fulfil, each of them. Default: none.
	MatchExpressions []Requirement `yaml:"matchExpressions" example:"[{key: rack, operator: Exists}]" frr:"-"`
}

// Requirement is a condition on one label.
type Requirement struct {
	// Key is the label's key. Required.
	Key string `yaml:"key" required:"true" value:"key of a label" example:"rack" frr:"-"`
	// Operator says how the label's value is compared. Required.
	Operator Operator `yaml:"operator" required:"true" enum:"In,NotIn,Exists,DoesNotExist" example:"In" frr:"-"`
	// Values are what In and NotIn compare with; Exists and DoesNotExist have none. Default: none.
	Values []string `yaml:"values" value:"list of label values" example:"[rack1, rack2]" frr:"-"`
}

// Operator is how a Requirement compares.
type Operator string

// The operators of a LabelSelector.
const (
	// In: the label is there, with one of the values.
	In Operator = "In"
	// NotIn: the label is not there, or has none of the values.
	NotIn Operator = "NotIn"
	// Exists: the label is there, whatever its value.
	Exists Operator = "Exists"
	// DoesNotExist: the label is not there.
	DoesNotExist Operator = "DoesNotExist"
)

// Matches reports whether a node with these labels is chosen.
func (s NodeSelector) Matches(labels map[string]string) bool {
	for key, want := range s.MatchLabels {
		if value, ok := labels[key]; !ok || value != want {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		if !r.matches(labels) {
			return false
		}
	}
	return true
}

// Everywhere reports whether s says nothing, and so chooses every node without a look at its labels.
func (s NodeSelector) Everywhere() bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }

// matches is false for an operator that is not one of the four: a wish that nobody understands chooses no node.
func (r Requirement) matches(labels map[string]string) bool {
	value, ok := labels[r.Key]
	switch r.Operator {
	case In:
		return ok && slices.Contains(r.Values, value)
	case NotIn:
		return !ok || !slices.Contains(r.Values, value)
	case Exists:
		return ok
	case DoesNotExist:
		return !ok
	default:
		return false
	}
}

// decodeNodeSelector reads either form of a NodeSelector.
func (d *decoder) decodeNodeSelector(path string, n *yaml.Node, s *NodeSelector) {
	v := reflect.ValueOf(s).Elem()
	known := keysOf(v.Type())
	isKnown := func(key *yaml.Node) bool {
		return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, target(key).Value) })
	}
	if n.Kind != yaml.MappingNode || !slices.ContainsFunc(keyNodes(n), isKnown) {
		d.decodeLabels(path, n, &s.MatchLabels)
		return
	}
	d.decodeStruct(path, n, v)
	for i, r := range s.MatchExpressions {
		d.validateRequirement(join(path, known[1])+index(i), r)
	}
}

func keyNodes(mapping *yaml.Node) []*yaml.Node {
	var keys []*yaml.Node
	for i := 0; i < len(mapping.Content); i += 2 {
		keys = append(keys, mapping.Content[i])
	}
	return keys
}

// decodeLabels reads a mapping of labels. YAML makes a boolean of true and a number of 1, a label is always a text, so that
// the author has to say which text is meant.
func (d *decoder) decodeLabels(path string, n *yaml.Node, labels *map[string]string) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n.Line, "is %s: write a mapping of labels, such as rack: rack1", describe(n))
		return
	}
	*labels = map[string]string{}
	d.pairs(path, n, func(key string, line int, value *yaml.Node) {
		child := join(path, key)
		value = target(value)
		if !d.plain(child, value) {
			return
		}
		switch {
		case value.Kind != yaml.ScalarNode:
			d.fail(child, line, "is %s: write a single label value", describe(value))
		case isNull(value):
			d.fail(child, line, `has no value: write "" for a label with an empty one`)
		case value.ShortTag() != "!!str":
			d.fail(child, line, "is %s, and labels are texts: write it in quotes, %q", describe(value), value.Value)
		case !isLabelKey(key):
			d.fail(child, line, "%s", badLabelKey)
		case !isLabelValue(value.Value):
			d.fail(child, value.Line, "%s cannot be the value of a label: %s", quote(value.Value), badLabelValue)
		default:
			(*labels)[key] = value.Value
		}
	})
}

// validateRequirement checks what its types cannot say.
func (d *decoder) validateRequirement(path string, r Requirement) {
	if d.stopped || d.failed[path] {
		return
	}
	key, operator, values := join(path, "key"), join(path, "operator"), join(path, "values")
	switch {
	case d.failed[key]:
	case r.Key == "":
		d.fail(key, d.line(key), "is required: write the key of a label")
	case !isLabelKey(r.Key):
		d.fail(key, d.line(key), "%s", badLabelKey)
	}
	switch {
	case d.failed[operator] || d.failed[values]:
	case r.Operator == "":
		d.fail(operator, d.line(operator), "is required: write one of In, NotIn, Exists, DoesNotExist")
	case (r.Operator == In || r.Operator == NotIn) && len(r.Values) == 0:
		d.fail(values, d.line(values), "is required with the operator %s: write a list of label values", r.Operator)
	case (r.Operator == Exists || r.Operator == DoesNotExist) && len(r.Values) > 0:
		d.fail(values, d.line(values), "is not possible with the operator %s: take it out, or write In or NotIn", r.Operator)
	}
	for i, value := range r.Values {
		if at := values + index(i); !d.failed[at] && !isLabelValue(value) {
			d.fail(at, d.line(at), "%s cannot be the value of a label: %s", quote(value), badLabelValue)
		}
	}
}

// What the API server lets a label be; any other could never match a node.
const (
	badLabelKey   = "cannot be the key of a label: write at most 63 letters, digits, -, _ and ., the first and the last a letter or digit, after a DNS name and / where it has one"
	badLabelValue = "write at most 63 letters, digits, -, _ and ., the first and the last a letter or digit"
)

func isLabelKey(s string) bool {
	const longestPrefix = 253
	prefix, name, prefixed := strings.Cut(s, "/")
	if !prefixed {
		prefix, name = "", s
	}
	if prefixed && (prefix == "" || len(prefix) > longestPrefix || strings.ContainsFunc(prefix, func(r rune) bool {
		return !isAlphanumeric(r) && r != '-' && r != '.'
	})) {
		return false
	}
	return name != "" && isLabelValue(name)
}

func isLabelValue(s string) bool {
	const longest = 63
	if s == "" {
		return true
	}
	return len(s) <= longest && isAlphanumeric(rune(s[0])) && isAlphanumeric(rune(s[len(s)-1])) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' && r != '.' })
}
