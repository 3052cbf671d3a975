package checks

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// class is what kind of failure an exchange ended with.
func (c *httpCheck) class(x *exchange, err error) plumbline.Class {
	var refused refusal
	switch {
	case errors.As(err, &refused):
		return refused.class()
	case !errors.Is(err, plumbline.ErrFailed):
		return "" // nobody answered: why not is told by the error
	}
	if told := x.toldClass(); c.through != "" && told != "" {
		return told
	}
	return classOfStatus(x.status)
}

// toldClass is the class that an endpoint tells which asked a provider: in the field class of its JSON.
func (x *exchange) toldClass() plumbline.Class {
	document, err := x.json()
	fields, is := document.(map[string]any)
	if err != nil || !is {
		return ""
	}
	told, _ := fields["class"].(string)
	if class := plumbline.Class(told); slices.Contains(plumbline.Classes(), class) {
		return class
	}
	return ""
}

// classOfStatus is what a status of HTTP says by itself. One that says that all is well comes with an answer that isn't
// the one that was agreed on.
func classOfStatus(status int) plumbline.Class {
	switch {
	case status == http.StatusUnauthorized:
		return plumbline.ClassCredential
	case status == http.StatusForbidden:
		return plumbline.ClassPermission
	case status == http.StatusTooManyRequests:
		return plumbline.ClassThrottled
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone, status >= 300 && status < 400:
		return plumbline.ClassMisconfig
	case status == http.StatusRequestTimeout, status >= 500:
		return plumbline.ClassOutage
	}
	return plumbline.ClassProtocol
}

// class of a login that was refused: that of its status, but what the endpoint calls a bad request is a credential that
// it doesn't know (RFC 6749, section 5.2).
func (r refusal) class() plumbline.Class {
	switch r.status {
	case http.StatusBadRequest, http.StatusForbidden:
		return plumbline.ClassCredential
	}
	return classOfStatus(r.status)
}

// longestRetryAfter bounds what is believed of a Retry-After.
const longestRetryAfter = time.Hour

// retryAfter is how long the one who answered wants to be left alone: seconds or a date (RFC 9110, section 10.2.3).
func (x *exchange) retryAfter(now time.Time) time.Duration {
	written := x.headers.Get("Retry-After")
	if seconds, err := strconv.ParseInt(written, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(longestRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(written); err == nil {
		return min(max(at.Sub(now), 0), longestRetryAfter)
	}
	return 0
}

// Independent says whether two colors are two addresses, or two accounts.
func (c *httpCheck) Independent(a, b plumbline.Site) bool {
	x, y := c.target(a), c.target(b)
	if x == "" || y == "" {
		return false
	}
	return x != y || c.auth != "" && c.engine.clients.Connections.apart(c.auth, a, b)
}

// target is where a color is asked, without the query; nothing if that depends on what is known only in a run.
func (c *httpCheck) target(site plumbline.Site) string {
	if parts := c.url.parts; len(parts) > 0 && parts[0].variable == nil && strings.HasPrefix(parts[0].literal, "/") {
		return site.URL // and something beneath it
	}
	written, err := c.url.url(newScene(&c.engine.clients, plumbline.Ask{Site: site}))
	if err != nil {
		return ""
	}
	u, err := resolve(site.URL, written)
	if err != nil {
		return ""
	}
	return originOf(u) + u.Path
}

// apart says whether a connection is another account on each of two colors.
func (c *Connections) apart(name string, a, b plumbline.Site) bool {
	x, errX := c.find(name, a)
	y, errY := c.find(name, b)
	return errX == nil && errY == nil && x.Account != y.Account
}
