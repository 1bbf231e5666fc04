package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// text gives the schema of a text that is one of the alternatives of a pattern, and of at most so many characters where that is not 0.
func text(pattern string, longest int) schema {
	s := schema{"type": "string", "pattern": "^(" + pattern + ")$"}
	if longest > 0 {
		s["maxLength"] = longest
	}
	return s
}

// textSchema gives the schema of a text of which the reference says value. An empty one is as good as none, but where something has
// to be named.
func textSchema(value string) schema {
	const (
		word                                                  = `[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?`
		dnsLabel                                              = `[a-z0-9]([a-z0-9-]*[a-z0-9])?`
		dnsName                                               = dnsLabel + `(\.` + dnsLabel + `)*`
		longestLabel, longestName, longestSocket, longestLine = 63, 253, 107, 80
	)
	switch value {
	case "", "path", "list of statements as FRR writes them, behind their contexts and ' / '":
		return schema{"type": "string"}
	case "absolute path":
		return text(`|/.*`, 0)
	case "absolute path of at most 107 characters":
		return text(`|/.*`, longestSocket)
	case "ADDRESS:PORT or :PORT":
		// Never 080, of which the templates would make another number.
		return text(`|([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f.:]+(%.+)?\])?:(`+decimals(1, math.MaxUint16)+`)`, 0)
	case "text of at most 80 printable ASCII characters, without |":
		// No pattern: helm prints what does not match, and of FRR's own statements it would be a password.
		return schema{"type": "string", "maxLength": longestLine}
	case "letters, digits, - and _":
		return text(`[A-Za-z0-9_-]*`, 0)
	case "1 to 15 letters, digits, _, . and -":
		return text(`[A-Za-z0-9_.-]{1,15}`, 0)
	case "name of a router":
		return text(`[A-Za-z0-9_.-]{0,15}`, 0)
	case "name of an interface":
		return text(`[A-Za-z0-9_.@+-]{0,15}`, 0)
	case "list of names of neighbors":
		return schema{"type": "string", "minLength": 1}
	case "name of a VpcNatGateway", "name of a Secret":
		return text(`|`+dnsName, longestName)
	case "name of a namespace":
		return text(`|`+dnsLabel, longestLabel)
	case "key of a Secret":
		return text(`[A-Za-z0-9_.-]*`, longestName)
	case "key of a label":
		return text(`([A-Za-z0-9.-]+/)?`+word, 0)
	case "list of label values":
		return text(`|`+word, longestLabel)
	default:
		panic(fmt.Sprintf("nothing is known of a text that is a %q", value))
	}
}

// durationSchema gives the schema of whole seconds from low to high, as a number or in Go's form. Both bounds are checked of seconds
// alone; hours and minutes are each at most high, in whatever sum they stand.
func durationSchema(low, high int64) schema {
	const (
		perMinute, perHour = 60, 3600
		second             = `[0-9.]+[mnuµμ]?s`
		// A second is a thousand milliseconds, and so on down to nanoseconds.
		small = `[0-9]+000(\.0*)?[mnuµμ]s`
	)
	most := func(unit int64) string { return `0*(` + decimals(0, high/unit) + `)?(\.[0-9]*)?` }
	whole := `0*(` + decimals(low, high) + `)(\.0*)?s?`
	sum := `((` + second + `)*(` + most(perHour) + `h|` + most(perMinute) + `m))+(` + second + `)*|(` + second + `){2,}`
	return schema{"type": []string{"integer", "string"}, "minimum": low, "maximum": high, "pattern": `^\+?(` + whole + `|` + small + `|` + sum + `)$`}
}

// decimals gives the pattern of the whole numbers from low to high, as alternatives, without zeros before them.
func decimals(low, high int64) string {
	var all []string
	before, least := "", 0
	for low <= high {
		// The numbers from low on that differ in the last digits alone: in as many as take every value then.
		step, digits := int64(1), 0
		for low >= 10*step && low%(10*step) == 0 && low+10*step-1 <= high {
			step, digits = 10*step, digits+1
		}
		first := low / step % 10
		last := min(9, first+(high-low+1)/step-1)
		head := ""
		if low >= 10*step {
			head = strconv.FormatInt(low/step/10, 10)
		}
		if first == last {
			head += strconv.FormatInt(first, 10)
		} else {
			head += fmt.Sprintf("[%d-%d]", first, last)
		}
		low += (last - first + 1) * step
		if head == before {
			all[len(all)-1] = head + anyDigits(least, digits)
			continue
		}
		before, least, all = head, digits, append(all, head+anyDigits(digits, digits))
	}
	return strings.Join(all, "|")
}

// anyDigits gives the pattern of least to most digits.
func anyDigits(least, most int) string {
	switch {
	case most == 0:
		return ""
	case least == most && most == 1:
		return "[0-9]"
	case least == most:
		return fmt.Sprintf("[0-9]{%d}", most)
	default:
		return fmt.Sprintf("[0-9]{%d,%d}", least, most)
	}
}
