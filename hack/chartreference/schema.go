package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// schema is a JSON Schema, draft 7.
type schema = map[string]any

// values is the schema of all values but config.
//
//go:embed values.json
var values []byte

// valuesSchema gives the schema of all values.
func valuesSchema() (schema, error) {
	var all schema
	if err := json.Unmarshal(values, &all); err != nil {
		return nil, fmt.Errorf("read values.json: %w", err)
	}
	c := structSchema(reflect.TypeFor[config.Config]())
	fixed(c)
	neighbor := inside(c, "neighbors")["items"].(schema)
	neighbor["anyOf"] = []schema{{"required": []string{"address"}}, {"required": []string{"interface"}}}
	// A neighbor has its AS number from neighborDefaults, or says it.
	c["if"] = schema{"properties": schema{"neighborDefaults": schema{"required": []string{"asn"}}}, "required": []string{"neighborDefaults"}}
	c["else"] = schema{"properties": schema{"neighbors": schema{"items": schema{"required": []string{"asn"}}}}}
	all["properties"].(schema)["config"] = c
	return all, nil
}

// fixed narrows the schema c of the configuration to what the chart's pods can do: there is one FRR on a node, and they write into
// their mounts alone.
func fixed(c schema) {
	c["required"] = append(c["required"].([]string), "frr")
	frr := inside(c, "frr")
	frr["required"] = []string{"mode", "socket", "paths"}
	keys := frr["properties"].(schema)
	// With another one an agent would look for an FRR that still listens on this: FRR's pods stay when values change.
	keys["socket"] = schema{"const": "/run/fairlead/vtysh/vtysh.sock"}
	keys["pathspace"] = schema{"const": ""}
	keys["mode"] = schema{"enum": []config.FRRMode{config.External, config.Embedded}}
	paths := inside(frr, "paths")
	paths["required"] = []string{"config"}
	// What a mount is over is not there any more: each has a folder of its own, that the image does not need.
	paths["properties"].(schema)["config"] = schema{"const": "/var/lib/fairlead/frr.conf"}
	inside(c, "kubernetes")["properties"].(schema)["kubeconfig"] = schema{"const": ""}
	c["properties"].(schema)["templatesDir"] = schema{"enum": []string{"", "/etc/fairlead-templates"}}
	inside(c, "status")["properties"].(schema)["socket"] = schema{"type": "string", "pattern": "^$|^/run/fairlead/[^/]+$"}
}

// inside gives the schema of a key of a mapping.
func inside(mapping schema, key string) schema { return mapping["properties"].(schema)[key].(schema) }

func encode(s schema) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return text.Bytes(), err
}

// structSchema gives the schema of a mapping whose keys are the fields of t.
func structSchema(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		key := f.Tag.Get("yaml")
		if key == "" || key == "-" || f.Anonymous {
			continue
		}
		properties[key] = typeSchema(f.Type, f.Tag)
		if f.Tag.Get("required") != "" {
			required = append(required, key)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// typeSchema gives the schema of a value of type t, whose bounds the tag of its field has. Messages are about the rule that is
// broken: so each is one pattern, bound or list of words, and rarely an alternative of several.
func typeSchema(t reflect.Type, tag reflect.StructTag) schema {
	low, high, _ := strings.Cut(tag.Get("range"), "-")
	switch t {
	case reflect.TypeFor[time.Duration]():
		return durationSchema(number(strings.TrimSuffix(low, "s")), number(strings.TrimSuffix(high, "s")))
	case reflect.TypeFor[route.ASN]():
		return asnSchema(`[0-9]+(\.[0-9]+)?`)
	case reflect.TypeFor[route.RemoteAS]():
		return asnSchema(`[0-9]+(\.[0-9]+)?|external|internal`)
	case reflect.TypeFor[netip.Addr]():
		return addressSchema(tag.Get("value"))
	case reflect.TypeFor[netip.Prefix]():
		return text(`[0-9.]+/(`+decimals(0, 32)+`)|[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*/(`+decimals(0, 128)+`)`, 0)
	case reflect.TypeFor[route.Family]():
		return schema{"enum": []string{"ipv4-unicast", "ipv6-unicast", "ipv4", "ipv6"}}
	case reflect.TypeFor[route.Community]():
		half := `0*(` + decimals(0, math.MaxUint16) + `)`
		_, names, _ := strings.Cut(tag.Get("value"), "N:N, ")
		return text(strings.ReplaceAll(names, ", ", "|")+`|`+half+`:`+half, 0)
	case reflect.TypeFor[route.LargeCommunity]():
		return text(`0*[0-9]{1,10}(:0*[0-9]{1,10}){2}`, 0)
	case reflect.TypeFor[config.BFD]():
		return orMapping(t, "boolean", "")
	case reflect.TypeFor[config.NextHop]():
		hop := orMapping(t, "string", "^("+config.NextHopSelf+"|"+config.NextHopUnchanged+")$")
		hop["minProperties"] = 1
		return hop
	case reflect.TypeFor[config.Receive]():
		return orMapping(t, "string", "^("+config.AcceptNone+"|"+config.AcceptDefault+"|"+config.AcceptAll+")$")
	case reflect.TypeFor[config.SecretRef]():
		// An empty mapping names none.
		ref := structSchema(t)
		ref["dependencies"] = schema{"namespace": []string{"name"}, "key": []string{"name"}}
		return ref
	case reflect.TypeFor[config.NodeSelector]():
		// Plain labels, or the keys of a label selector.
		selector := structSchema(t)
		maps.Copy(selector, labels())
		return selector
	}
	if words := tag.Get("enum"); words != "" {
		return enumSchema(strings.Split(words, ","), tag)
	}
	switch t.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return schema{"type": "integer", "minimum": number(low), "maximum": number(high)}
	case reflect.Slice:
		return listSchema(t.Elem(), tag)
	case reflect.Map:
		all := labels()
		all["type"] = "object"
		return all
	case reflect.Struct:
		return structSchema(t)
	default:
		return textSchema(tag.Get("value"))
	}
}

// enumSchema gives the schema of one of some words. An empty text is as good as none where the key may be left out.
func enumSchema(words []string, tag reflect.StructTag) schema {
	if tag.Get("required") == "" {
		words = append(words, "")
	}
	return schema{"enum": words}
}

// listSchema gives the schema of a list of values of type t.
func listSchema(t reflect.Type, tag reflect.StructTag) schema {
	list := schema{"type": "array", "items": typeSchema(t, tag)}
	if least := tag.Get("minItems"); least != "" {
		list["minItems"] = number(least)
	}
	switch t {
	case reflect.TypeFor[route.Community](), reflect.TypeFor[route.LargeCommunity](), reflect.TypeFor[route.Family](),
		reflect.TypeFor[config.PrefixRange](), reflect.TypeFor[config.Foreign]():
		list["uniqueItems"] = true
	}
	return list
}

// labels gives the schema of a mapping of labels, but for its type.
func labels() schema {
	return schema{"additionalProperties": textSchema("list of label values"), "propertyNames": textSchema("key of a label")}
}

// asnSchema gives the schema of an AS number: a number, or a text of a pattern. A dotted one is in quotes, since 1.10 without is 1.1.
func asnSchema(pattern string) schema {
	const highest = 1<<32 - 2 // 4294967295 is reserved (RFC 7300)
	return schema{"type": []string{"integer", "string"}, "minimum": 1, "maximum": highest, "pattern": "^(" + pattern + ")$"}
}

func addressSchema(value string) schema {
	four, six := schema{"format": "ipv4"}, schema{"format": "ipv6"}
	switch value {
	case "IPv4 address":
		return schema{"type": "string", "format": "ipv4"}
	case "IPv6 address":
		return schema{"type": "string", "format": "ipv6"}
	default:
		return schema{"type": "string", "if": schema{"pattern": ":"}, "then": six, "else": four}
	}
}

// orMapping gives the schema of a mapping with the keys of t, or a value of another type and, where it is a text, a pattern.
func orMapping(t reflect.Type, other, pattern string) schema {
	s := structSchema(t)
	s["type"] = []string{other, "object"}
	if pattern != "" {
		s["pattern"] = pattern
	}
	return s
}

// number reads a bound of a tag.
func number(bound string) int64 {
	n, err := strconv.ParseInt(bound, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("the bound %q of a tag is no number", bound))
	}
	return n
}
