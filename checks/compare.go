package checks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// text is a value that came as text although it may be a number: a header.
type text string

// nodes are the texts of what an XPath selected: a list, of which a single one is compared as what it is.
type nodes []any

// only is the one text of nodes that are one.
func only(v any) any {
	if n, is := v.(nodes); is && len(n) == 1 {
		return n[0]
	}
	return v
}

// bare is a value without our own types of text: for captures and schemas.
func bare(v any) any {
	switch v := only(v).(type) {
	case text:
		return string(v)
	case nodes:
		list := make([]any, len(v))
		for i := range v {
			list[i] = bare(v[i])
		}
		return list
	default:
		return v
	}
}

// equal compares values as JSON does: 1 is 1.0, "1" isn't 1, but a header that says 1 is.
func equal(a, b any) bool {
	if _, list := b.([]any); !list {
		a = only(a)
	}
	if t, is := a.(text); is {
		return equalText(string(t), b)
	}
	if n, is := a.(nodes); is {
		a = []any(n)
	}
	switch a := a.(type) {
	case json.Number:
		b, is := b.(json.Number)
		return is && compareNumbers(a, b) == 0
	case []any:
		b, is := b.([]any)
		if !is || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, is := b.(map[string]any)
		if !is || len(a) != len(b) {
			return false
		}
		for key, value := range a {
			other, has := b[key]
			if !has || !equal(value, other) {
				return false
			}
		}
		return true
	case nil, bool, string, time.Duration:
		switch b.(type) {
		case nil, bool, string, time.Duration:
			return a == b
		}
	}
	return false
}

func equalText(header string, want any) bool {
	switch want := want.(type) {
	case string:
		return header == want
	case bool:
		return header == strconv.FormatBool(want)
	case json.Number:
		n, is := number(text(header))
		return is && compareNumbers(n, want) == 0
	}
	return false
}

// number is the value as a number, if it is one.
func number(v any) (json.Number, bool) {
	switch v := only(v).(type) {
	case json.Number:
		return v, true
	case text:
		if _, err := strconv.ParseFloat(string(v), 64); err == nil && json.Valid([]byte(v)) {
			return json.Number(v), true
		}
	}
	return "", false
}

// compareNumbers is exact for all numbers that people write, and as exact as floats are for the rest.
func compareNumbers(a, b json.Number) int {
	if x, err := a.Int64(); err == nil {
		if y, err := b.Int64(); err == nil {
			return cmp.Compare(x, y)
		}
	}
	x, y := exact(a), exact(b)
	if x != nil && y != nil {
		return x.Cmp(y)
	}
	f, _ := a.Float64() // beyond the range it is infinite, which compares well enough
	g, _ := b.Float64()
	if f == g && a != b {
		return strings.Compare(a.String(), b.String())
	}
	return cmp.Compare(f, g)
}

// exact is the number as it was written, or nothing if that would be too large to hold.
func exact(n json.Number) *big.Rat {
	const longest, steepest = 400, 400
	written := n.String()
	if len(written) > longest {
		return nil
	}
	if at := strings.IndexAny(written, "eE"); at >= 0 {
		if e, err := strconv.Atoi(written[at+1:]); err != nil || e > steepest || e < -steepest {
			return nil
		}
	}
	r, ok := new(big.Rat).SetString(written)
	if !ok {
		return nil
	}
	return r
}

// isInteger says whether a value is a number with nothing behind the point.
func isInteger(v any) bool {
	n, is := v.(json.Number)
	if !is {
		return false
	}
	r := exact(n)
	return r != nil && r.IsInt()
}

// compare orders two numbers, two durations or two texts.
func compare(a, b any) (order int, comparable bool) {
	if x, is := number(a); is {
		if y, is := b.(json.Number); is {
			return compareNumbers(x, y), true
		}
	}
	a = only(a)
	if t, is := a.(text); is {
		a = string(t)
	}
	switch a := a.(type) {
	case time.Duration:
		if b, is := b.(time.Duration); is {
			return int(max(-1, min(1, a-b))), true
		}
	case string:
		if b, is := b.(string); is {
			return strings.Compare(a, b), true
		}
	}
	return 0, false
}

// typeOf is the name of a value's type in JSON.
func typeOf(v any) string {
	switch only(v).(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case []any, nodes:
		return "array"
	case map[string]any:
		return "object"
	}
	return "string"
}

// lengthOf counts characters, elements or fields.
func lengthOf(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case text:
		return utf8.RuneCountInString(string(v)), true
	case []any:
		return len(v), true
	case nodes:
		return len(v), true
	case map[string]any:
		return len(v), true
	}
	return 0, false
}

// maxShown bounds a value in a reason, in bytes.
const maxShown = 512

// show is a value in a reason.
func show(v any) string {
	if d, is := v.(time.Duration); is {
		if d > time.Second {
			return d.Round(time.Millisecond).String()
		}
		return d.Round(10 * time.Microsecond).String()
	}
	v = only(v)
	switch s := v.(type) { // what would be cut away need not be encoded
	case string:
		v = cut(s, 2*maxShown)
	case text:
		v = cut(string(s), 2*maxShown)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprintf("%T", v)
	}
	return cut(strings.TrimSuffix(b.String(), "\n"), maxShown)
}

// cut shortens text to a number of bytes, at the border of a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const mark = "…"
	end := most - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
