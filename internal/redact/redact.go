// Package redact keeps secrets out of whatever leaves the program: logs, verdicts, messages and errors.
package redact

import (
	"cmp"
	"slices"
	"strings"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// MinLength is the number of bytes below which a secret isn't looked for: it would be found everywhere.
const MinLength = 4

// A Redactor replaces secrets by Mark, in clear and in the encodings in which they travel: base64 at every alignment,
// hex and HTML, also where a text was cut within one and ends in an ellipsis, and each of them in whatever escapes of
// JSON, URLs and programming languages. It is immutable and safe for concurrent use; nil changes nothing.
//
// Redact values before they are put into JSON: a secret that begins with 0041, met after \u, or ends in a backslash,
// met before a quote, would otherwise take a part of an escape with it.
type Redactor struct {
	written needles // as they are
	plain   needles // without escapes
}

// New returns a redactor for the secrets. Those shorter than MinLength are left out.
func New(secrets ...string) *Redactor {
	r := &Redactor{}
	for _, secret := range secrets {
		forms := formsOf(secret)
		r.written.add(forms)
		r.plain.add(plainForms(forms))
	}
	return r
}

// String returns s without secrets. Secrets that overlap or touch become one mark.
func (r *Redactor) String(s string) string {
	if r == nil || len(r.written.by) == 0 {
		return s
	}
	found := r.written.find(s)
	if hasEscapes(s) {
		p := plainOf(s)
		for _, f := range r.plain.find(string(p.text)) {
			found = append(found, span{p.at[f.from].from, p.at[f.to-1].to})
		}
		slices.SortFunc(found, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	}
	return marked(s, found)
}

// marked puts a mark in the place of spans, which are in order.
func marked(s string, found []span) string {
	if len(found) == 0 {
		return s
	}
	var out strings.Builder
	done := 0 // s[:done] is written
	for i, f := range found {
		if i == 0 || f.from > done {
			out.WriteString(s[done:f.from])
			out.WriteString(Mark)
		}
		done = max(done, f.to)
	}
	out.WriteString(s[done:])
	return out.String()
}

// Bytes returns b without secrets; b itself, untouched, if there are none in it.
func (r *Redactor) Bytes(b []byte) []byte {
	if r == nil || len(r.written.by) == 0 {
		return b
	}
	s := string(b)
	if clean := r.String(s); clean != s {
		return []byte(clean)
	}
	return b
}
