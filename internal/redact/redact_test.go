package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/redact"
)

const secret = `s3cr&t/"päss"+<word>`

func TestStringHidesEveryEncoding(t *testing.T) {
	marshalled, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	basic := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	texts := map[string]string{
		"clear":              secret,
		"query":              url.QueryEscape(secret),
		"query, lower case":  strings.ToLower(url.QueryEscape(secret)),
		"path":               url.PathEscape(secret),
		"json":               string(marshalled),
		"go":                 fmt.Sprintf("%q", secret),
		"html":               html.EscapeString(secret),
		"hex":                hex.EncodeToString([]byte(secret)),
		"HEX":                strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64":             base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64url":          base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"basic, alignment 1": basic("abc", secret),
		"basic, alignment 2": basic("abcd", secret),
		"basic, alignment 0": basic("abcde", secret),
		"basic of query":     basic("abcd", url.QueryEscape(secret)),
		"base64, more after": base64.StdEncoding.EncodeToString([]byte("x" + secret + "and more")),
	}
	r := redact.New(secret)
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			if redact.Leaks("before "+text+" after", secret) == "" {
				t.Errorf("Leaks finds nothing in %q", text)
			}
			got := r.String("before " + text + " after")
			if leak := redact.Leaks(got, secret); leak != "" {
				t.Errorf("%q: %s", got, leak)
			}
			if !strings.Contains(got, redact.Mark) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("got %q, want a mark between before and after", got)
			}
			if bytes := string(r.Bytes([]byte("before " + text + " after"))); bytes != got {
				t.Errorf("Bytes: got %q, want %q", bytes, got)
			}
		})
	}
}

func TestString(t *testing.T) {
	tests := []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"no secrets", nil, "abcd", "abcd"},
		{"clean", []string{"hunter22"}, "nothing here", "nothing here"},
		{"empty", []string{"hunter22"}, "", ""},
		{"twice", []string{"hunter22"}, "hunter22 and hunter22", "[redacted] and [redacted]"},
		{"side by side", []string{"hunter22"}, "hunter22hunter22", "[redacted]"},
		{"too short to look for", []string{"abc"}, "abc", "abc"},
		{"one holds the other", []string{"hunter", "hunter22"}, "hunter22!", "[redacted]!"},
		{"they overlap", []string{"abcdef", "defghi"}, "xabcdefghix", "x[redacted]x"},
		{"they overlap, the longer first", []string{"abcdefgh", "bcde"}, "abcdefghi", "[redacted]i"},
		{"path of a webhook", []string{"https://hooks.slack.com/services/T0/B0/abcdefgh"}, `Post "/services/T0/B0/abcdefgh": EOF`, `Post "/[redacted]": EOF`},
		{"password of a URL", []string{"nats://me:hunter22@broker:4222"}, "hunter22", "[redacted]"},
		{"line of a key", []string{"-----BEGIN X-----\nMIIBVgIBADANBgkqhkiG\n-----END X-----\n"}, "MIIBVgIBADANBgkqhkiG", "[redacted]"},
		{"frame of a key", []string{"-----BEGIN PRIVATE X-----\nMIIBVgIBADANBgkqhkiG\n-----END X-----\n"}, "-----BEGIN PRIVATE X-----", "-----BEGIN PRIVATE X-----"},
		{"cut within", []string{"hunter22"}, `waiting for "x", got "the hunter2…", as "hunter22…"`, `waiting for "x", got "the [redacted]…", as "[redacted]…"`},
		{"cut within a long one", []string{"xoxb-1234567890-abcdefghij"}, "xoxb-123… xoxb-12…", "[redacted]… xoxb-12…"},
		{"cut within base64", []string{"hunter22hunter33"}, "aHVudGVyMjJodW5…", "[redacted]…"},
		{"no cut", []string{"hunter22"}, "hunter2, hunter2...", "hunter2, hunter2..."},
		{"newline at the end of a file", []string{"hunter22\n"}, "hunter22", "[redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redact.New(tt.secrets...).String(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A stranger's answer may be a secret, too, and may be made to be looked for without end.
func TestEffortIsBounded(t *testing.T) {
	r := redact.New(strings.Repeat("a", 60_000) + "b")
	text := "begins " + strings.Repeat("a", 1<<20)
	if got := r.String(text + " ends"); len(got) > 4096 || !strings.HasSuffix(got, redact.Mark) {
		t.Errorf("got %d bytes: %.60s", len(got), got)
	}
	if got := r.String(strings.Repeat("aaaa bbbb ", 100_000)); strings.Contains(got, redact.Mark) {
		t.Errorf("got %.60s", got)
	}
}

func TestNilAndZeroChangeNothing(t *testing.T) {
	var none *redact.Redactor
	for _, r := range []*redact.Redactor{none, {}} {
		if got := r.String("text"); got != "text" {
			t.Errorf("got %q, want text", got)
		}
		if got := r.Bytes([]byte("text")); string(got) != "text" {
			t.Errorf("got %q, want text", got)
		}
	}
}

func TestLeaksDoesNotRepeatTheSecret(t *testing.T) {
	got := redact.Leaks("Basic "+base64.StdEncoding.EncodeToString([]byte("u:hunter22")), "other-one", "hunter22")
	if want := "secret 2 of 2, as base64 of clear, at byte 9"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := redact.Leaks("clean", "hunter22"); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

func FuzzString(f *testing.F) {
	f.Add("hunter22", "correct horse", "the password is hunter22, correct horse")
	f.Add("aaaa", "aaab", "aaaaab")
	f.Add("\xff\x00\xfe\x01", "naïve", "n\\u00ef")
	f.Fuzz(func(t *testing.T, one, other, text string) {
		r := redact.New(one, other)
		got := r.String(text + one + text + url.QueryEscape(other) + text)
		for _, s := range []string{one, other} {
			if len(s) >= redact.MinLength && isIn(got, s) {
				t.Errorf("%q is left in %q", s, got)
			}
		}
		if strings.ContainsAny(one+other, `[]redact%\`) {
			return // a mark beside such a secret, or one that says it in escapes, may be one with it, and be marked again
		}
		if again := r.String(got); strings.Count(again, redact.Mark) != strings.Count(got, redact.Mark) {
			t.Errorf("%q becomes %q the second time", got, again)
		}
	})
}

// FuzzEncoded writes a secret as programs do, alone and together with what stands around it.
func FuzzEncoded(f *testing.F) {
	f.Add("hunter22", "user:", "@host")
	f.Add("päss/wörd+<&>\"'\\", "{\"token\":\"", "\"}")
	f.Add("\xff\x00\xfe\x01", "\x00", "=")
	f.Add("[redacted]", "[redacted", "redacted]")
	f.Add("Zk93hunter2!Secret+Value/9==", "key=", "&more")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < redact.MinLength {
			return
		}
		r := redact.New(secret)
		for name, encode := range encoders {
			written := encode(secret)
			for _, text := range []string{written, before + written + after, encode(before) + written + encode(after)} {
				if got := r.String(text); isIn(got, written) {
					t.Errorf("%s: %q is left in %q", name, written, got)
				}
			}
		}
		if meaningful(secret) >= redact.MinLength {
			checkEscapers(t, r, secret, before, after)
		}
		if cut := secret[:len(secret)*3/4]; len(cut) >= redact.MinLength && isIn(r.String(before+" "+cut+"…"), cut+"…") {
			t.Errorf("%q is left where the text was cut", cut)
		}
		for name, encode := range base64s {
			whole := encode.EncodeToString([]byte(before + secret + after))
			first, last := (8*len(before)+5)/6, 8*(len(before)+len(secret))/6
			if own := whole[first:last]; len(own) >= redact.MinLength && isIn(r.String(whole), own) {
				t.Errorf("%s: %q is left of %q", name, own, whole)
			}
		}
	})
}

// isIn says whether a secret is left between the marks of a text.
func isIn(text, secret string) bool {
	return slices.ContainsFunc(strings.Split(text, redact.Mark), func(left string) bool { return strings.Contains(left, secret) })
}

var base64s = map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64 of URLs": base64.URLEncoding, "base64 without =": base64.RawStdEncoding, "base64 of URLs without =": base64.RawURLEncoding}

var encoders = map[string]func(string) string{
	"clear":      func(s string) string { return s },
	"hex":        func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":        func(s string) string { return fmt.Sprintf("%X", s) },
	"URL query":  url.QueryEscape,
	"URL path":   url.PathEscape,
	"HTML":       html.EscapeString,
	"Go":         func(s string) string { return unquoted(strconv.Quote(s)) },
	"JSON":       inJSON,
	"hex of URL": func(s string) string { return hex.EncodeToString([]byte(url.QueryEscape(s))) },
	"base64 of JSON": func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(inJSON(s)))
	},
}

func inJSON(s string) string {
	written, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return unquoted(string(written))
}

func unquoted(s string) string { return s[1 : len(s)-1] }

func BenchmarkString(b *testing.B) {
	secrets := make([]string, 20)
	for i := range secrets {
		secrets[i] = fmt.Sprintf("xoxb-%d-%x-secret", i, i*7919)
	}
	r := redact.New(secrets...)
	text := strings.Repeat("GET /chef/v1/oauth/api answered 200 in 12ms; ", 23)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_ = r.String(text)
	}
}
