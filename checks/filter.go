package checks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/registry"
	"github.com/theory/jsonpath/spec"
)

// The library compares what RFC 9535 doesn't order (to it `true > false`, and one object is greater than another), and
// its match and search panic where nothing is. So filters are parsed twice: as they are written, for what is wrong with
// them, and with functions of our own in the place of comparisons, match and search.

// filtered is the path with our functions in its filters.
func filtered(text string) (*jsonpath.Path, error) {
	return filterParser().Parse(ownFunctions(text))
}

var filterParser = sync.OnceValue(func() *jsonpath.Parser {
	own := registry.New()
	for name, holds := range map[string]func(a, b any, bothThere bool) bool{
		"own_eq":  func(a, b any, both bool) bool { return both && equal(a, b) },
		"own_lt":  func(a, b any, both bool) bool { return both && before(a, b) },
		"own_lte": func(a, b any, both bool) bool { return both && (before(a, b) || equal(a, b)) },
	} {
		register(own, name, func(args []spec.PathValue) bool {
			a, hasA := valueFrom(args[0])
			b, hasB := valueFrom(args[1])
			return !hasA && !hasB && name != "own_lt" || holds(a, b, hasA && hasB) // nothing equals nothing
		})
	}
	for name, frame := range map[string]string{"own_match": `\A(?:%s)\z`, "own_search": "%s"} {
		register(own, name, func(args []spec.PathValue) bool {
			a, _ := valueFrom(args[0])
			b, _ := valueFrom(args[1])
			text, isText := a.(string)
			pattern, isPattern := b.(string)
			return isText && isPattern && iRegexp(pattern, frame, text)
		})
	}
	return jsonpath.NewParser(jsonpath.WithRegistry(own))
})

func register(own *registry.Registry, name string, holds func(args []spec.PathValue) bool) {
	check := func(args []spec.FuncExprArg) error {
		if len(args) != 2 || !args[0].ConvertsTo(spec.FuncValue) || !args[1].ConvertsTo(spec.FuncValue) {
			return fmt.Errorf("%s takes two values", name)
		}
		return nil
	}
	err := own.Register(name, spec.FuncLogical, check, func(args []spec.PathValue) spec.PathValue { return spec.Logical(holds(args)) })
	if err != nil {
		panic(err) // a second function of one name
	}
}

func valueFrom(arg spec.PathValue) (any, bool) {
	v, is := arg.(*spec.ValueType)
	if !is || v == nil {
		return nil, false
	}
	return Normal(v.Value()), true
}

// before orders numbers, and texts; nothing else has an order.
func before(a, b any) bool {
	order, comparable := compare(a, b)
	return comparable && order < 0
}

// iRegexp matches as RFC 9485 says, where a dot is no end of a line. A bad pattern matches nothing.
func iRegexp(pattern, frame, text string) bool {
	if len(pattern) > maxPattern {
		return false
	}
	compiled, err := regexp.Compile(fmt.Sprintf(frame, dotless(pattern)))
	return err == nil && compiled.MatchString(text)
}

// dotless writes out what a dot stands for.
func dotless(pattern string) string {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			b.WriteByte(c)
			i++
			b.WriteByte(pattern[i])
			continue
		case c == '.' && !inClass:
			b.WriteString(`[^\n\r]`)
			continue
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

var ownNames = regexp.MustCompile(`\b(match|search)\(`)

// ownFunctions puts our functions into a path that was parsed as it is.
func ownFunctions(text string) string {
	for {
		masked := quoted.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("'", len(s)) })
		if at := ownNames.FindStringIndex(masked); at != nil {
			text = text[:at[0]] + "own_" + text[at[0]:]
			continue
		}
		at := strings.IndexAny(masked, "=<>")
		if at < 0 {
			return text
		}
		text = ownComparison(text, masked, at)
	}
}

// ownComparison replaces the comparison whose operator begins at a place.
func ownComparison(text, masked string, at int) string {
	operator := masked[at : at+1]
	if masked[at+1] == '=' {
		operator += "="
	}
	end := at + len(operator)
	if operator == "==" && masked[at-1] == '!' {
		at, operator = at-1, "!="
	} else if operator == "=" { // of !=
		at, operator = at-1, "!="
	}
	first, last := leftOf(masked, at), rightOf(masked, end)
	left, right := strings.TrimSpace(text[first:at]), strings.TrimSpace(text[end:last])
	call := ""
	switch operator {
	case "==":
		call = "own_eq(" + left + "," + right + ")"
	case "!=":
		call = "!own_eq(" + left + "," + right + ")"
	case "<":
		call = "own_lt(" + left + "," + right + ")"
	case "<=":
		call = "own_lte(" + left + "," + right + ")"
	case ">":
		call = "own_lt(" + right + "," + left + ")"
	case ">=":
		call = "own_lte(" + right + "," + left + ")"
	}
	return text[:first] + call + text[last:]
}

// leftOf is where the value that ends at a place begins.
func leftOf(masked string, end int) int {
	depth := 0
	for i := end - 1; i >= 0; i-- {
		switch c := masked[i]; {
		case c == ']' || c == ')':
			depth++
		case c == '[' || c == '(':
			if depth == 0 {
				return i + 1
			}
			depth--
		case depth == 0 && slices.Contains([]byte("?&|,!"), c):
			return i + 1
		}
	}
	return 0
}

// rightOf is where the value that begins at a place ends.
func rightOf(masked string, start int) int {
	depth := 0
	for i := start; i < len(masked); i++ {
		switch c := masked[i]; {
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			if depth == 0 {
				return i
			}
			depth--
		case depth == 0 && slices.Contains([]byte("&|,"), c):
			return i
		}
	}
	return len(masked)
}
