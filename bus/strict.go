package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// object splits a JSON object into its members. The standard decoder would match names in any case and let the last of
// two equal names win: here names are exact and each comes once.
func object(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil {
		return nil, notJSON(err)
	} else if open != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		key, _ := name.(string) // the decoder takes nothing else here
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("%q is there twice", clip(key, 64))
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		members[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(err)
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return nil, errors.New("something follows the JSON object")
	}
	return members, nil
}

func notJSON(err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("not JSON: %s at byte %d", strings.TrimPrefix(err.Error(), "json: "), syntax.Offset)
	}
	return errors.New("not JSON: it ends too early")
}

// A fields reads the members of an object, each as what it must be, and keeps the first error.
type fields struct {
	place   string // how errors name the object
	members map[string]json.RawMessage
	err     error
}

func readFields(place string, text []byte, known ...string) *fields {
	members, err := object(text)
	if err != nil {
		return &fields{place: place, err: fmt.Errorf("%s: %w", place, err)}
	}
	f := &fields{place: place, members: members}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			f.fail("%s: unknown key %q%s", place, clip(name, 64), didYouMean(name, known))
		}
	}
	return f
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// text is a string of one printable line, or "" if it isn't there.
func (f *fields) text(name string, most int) string {
	raw, there := f.members[name]
	if !there || f.err != nil {
		return ""
	}
	var value *string
	if json.Unmarshal(raw, &value) != nil || value == nil {
		f.fail("%s.%s is %s, want a string", f.place, name, clip(string(raw), 64))
		return ""
	}
	if err := checkLine(f.place+"."+name, *value, most); err != nil {
		f.fail("%w", err)
		return ""
	}
	return *value
}

func (f *fields) required(name string, most int) string {
	value := f.text(name, most)
	if value == "" {
		f.fail("%s.%s is missing", f.place, name)
	}
	return value
}

func (f *fields) number(name string) (n uint64) {
	raw, there := f.members[name]
	if there && json.Unmarshal(raw, &n) != nil {
		f.fail("%s.%s is %s, want a whole number", f.place, name, clip(string(raw), 64))
	}
	return n
}

// checkLine refuses what a person couldn't see in full: line breaks, control characters, blanks around.
func checkLine(name, value string, most int) error {
	switch {
	case utf8.RuneCountInString(value) > most:
		return fmt.Errorf("%s has %d characters, want at most %d", name, utf8.RuneCountInString(value), most)
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("%s %q has blanks around it", name, clip(value, 64))
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		return fmt.Errorf("%s %q has unprintable characters", name, clip(value, 64))
	}
	return nil
}

func checkText(body []byte) error {
	switch {
	case len(body) > MaxEvent:
		return fmt.Errorf("%d bytes, want at most %d", len(body), MaxEvent)
	case len(bytes.TrimSpace(body)) == 0:
		return errors.New("no event: the body is empty")
	case !utf8.Valid(body):
		return errors.New("no event: the body is no UTF-8")
	}
	return nil
}

// didYouMean suggests the known name that is nearest, if one is near.
func didYouMean(name string, known []string) string {
	if len(name) > 256 {
		return ""
	}
	best, distance := "", 1+min(3, len(name)/2)
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ", want " + strings.Join(known, ", ")
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

func unquote(raw json.RawMessage) (text string) {
	_ = json.Unmarshal(raw, &text) // what is no string is empty, and refused as such
	return text
}

// clip shortens a text for a message, at a rune.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
