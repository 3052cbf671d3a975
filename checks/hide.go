package checks

import (
	"regexp"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

// delicateName ends the names of fields and captures whose values give somebody power.
var delicateName = regexp.MustCompile(`(?i)(?:token|secret|password|api_?key|(?:^|[^a-z])pin)\W*$`)

// leastDelicate is the length in bytes below which a value isn't looked for in other texts: it would be found everywhere.
const leastDelicate = 8

// guard hides a value from here on if its name says that it is delicate.
func (s *scene) guard(name string, v any) {
	value, is := v.(string)
	if t, isText := v.(text); isText {
		value, is = string(t), true
	}
	if is && len(value) >= leastDelicate && delicateName.MatchString(name) {
		s.hidden = append(s.hidden, value)
	}
}

// hide takes secrets out of a text: those of the configuration, and those that this very exchange sent, was given
// or captured.
func (s *scene) hide(t string) string {
	if known := [2]int{len(s.hidden), len(s.captures)}; s.redactor == nil || s.redacts != known {
		s.redactor, s.redacts = redact.New(s.private()...), known
	}
	return s.clients.Redact(s.redactor.String(t))
}

// show is a value in a reason, without secrets: they go before it is quoted and cut, which would disguise them.
func (s *scene) show(v any) string { return show(s.bare(v)) }

// bare is a value without secrets.
func (s *scene) bare(v any) any {
	switch v := v.(type) {
	case string:
		return delicate.ReplaceAllString(s.hide(v), `$1"[redacted]"`)
	case text:
		return s.bare(string(v))
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = s.bare(item)
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(v))
		for name, item := range v {
			if _, is := item.(string); is && delicateName.MatchString(name) {
				item = redact.Mark
			}
			fields[s.hide(name)] = s.bare(item)
		}
		return fields
	}
	return v
}
