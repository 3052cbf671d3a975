package checks

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// Curl is a command that sends the request again, "" if it can't be written. Secrets and captures are variables of the
// shell in it: $PLUM_API_TOKEN of the connection plum-api, $SECRETS_KEY of $(secrets.key), $CAPTURES_ID of
// $(captures.id).
func (c *httpCheck) Curl(ask plumbline.Ask, _ plumbline.Result) string {
	var words shellWords
	s := newScene(&c.engine.clients, ask)
	s.standIn = func(v *variable) (string, bool) {
		if v.group != "captures" && v.group != "secrets" {
			return "", false
		}
		return words.variable(v.group + "_" + v.name), true
	}
	q, err := c.render(s)
	if err != nil {
		return ""
	}
	words.add("curl", "-sS")
	switch c.method {
	case http.MethodHead:
		words.add("--head")
	case http.MethodGet:
		words.add("-i")
	default:
		words.add("-i", "-X", c.method)
	}
	if c.follow {
		words.add("--location")
	}
	c.curlAuth(&words, s, q)
	for _, name := range slices.Sorted(maps.Keys(q.header)) {
		for _, value := range q.header[name] {
			words.add("-H", name+": "+value)
		}
	}
	if q.body != nil {
		words.add("--data-raw", string(q.body))
	}
	words.add(q.target.String())
	return c.engine.clients.Redact(words.String())
}

// Curl is the command of the step that went wrong.
func (c *scenario) Curl(ask plumbline.Ask, r plumbline.Result) string {
	for i, step := range r.Steps {
		if step.Outcome == plumbline.Passed || i >= len(c.steps) {
			continue
		}
		if asks, can := c.steps[i].asker.(interface {
			Curl(plumbline.Ask, plumbline.Result) string
		}); can {
			return asks.Curl(ask, r)
		}
		return ""
	}
	return ""
}

// Curl is the command for the color that is asked.
func (c *parityCheck) Curl(ask plumbline.Ask, r plumbline.Result) string {
	if c.request == nil {
		return ""
	}
	return c.request.Curl(ask, r)
}

// curlAuth names the credential of the connection.
func (c *httpCheck) curlAuth(words *shellWords, s *scene, q *request) {
	if c.auth == "" {
		return
	}
	account, err := s.clients.Connections.find(c.auth, s.ask.Site)
	if err != nil {
		return
	}
	secret := func(what string) string { return words.variable(c.auth + "_" + what) }
	switch account.Kind {
	case OAuth2, Bearer:
		if q.header.Get("Authorization") == "" {
			words.add("-H", "Authorization: Bearer "+secret("token"))
		}
	case Basic:
		words.add("-u", account.Username+":"+secret("password"))
	case Header:
		words.add("-H", account.Header+": "+secret("value"))
	case MutualTLS:
		words.add("--cert", secret("certificate"), "--key", secret("key"))
	case SigV4:
		if aws := account.AWS; aws != nil {
			words.add("--aws-sigv4", "aws:amz:"+aws.Region+":"+aws.Service, "-u", secret("access_key")+":"+secret("secret_key"))
		}
	}
}

// shellWords are the words of a command of a POSIX shell. What stands for a variable is made of letters and digits, so
// that it comes unchanged through URLs, forms and JSON.
type shellWords struct {
	words     []string
	variables []string
}

var standIn = regexp.MustCompile(`pLuMbVaR(\d+)x`)

// variable is the stand-in of a name.
func (w *shellWords) variable(name string) string {
	name = strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	at := slices.Index(w.variables, name)
	if at < 0 {
		at, w.variables = len(w.variables), append(w.variables, name)
	}
	return fmt.Sprintf("pLuMbVaR%dx", at)
}

func (w *shellWords) add(words ...string) { w.words = append(w.words, words...) }

// String is the command on one line, unless a word has several.
func (w *shellWords) String() string {
	quoted := make([]string, len(w.words))
	for i, word := range w.words {
		quoted[i] = w.quote(word)
	}
	return strings.Join(quoted, " ")
}

var (
	wordRune   = regexp.MustCompile(`^[A-Za-z0-9_]`)
	bareWord   = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
	plainQuote = regexp.MustCompile("^[^\"$`!\\\\]*$")
)

// quote keeps a shell from reading anything into a word but the variables.
func (w *shellWords) quote(word string) string {
	if !standIn.MatchString(word) {
		return quoteText(word)
	}
	if plainQuote.MatchString(word) {
		return `"` + w.filled(word, func(literal string) string { return literal }, func(name string) string { return name }) + `"`
	}
	return w.filled(word, quoteText, func(name string) string { return `"` + name + `"` })
}

// filled puts variables where they belong, and what is between them as literal says.
func (w *shellWords) filled(word string, literal, variable func(string) string) string {
	var out strings.Builder
	done := 0
	for _, at := range standIn.FindAllStringIndex(word, -1) {
		if at[0] > done {
			out.WriteString(literal(word[done:at[0]]))
		}
		name := "$" + w.name(word[at[0]:at[1]])
		if at[1] < len(word) && wordRune.MatchString(word[at[1]:at[1]+1]) {
			name = "${" + name[1:] + "}"
		}
		out.WriteString(variable(name))
		done = at[1]
	}
	if done < len(word) {
		out.WriteString(literal(word[done:]))
	}
	return out.String()
}

func (w *shellWords) name(standsIn string) string {
	i, err := strconv.Atoi(standIn.FindStringSubmatch(standsIn)[1])
	if err != nil || i >= len(w.variables) {
		return "UNKNOWN"
	}
	return w.variables[i]
}

func quoteText(text string) string {
	if bareWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
