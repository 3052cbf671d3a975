package checks

import (
	"bytes"
	"encoding/json"

	"github.com/theory/jsonpath/spec"
)

// A step is a name or, where that isn't negative, an index on the way that a simple path goes.
type step struct {
	name  string
	index int
}

// stepsOf are the steps of a path of names and indexes alone, from the front; nil of any other.
func stepsOf(q *spec.PathQuery) []step {
	var steps []step
	for _, segment := range q.Segments() {
		selectors := segment.Selectors()
		if segment.IsDescendant() || len(selectors) != 1 {
			return nil
		}
		switch selector := selectors[0].(type) {
		case spec.Name:
			steps = append(steps, step{name: string(selector), index: -1})
		case spec.Index:
			if selector < 0 {
				return nil
			}
			steps = append(steps, step{index: int(selector)})
		default:
			return nil
		}
	}
	return steps
}

// mostLooks is how many simple paths are looked up in a body before it pays to decode all of it.
const mostLooks = 4

// at finds what a path selects in the body. Simple paths don't need all of it decoded, but all of it has to be JSON.
func (x *exchange) at(p path) (found, error) {
	if !x.parsed && p.steps != nil && x.looks < mostLooks && x.valid() {
		x.looks++
		raw, there := x.body, true
		for _, s := range p.steps {
			if raw, there = child(raw, s); !there {
				return found{}, nil
			}
		}
		if value, err := decoded(raw); err == nil {
			return something(value), nil
		}
	}
	document, err := x.json()
	if err != nil {
		return found{}, wrongForm("JSON")
	}
	return p.find(document), nil
}

// valid says whether the body is one JSON document, whole. It is found out once.
func (x *exchange) valid() bool {
	if x.looks == 0 && !x.isJSON {
		x.isJSON = json.Valid(x.body)
	}
	return x.isJSON
}

// decoded is a value as exchange.json has it.
func decoded(raw []byte) (value any, err error) {
	if raw[0] == '"' && isPlain(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

// child is the value that a step leads to. As anywhere, the last of several fields of one name counts. The functions
// below read what is known to be valid JSON.
func child(data []byte, s step) (value []byte, there bool) {
	i, named := blank(data, 0), s.index < 0
	if named && data[i] != '{' || !named && data[i] != '[' {
		return nil, false
	}
	i = blank(data, i+1)
	for n := 0; data[i] != '}' && data[i] != ']'; n++ {
		wanted := n == s.index
		if named {
			end := behind(data, i)
			wanted = isNamed(data[i:end], s.name)
			i = blank(data, blank(data, end)+1) // the colon
		}
		end := behind(data, i)
		if wanted {
			value, there = data[i:end], true
			if !named {
				break
			}
		}
		if i = blank(data, end); data[i] == ',' {
			i = blank(data, i+1)
		}
	}
	return value, there
}

// blank is the first place from i on that isn't white.
func blank(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r' {
		i++
	}
	return i
}

// behind is the place behind the value that begins at i.
func behind(data []byte, i int) int {
	switch data[i] {
	case '"':
		for i++; data[i] != '"'; i++ {
			if data[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; i++ {
			switch data[i] {
			case '"':
				i = behind(data, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(data) && bytes.IndexByte([]byte(" \n\t\r,]}"), data[i]) < 0 {
		i++
	}
	return i
}

// isPlain says whether a text stands in JSON as it is.
func isPlain(raw []byte) bool {
	for _, b := range raw {
		if b == '\\' || b >= 0x80 {
			return false
		}
	}
	return true
}

func isNamed(raw []byte, name string) bool {
	if isPlain(raw) {
		return string(raw[1:len(raw)-1]) == name
	}
	var text string
	return json.Unmarshal(raw, &text) == nil && text == name
}
