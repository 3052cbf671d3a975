package checks

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// A ruling is a row of a provider's catalogue: what an answer means. Rulings are data; the first that fits counts.
type ruling struct {
	status      int             // of HTTP; 0: any
	code        string          // the provider's own; "": any
	text        string          // in what the provider says, in lower case; "": any
	class       plumbline.Class // what kind of failure it is
	tier        plumbline.Tier  // what the answer proves all the same
	cure        string          // what to do about it
	wait        time.Duration   // how long to leave the provider alone, unless the answer says so itself
	unconfirmed bool            // no document of the vendor says so
}

// rule finds what an answer means. It is false where the catalogue has nothing of it.
func rule(catalogue []ruling, status int, code, text string) (ruling, bool) {
	text = strings.ToLower(text)
	for _, r := range catalogue {
		if (r.status == 0 || r.status == status) && (r.code == "" || r.code == code) && (r.text == "" || strings.Contains(text, r.text)) {
			return r, true
		}
	}
	return ruling{}, false
}

// troubled makes an error of a ruling: what was answered, and the cure.
func (q *inquiry) troubled(r ruling, x *exchange, format string, args ...any) error {
	q.reached(r.tier)
	reason := fmt.Sprintf(format, args...)
	if r.cure != "" {
		reason += ": " + r.cure
	}
	return &trouble{class: r.class, reason: reason, retryAfter: cmp.Or(x.retryAfter(q.scene.clients.Now()), r.wait)}
}

// machine refuses an answer that is a page for people where data was expected: it is a proxy's, a maintenance page, or a
// login that was redirected to.
func (q *inquiry) machine(x *exchange, who string) error {
	location := x.headers.Get("Location")
	switch page := isPage(x); {
	case x.status >= 300 && x.status < 400:
		where := "elsewhere"
		if u, err := url.Parse(location); err == nil && u.Host != "" {
			where = "to " + u.Host
		}
		return troublef(plumbline.ClassMisconfig, "%s answered %d and redirects %s: the host or tenant of the connection is another one", who, x.status, where)
	case !page:
		return nil
	case bytes.Contains(bytes.ToLower(x.body), []byte("maintenance")):
		return troublef(plumbline.ClassMaintenance, "%s answered %d with a page about maintenance: wait until it is over; nothing is wrong with the release", who, x.status)
	case bytes.Contains(bytes.ToLower(x.body), []byte("password")) && x.status < 400:
		return troublef(plumbline.ClassMisconfig, "%s answered %d with a page to log in: the host of the connection is no API", who, x.status)
	}
	return troublef(plumbline.ClassOutage, "%s answered %d with a page instead of data", who, x.status)
}

// isPage says whether a body is HTML.
func isPage(x *exchange) bool {
	if strings.Contains(strings.ToLower(x.headers.Get("Content-Type")), "text/html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(x.body[:min(len(x.body), 512)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// amiss is what a status means that the catalogue has nothing of.
func (q *inquiry) amiss(x *exchange, who string) error {
	class := classOfStatus(x.status)
	cure := ""
	if class == plumbline.ClassOutage {
		cure = "; the provider is not well"
	}
	return &trouble{class: class, reason: fmt.Sprintf("%s answered %d%s", who, x.status, cure), retryAfter: x.retryAfter(q.scene.clients.Now())}
}
