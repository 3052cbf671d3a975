package main

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

// What a line of YAML may say of a secret that somebody wrote out where it doesn't belong.
var (
	yamlSection = regexp.MustCompile(`^([a-z_]+)\s*:`)
	yamlScalar  = regexp.MustCompile(`([\w.-]+)["']?\s*:\s+([^\s{}\[\],&*][^{}\[\],]*)`)
	secretKey   = regexp.MustCompile(`(?i)(secret|token|passw|authorization|api-?key|credential|cookie)`)
	harmlessKey = regexp.MustCompile(`^(kind|env|file|name|token_url|client_id)$`)
	withAccount = regexp.MustCompile(`://[^/]*@`)
)

// publicSections are those of a suite, and of a configuration those that are about no account.
var publicSections = []string{"bus", "services", "limits", "log", "listen", "suite", "service", "triggers", "always", "timeout", "include", "vars",
	"defaults", "setup", "checks", "teardown"}

// excerpt shows the line of a problem with a caret. Values that may be secrets are covered: under the accounts of a
// configuration that is every value.
func excerpt(data string, p strictyaml.Problem) string {
	lines := strings.Split(data, "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return ""
	}
	within := ""
	for _, line := range lines[:p.Line] {
		if found := yamlSection.FindStringSubmatch(line); found != nil {
			within = found[1]
		}
	}
	lines[p.Line-1] = cover(lines[p.Line-1], p.Column-1, slices.Contains(publicSections, within))
	return strings.TrimRight(strictyaml.Excerpt([]byte(strings.Join(lines, "\n")), p), "\n")
}

// cover hides values of a line; in a public one those of keys that sound like secrets. What stands before the caret, which
// is at a column counted from 0, keeps its width.
func cover(line string, caret int, public bool) string {
	for _, m := range slices.Backward(yamlScalar.FindAllStringSubmatchIndex(line, -1)) {
		key, value := line[m[2]:m[3]], line[m[4]:m[5]]
		named := secretKey.MatchString(key) || withAccount.MatchString(value)
		if harmlessKey.MatchString(key) || public && !named || strings.HasPrefix(value, "$(") {
			continue
		}
		dots := 3
		if utf8.RuneCountInString(line[:m[5]]) <= caret {
			dots = utf8.RuneCountInString(value)
		}
		line = line[:m[4]] + strings.Repeat("•", dots) + line[m[5]:]
	}
	return line
}
