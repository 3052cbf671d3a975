package checks

import "go.yaml.in/yaml/v4"

// A capture keeps a part of a right answer for later checks.
type capture struct {
	name   string
	from   selector
	public bool // it may be shown
}

// captures reads `capture`.
func (r *reader) captures(n *yaml.Node) ([]capture, []Named) {
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.wrongHint(n, "write {product: $.data[0].id}", "capture takes a map of names and places")
		return nil, nil
	}
	var list []capture
	var names []Named
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !nameRule.MatchString(key.Value) {
			r.wrong(key, "%q is no name for a capture: want letters, digits, dashes and underscores", key.Value)
			continue
		}
		place, public := r.captured(value)
		if sel, ok := r.selector(place, true); ok {
			list = append(list, capture{key.Value, sel, public})
			names = append(names, Named{key.Value, key.Line, key.Column})
		}
	}
	return list, names
}

// maxCapture bounds what is kept, in bytes of JSON.
const maxCapture = 64 << 10

// keep takes the captures out of an answer, or says what is wrong with it.
func keep(captures []capture, x *exchange, s *scene) (map[string]any, []string) {
	if len(captures) == 0 {
		return nil, nil
	}
	kept := make(map[string]any, len(captures))
	var wrong []string
	for _, c := range captures {
		value, err := c.from.find(x)
		switch {
		case err != nil:
			wrong = append(wrong, "capture "+c.name+": "+s.misread(x, err))
		case !value.there:
			wrong = append(wrong, "capture "+c.name+": nothing is at "+c.from.key)
		default:
			value.value = bare(value.value)
			if len(plain(value.value)) > maxCapture {
				wrong = append(wrong, "capture "+c.name+": the value at "+c.from.key+" is larger than 64 KiB")
				continue
			}
			s.guard(c.name, value.value)
			s.guard(c.from.key, value.value)
			kept[c.name] = value.value
		}
	}
	return kept, wrong
}
