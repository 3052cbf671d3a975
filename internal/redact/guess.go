package redact

import "regexp"

var (
	delicateName  = regexp.MustCompile(`(?i)token|secret|passw(?:or)?d|api[_-]?key|authorization|cookie|credential|signature`)
	delicateField = regexp.MustCompile(`(?i)([\w.-]*(?:token|secret|passw(?:or)?d|api[_-]?key|authorization|cookie|credential|signature)[\w.-]*\\?["']?\s*[:=]\s*)` +
		`("(?:[^"\\]|\\.)*"?|'[^']*'?|\\"[^"]*\\"|(?i:bearer|basic)\s+[^\s,;&"'}]+|[^\s,;&"'}\[{]+)`)
	scheme   = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{8,}`)
	userinfo = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
)

// IsDelicate says whether a header, field or setting of this name probably holds a secret.
func IsDelicate(name string) bool { return delicateName.MatchString(name) }

// Guess takes out of a text what looks like a secret, by the name that stands before it or by its form: in JSON, forms,
// headers and addresses. It is for texts of strangers, whose secrets nobody knows, and doesn't find all of them.
func Guess(text string) string {
	text = delicateField.ReplaceAllString(text, "${1}"+Mark)
	text = scheme.ReplaceAllString(text, "${1}${2}"+Mark)
	return userinfo.ReplaceAllString(text, "${1}"+Mark+"@")
}
