package redact_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

// escapers write a text as environments do that aren't written in Go.
var escapers = map[string]func(string) string{
	"Gson":               func(s string) string { return strings.NewReplacer("=", `\u003d`, "'", `\u0027`).Replace(inJSON(s)) },
	"JSON of .NET":       func(s string) string { return units(inJSON(s), `&'+<>`, `\u%04X`) },
	"JSON of Python":     func(s string) string { return units(inJSON(s), "", `\u%04x`) },
	"JSON of PHP":        func(s string) string { return strings.ReplaceAll(inJSON(s), "/", `\/`) },
	"JSON, mixed case":   func(s string) string { return mixedCase(units(inJSON(s), `&'+<>=/`, `\u%04x`)) },
	"every unit":         func(s string) string { return units(s, ascii, `\u%04x`) },
	"EVERY UNIT":         func(s string) string { return units(s, ascii, `\u%04X`) },
	"every second":       everySecond,
	"every byte":         func(s string) string { return escaped(s, "", "%%%02x") },
	"EVERY BYTE":         func(s string) string { return escaped(s, "", "%%%02X") },
	"every byte by x":    func(s string) string { return escaped(s, "", `\x%02x`) },
	"encodeURIComponent": component,
	"lower case":         func(s string) string { return escaped(s, alphanumeric+"-_.!~*'()", "%%%02x") },
	"URLSearchParams":    searchParams,
	"JSON in JSON":       func(s string) string { return inJSON(inJSON(s)) },
	"Gson in JSON":       func(s string) string { return inJSON(strings.ReplaceAll(inJSON(s), "=", `\u003d`)) },
	"thrice":             func(s string) string { return inJSON(inJSON(strings.ReplaceAll(inJSON(s), "=", `\u003d`))) },
	"URL in JSON":        func(s string) string { return strings.ReplaceAll(inJSON(component(s)), "'", `\u0027`) },
	"JSON in a URL":      func(s string) string { return component(strings.ReplaceAll(inJSON(s), "=", `\u003d`)) },
	"URL in a URL":       func(s string) string { return component(component(s)) },
	"HTML of PHP":        strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;").Replace,
	"HTML of Python":     strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;").Replace,
	"XML":                strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace,
	"base64 in PHP":      func(s string) string { return strings.ReplaceAll(inBase64(s), "/", `\/`) },
	"base64 in Gson":     func(s string) string { return strings.ReplaceAll(inBase64(s), "=", `\u003d`) },
	"base64 in a URL":    func(s string) string { return url.QueryEscape(inBase64(s)) },
	"base64, lower": func(s string) string {
		return strings.NewReplacer("=", "%3d", "+", "%2b", "/", "%2f").Replace(inBase64(s))
	},
	"URL's base64 in all": func(s string) string { return units(base64.URLEncoding.EncodeToString([]byte(s)), ascii, `\u%04x`) },
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var ascii = func() string {
	var b strings.Builder
	for c := range byte(utf8.RuneSelf) {
		b.WriteByte(c)
	}
	return b.String()
}()

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// component is JavaScript's encodeURIComponent.
func component(s string) string { return escaped(s, alphanumeric+"-_.!~*'()", "%%%02X") }

func searchParams(s string) string {
	return strings.ReplaceAll(escaped(s, alphanumeric+"-_.* ", "%%%02X"), " ", "+")
}

// escaped writes all bytes in a format but those that are left.
func escaped(s, left, format string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(left, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, format, s[i])
		}
	}
	return b.String()
}

// units writes characters in a format, if they are among the special or no ASCII, as their UTF-16.
func units(s, special, format string) string {
	var b strings.Builder
	for _, c := range s {
		if c < utf8.RuneSelf && !strings.ContainsRune(special, c) {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			fmt.Fprintf(&b, format, unit)
		}
	}
	return b.String()
}

func everySecond(s string) string {
	var b strings.Builder
	for i, c := range []rune(s) {
		if written := string(c); i%2 == 0 {
			b.WriteString(units(written, ascii, `\u%04x`))
		} else {
			b.WriteString(component(written))
		}
	}
	return b.String()
}

var unit = regexp.MustCompile(`\\u[0-9a-f]{4}`)

func mixedCase(s string) string {
	return unit.ReplaceAllStringFunc(s, func(e string) string { return e[:5] + strings.ToUpper(e[5:]) })
}

// A secret that begins with a quote leaves some of the backslashes before it, if it is in a string in a string.
func TestStringSeesThroughEscapes(t *testing.T) {
	for _, secret := range []string{`Zk93hunter2!Secret+Value/9==`, "hunter22hunter33", secret, `C:\new\table='x'`, `code-%2F-a=94d11`,
		"😀pass=😀'", "first=line\nsecond'line\t<", `"quoted' & more=/`, "deadbeef+0041/==", "a (b)*c ~d!", "100%=20%"} {
		r := redact.New(secret)
		for name, escape := range escapers {
			for before, after := range map[string]string{"": "", "before ": " after", `{"p":"`: `","n":"C:\\temp\u0041%41+"}`, `{\"p\":\"`: `\"}`, `"\nC:\\`: `\n\\"`, "?p=": "&next=%2F"} {
				text, want := before+escape(secret)+after, before+redact.Mark+after
				if got := r.String(text); got != want && (secret[0] != '"' || redact.Leaks(got, secret) != "") {
					t.Errorf("%s of %q\ngot  %s\nwant %s", name, secret, got, want)
				}
				if before == "" && redact.Leaks(text, secret) == "" {
					t.Errorf("Leaks finds nothing in %s", text)
				}
			}
		}
	}
}

func TestEscapesThatAreNone(t *testing.T) {
	const secret = "Zk93=hunter22"
	for text, want := range map[string]string{
		`Zk93\u003hunter22`:                                `Zk93\u003hunter22`,
		`Zk93%3hunter22 %zz \u00zz \x4 \U0001 \ %`:         `Zk93%3hunter22 %zz \u00zz \x4 \U0001 \ %`,
		`Zk93\u003dhunter2\`:                               `Zk93\u003dhunter2\`,
		`Zk93\u003dhunter22\`:                              `[redacted]\`,
		`\ud83dZk93\u003dhunter22\ude00`:                   `\ud83d[redacted]\ude00`,
		`\Uffffffff\U0000005AK93 \U0000005ak93%3Dhunter22`: `\Uffffffff\U0000005AK93 [redacted]`,
		`Zk93\u003dhunter22Zk93%3Dhunter22 %5c%`:           `[redacted] %5c%`,
		`Zk93=hunter22, Zk93\x3Dhunter22`:                  `[redacted], [redacted]`,
		"Zk93%3Dhun…":                                      "[redacted]…",
		`Zk93=hunt\u00…`:                                   `[redacted]\u00…`,
		`Zk93=hunt%6…`:                                     `[redacted]%6…`,
		`Zk9\u00… Zk93\u003…`:                              `Zk9\u00… Zk93\u003…`,
		"Zk93+hunter22 %":                                  "Zk93+hunter22 %",
	} {
		if got := redact.New(secret).String(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestEndsThatBelongToTheNext(t *testing.T) {
	for secret, text := range map[string]string{
		`hunter=22\`: `hunter\u003d22\\"`,
		"hunter=22%": "hunter%3D22%2520",
		"hunter=2%2": "hunter%3D2%2520",
		"nhunter=22": `\\nhunter\u003d22`,
		"uhunter=22": `\uhunter\u003d22`,
	} {
		if got := redact.New(secret).String(text + " after"); strings.Contains(got, "hunter") || !strings.HasSuffix(got, " after") {
			t.Errorf("%s in %s: %s", secret, text, got)
		}
	}
}

// What is escaped without end is read once.
func TestEscapesAreBounded(t *testing.T) {
	r, same := redact.New("Zk93=hunter22"), redact.New("Zk93=hunter22", strings.Repeat(`\%25%`, 1000))
	for _, piece := range []string{`\`, "%", "%25", `\u005c`, `\u`, `%5c\u0`, "00", `\ud83d`, "%…", `\U0000000…`, `\x5cu0025`} {
		text := strings.Repeat(piece, 20_000) + " Zk93%3Dhunter22"
		if got := r.String(text + " ends"); !strings.HasSuffix(got, redact.Mark+" ends") {
			t.Errorf("%s: got %d bytes, %s", piece, len(got), got[max(0, len(got)-60):])
		}
		if got := same.String(text); strings.Contains(got, "hunter22") {
			t.Errorf("%s: got %d bytes, %s", piece, len(got), got[max(0, len(got)-60):])
		}
	}
}

func BenchmarkStringEscaped(b *testing.B) {
	r := redact.New("xoxb-1-secret", "Zk93hunter2!Secret+Value/9==")
	text := strings.Repeat(`{"said":"GET \"/chef/v1\"\u003d200","in":"12ms"}; `, 23)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_ = r.String(text)
	}
}

// meaningful is how many bytes of a text are no part of an escape, whatever it says.
func meaningful(s string) int { return len(escapeBytes.ReplaceAllString(s, "")) }

var escapeBytes = regexp.MustCompile(`[\\%uUx0-9a-fA-F]`)

// checkEscapers wants a secret hidden in every escape, alone and between what can't be a part of one.
func checkEscapers(t *testing.T, r *redact.Redactor, secret, before, after string) {
	t.Helper()
	for name, escape := range escapers {
		written := escape(secret)
		texts := []string{written}
		if !strings.ContainsAny(before+after, `\%`) && utf8.ValidString(before+after) && !strings.Contains(name, "base64") {
			texts = append(texts, before+written+after, escape(before)+written+escape(after))
		}
		for _, text := range texts {
			if got := r.String(text); isIn(got, written) {
				t.Errorf("%s: %q is left in %q", name, written, got)
			}
		}
	}
}
