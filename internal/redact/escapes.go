package redact

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A span is a part of a text.
type span struct{ from, to int }

// A plain is a text without the escapes of JSON, of programming languages and of URLs, down to the last of those within
// others. It is for comparing alone: a backslash is as good as none, a letter as the control character that it stands for
// after one, and a plus as a space. So a text and the same text escaped, in whatever style and however often, have
// one plain.
type plain struct {
	text []byte
	at   []span // where each of its bytes was written
	last int    // no escape begins after this byte
}

// hasEscapes says whether the plain of a text may differ in more than its control characters.
func hasEscapes(s string) bool {
	return strings.IndexByte(s, '\\') >= 0 || strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0
}

func plainOf(s string) plain {
	p := plain{text: make([]byte, 0, len(s)), at: make([]span, 0, len(s))}
	for i := range len(s) {
		p.push(s[i], span{i, i + 1})
	}
	p.settle()
	return p
}

// push appends a byte. If that is the last of an escape, its meaning takes the place of the escape, and may be the last
// byte of another.
func (p *plain) push(c byte, at span) {
	if c == '\\' || c == '%' {
		p.last = len(p.text)
	}
	p.text, p.at = append(p.text, c), append(p.at, at)
	for len(p.text)-p.last <= len(`\U00000000`) {
		n, code := lastEscape(p.text)
		if n == 0 {
			return
		}
		first := len(p.text) - n
		whole := span{p.at[first].from, at.to}
		p.text, p.at = p.text[:first], p.at[:first]
		if n >= len(`\u0000`) {
			p.text = appendCode(p.text, code)
		} else {
			p.text = append(p.text, byte(code&0xff))
		}
		for len(p.at) < len(p.text) {
			p.at = append(p.at, whole)
		}
	}
}

// lastEscape is the length of the escape by number that a text ends in, and the number; 0 if there is none.
func lastEscape(text []byte) (n int, code rune) {
	for digits := 0; digits <= 8 && digits < len(text); digits++ {
		before := text[:len(text)-digits]
		last := before[len(before)-1]
		if value, is := digit(last); is {
			code |= value << (4 * digits)
			continue
		}
		slash := len(before) > 1 && before[len(before)-2] == '\\'
		switch {
		case last == '%' && digits == 2:
			return len("%00"), code
		case last == 'x' && slash && digits == 2, last == 'u' && slash && digits == 4, last == 'U' && slash && digits == 8:
			return len(`\u`) + digits, code
		}
		return 0, 0
	}
	return 0, 0
}

func digit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10, true
	}
	return 0, false
}

// appendCode writes half a surrogate pair as if it were a character.
func appendCode(text []byte, code rune) []byte {
	if 0xd800 <= code && code <= 0xdfff {
		return append(text, 0xe0|byte(code>>12), 0x80|byte(code>>6&0x3f), 0x80|byte(code&0x3f))
	}
	return utf8.AppendRune(text, code)
}

// settle leaves out backslashes, and what an ellipsis left of an escape.
func (p *plain) settle() {
	text, slashes := p.text, 0
	p.text = text[:0]
	for i := 0; i < len(text); i++ {
		c, at := text[i], p.at[i]
		if c == '\\' || c == '%' {
			if n := cutEscape(text[i:]); n > 0 {
				i, slashes = i+n-1, 0
				continue
			}
		}
		if c == '\\' {
			slashes++
			continue
		}
		if slashes%2 == 1 { // the last one belongs to this byte, the others to each other
			at.from = p.at[i-1].from
		}
		slashes = 0
		p.at[len(p.text)] = at
		p.text = append(p.text, folded(c))
		if c >= utf8.RuneSelf {
			p.pair()
		}
	}
	p.at = p.at[:len(p.text)]
}

// cutEscape is the length of the part of an escape that a text begins with, if an ellipsis follows.
func cutEscape(text []byte) int {
	n := 0
	switch {
	case text[0] == '%':
		n = 1
	case text[0] == '\\' && len(text) > 1 && strings.IndexByte("uUx", text[1]) >= 0:
		n = 2
	default:
		return 0
	}
	for ; n < len(text) && n < len(`\U0000000`); n++ {
		if _, is := digit(text[n]); !is {
			break
		}
	}
	if !bytes.HasPrefix(text[n:], []byte(ellipsis)) {
		return 0
	}
	return n
}

func folded(c byte) byte {
	switch c {
	case '+':
		return ' '
	case '\a', '\b', '\t', '\n', '\v', '\f', '\r':
		return "abtnvfr"[c-'\a']
	}
	return c
}

// pair makes one character of the halves of a surrogate pair that the text ends in.
func (p *plain) pair() {
	first := len(p.text) - 6
	if first < 0 || p.text[first] != 0xed || p.text[first+3] != 0xed {
		return
	}
	half := func(b []byte) rune { return 0xd000 | rune(b[1]&0x3f)<<6 | rune(b[2]&0x3f) }
	whole := utf16.DecodeRune(half(p.text[first:]), half(p.text[first+3:]))
	if whole == utf8.RuneError {
		return
	}
	at := span{p.at[first].from, p.at[first+5].to}
	p.text = utf8.AppendRune(p.text[:first], whole)
	for i := first; i < len(p.text); i++ {
		p.at[i] = at
	}
}

// cutWithin ends a text within an escape.
var cutWithin = regexp.MustCompile(`(?:%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?|U[0-9A-Fa-f]{0,7}))$`)

// plainForms are the plains of forms, also without an end that what follows may make an escape of.
func plainForms(forms []form) []form {
	var plains []form
	for _, f := range forms {
		for _, text := range []string{f.text, cutWithin.ReplaceAllString(f.text, "")} {
			if p := plainOf(text); len(p.text) >= MinLength {
				plains = append(plains, form{f.name, string(p.text)})
			}
		}
	}
	return distinct(plains)
}
