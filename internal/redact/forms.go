package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A form is one way in which a secret may be written.
type form struct{ name, text string }

// minLine is the length from which one line of a secret of many is a secret too.
const minLine = 16

// formsOf lists everything that gives a secret away, each of at least MinLength bytes.
func formsOf(secret string) []form {
	var forms []form
	for _, clear := range clearForms(secret) {
		written := escapes(clear)
		forms = append(forms, written...)
		for _, w := range written {
			forms = append(forms, encodings(w)...)
		}
	}
	kept := forms[:0]
	for _, f := range forms {
		if len(f.text) >= MinLength {
			kept = append(kept, f)
		}
	}
	return kept
}

// clearForms are the secret and the parts of it that are as good as the whole.
func clearForms(secret string) []string {
	if len(secret) < MinLength {
		return nil
	}
	parts := []string{secret}
	add := func(part string, least int) {
		if len(part) >= least && part != secret {
			parts = append(parts, part)
		}
	}
	add(strings.TrimSpace(secret), MinLength)
	if strings.Contains(secret, "\n") {
		for line := range strings.Lines(secret) {
			if !strings.Contains(line, "-----") { // the frame of a PEM block is no secret
				add(strings.TrimSpace(line), minLine)
			}
		}
	}
	if u, err := url.Parse(secret); err == nil && u.Host != "" {
		add(strings.TrimLeft(u.RequestURI(), "/"), minLine)
		if password, has := u.User.Password(); has {
			add(password, MinLength)
		}
	}
	return parts
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// escapes are the ways in which text is written where some bytes have a meaning.
func escapes(s string) []form {
	quoted := strconv.Quote(s)
	query, path := url.QueryEscape(s), url.PathEscape(s)
	forms := []form{
		{"clear", s},
		{"URL query", query},
		{"URL query", percent.ReplaceAllStringFunc(query, strings.ToLower)},
		{"URL query", strings.ReplaceAll(query, "+", "%20")},
		{"URL path", path},
		{"URL path", percent.ReplaceAllStringFunc(path, strings.ToLower)},
		{"Go string", quoted[1 : len(quoted)-1]},
		{"HTML", html.EscapeString(s)},
		{"mrkdwn", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)},
	}
	for _, quotes := range [][2]string{{"&quot;", "&apos;"}, {"&quot;", "&#39;"}, {"&quot;", "&#039;"}, {"&quot;", "&#x27;"}, {"&quot;", "'"}} {
		forms = append(forms, form{"HTML", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, quotes[0], "'", quotes[1]).Replace(s)})
	}
	for _, escapeHTML := range []bool{true, false} {
		plain := jsonText(s, escapeHTML)
		forms = append(forms, form{"JSON", plain}, form{"JSON", strings.ReplaceAll(plain, "/", `\/`)})
	}
	return distinct(forms)
}

func jsonText(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(s); err != nil {
		return s
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// encodings are the ways in which bytes are written as text.
func encodings(of form) []form {
	digits := hex.EncodeToString([]byte(of.text))
	forms := []form{
		{"hex of " + of.name, digits},
		{"hex of " + of.name, strings.ToUpper(digits)},
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		forms = append(forms,
			form{"base64 of " + of.name, e.EncodeToString([]byte(of.text))},
			form{"base64 of " + of.name, e.WithPadding(base64.NoPadding).EncodeToString([]byte(of.text))})
		for before := range 3 {
			forms = append(forms, form{"base64 of " + of.name, aligned(e, of.text, before)})
		}
	}
	return distinct(forms)
}

// aligned are the characters of a base64 text that the secret alone decides, when as many bytes stand before it,
// modulo three: of a password in "user:password", say.
func aligned(e *base64.Encoding, s string, before int) string {
	text := e.EncodeToString([]byte(strings.Repeat("\x00", before) + s))
	first, last := (8*before+5)/6, 8*(before+len(s))/6
	return text[first:last]
}

func distinct(forms []form) []form {
	seen := make(map[string]bool, len(forms))
	kept := forms[:0]
	for _, f := range forms {
		if !seen[f.text] {
			seen[f.text] = true
			kept = append(kept, f)
		}
	}
	return kept
}

// Leaks says where text gives away one of the secrets, without repeating it: "secret 2 of 3, as base64 of clear, at
// byte 17". It returns "" if text is clean. It is the one helper of all tests that look for leaks.
func Leaks(text string, secrets ...string) string {
	var p plain
	if hasEscapes(text) {
		p = plainOf(text)
	}
	for i, secret := range secrets {
		forms := formsOf(secret)
		for _, f := range forms {
			if at := strings.Index(text, f.text); at >= 0 {
				return fmt.Sprintf("secret %d of %d, as %s, at byte %d", i+1, len(secrets), f.name, at)
			}
		}
		for _, f := range plainForms(forms) {
			if at := bytes.Index(p.text, []byte(f.text)); at >= 0 {
				return fmt.Sprintf("secret %d of %d, as %s, escaped, at byte %d", i+1, len(secrets), f.name, p.at[at].from)
			}
		}
	}
	return ""
}
