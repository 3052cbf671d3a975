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
// hex, URL, JSON, Go and HTML escapes, also where a text was cut within one and ends in an ellipsis. It is immutable and safe for concurrent use; nil changes nothing.
//
// Redact values before they are put into JSON: a secret that starts with n, met after a backslash, would otherwise
// take the second half of an escape with it.
type Redactor struct {
	starts  [1 << startBits / 64]uint64 // which hashes of four bytes begin a needle
	needles map[[MinLength]byte][]string
}

const startBits = 14

// New returns a redactor for the secrets. Those shorter than MinLength are left out.
func New(secrets ...string) *Redactor {
	r := &Redactor{needles: make(map[[MinLength]byte][]string)}
	for _, secret := range secrets {
		for _, f := range formsOf(secret) {
			start := [MinLength]byte([]byte(f.text))
			if slices.Contains(r.needles[start], f.text) {
				continue
			}
			r.needles[start] = append(r.needles[start], f.text)
			h := hash(start)
			r.starts[h/64] |= 1 << (h % 64)
		}
	}
	for _, needles := range r.needles {
		slices.SortFunc(needles, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	}
	return r
}

func hash(b [MinLength]byte) uint32 {
	n := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	return n * 2654435761 >> (32 - startBits)
}

// String returns s without secrets. Secrets that overlap or touch become one mark.
func (r *Redactor) String(s string) string {
	if r == nil || len(r.needles) == 0 {
		return s
	}
	var out strings.Builder
	done := 0 // s[:done] is written
	effort := leastEffort + effortPerByte*len(s)
	for i := 0; i+MinLength <= len(s); i++ {
		end := r.match(s, i, &effort)
		if end == 0 {
			continue
		}
		for next := i + 1; next <= end && end < len(s) && next+MinLength <= len(s); next++ {
			end = max(end, r.match(s, next, &effort))
		}
		out.WriteString(s[done:i])
		out.WriteString(Mark)
		done, i = end, end-1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// Bytes returns b without secrets; b itself, untouched, if there are none in it.
func (r *Redactor) Bytes(b []byte) []byte {
	if r == nil || len(r.needles) == 0 {
		return b
	}
	s := string(b)
	if clean := r.String(s); clean != s {
		return []byte(clean)
	}
	return b
}

// ellipsis ends a text that was cut, perhaps within a secret.
const ellipsis = "…"

// tellingLength is how much of a secret gives it away, however long it is.
const tellingLength = 8

// The number of bytes that are compared, in all. Who sends a secret that repeats itself, and a text of the same, would
// otherwise make it grow with the square of their length.
const (
	leastEffort   = 64 << 10
	effortPerByte = 64
)

// match is the end of the longest needle that begins at i, or of what a cut left of one, or 0. When the effort is used up it
// is the end of the text: what is made of pieces of secrets is hidden whole.
func (r *Redactor) match(s string, i int, effort *int) int {
	start := [MinLength]byte{s[i], s[i+1], s[i+2], s[i+3]}
	if h := hash(start); r.starts[h/64]&(1<<(h%64)) == 0 {
		return 0
	}
	for _, needle := range r.needles[start] {
		n := common(s[i:], needle)
		if *effort -= n + 1; *effort < 0 {
			return len(s)
		}
		if n == len(needle) {
			return i + n
		}
		if n = cutOff(s[i:], n); n >= tellingLength || 2*n >= len(needle) {
			return i + n
		}
	}
	return 0
}

// common is the length of what two texts begin with.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// cutOff is where a text was cut that has so many bytes in common with a needle, or 0. The needle may go on with what begins
// like an ellipsis.
func cutOff(s string, n int) int {
	for back := 0; back < len(ellipsis) && back <= n; back++ {
		if strings.HasPrefix(s[n-back:], ellipsis) {
			return n - back
		}
	}
	return 0
}
