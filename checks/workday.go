package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// KindWorkday is the kind of connections and checks of Workday.
const KindWorkday = "workday"

// A Workday is a tenant and who asks it: an API client, whose grant is the connection's, an integration system user, or
// both of them.
type Workday struct {
	Tenant   string
	Version  string        // of its web services: v44.2
	User     string        // NAME@TENANT; "": there is none
	Password func() string // of User; nil: there is none
}

// credential is the API client's token, or the user's name and password where there is no client.
func (w *Workday) credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	if a.Grant == "" {
		return w.byPassword(ctx, c, a, site)
	}
	return oauth2Credential(ctx, c, a, site)
}

// turnedAway says what a refusal of the token endpoint means, which depends on what was given for a token.
func (w *Workday) turnedAway(q *inquiry, x *exchange) error {
	const who = "the token endpoint"
	if err := workdayPage(q, x, who); err != nil {
		return err
	}
	var said struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(x.body, &said) // it needn't say anything
	r, known := rule(workdayLogins[q.account.Grant], x.status, said.Error, "")
	switch {
	case known && said.Error != "":
		return workdayTrouble(q, r, x, "%s answered %d %s", who, x.status, q.quote(said.Error, 100))
	case known:
		return workdayTrouble(q, r, x, "%s answered %d", who, x.status)
	case x.status == http.StatusOK:
		return troublef(plumbline.ClassProtocol, "%s answered without a token", who)
	}
	return q.amiss(x, who)
}

// workdayPage refuses an answer that is for people, or leads to one.
func workdayPage(q *inquiry, x *exchange, who string) error {
	if x.status >= 300 {
		if r, known := rule(workdayPages, 0, "", x.headers.Get("Location")+"\n"+string(x.body)); known {
			return workdayTrouble(q, r, x, "%s answered %d with its page for people", who, x.status)
		}
	}
	return q.machine(x, who)
}

// workdayTrouble is an error of a ruling whose cure calls things by their names.
func workdayTrouble(q *inquiry, r ruling, x *exchange, format string, args ...any) error {
	w := q.account.Provider.(*Workday)
	r.cure = strings.NewReplacer("{client}", cmp.Or(q.account.ClientID, "of the connection"), "{user}", cmp.Or(w.User, "of the client"),
		"{tenant}", w.Tenant, "{version}", w.Version).Replace(r.cure)
	return q.troubled(r, x, format, args...)
}

type workdayParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Use        *yaml.Node `yaml:"use"`
	Resources  *yaml.Node `yaml:"resources"`
	Report     *yaml.Node `yaml:"report"`
}

type workdayReportParameters struct {
	Owner   *yaml.Node `yaml:"owner"`
	Name    *yaml.Node `yaml:"name"`
	Prompts *yaml.Node `yaml:"prompts"`
}

// The ways to ask Workday that a check may name.
const (
	useREST = "rest"
	useSOAP = "soap"
)

// A workdayQuestion is what a check wants to know.
type workdayQuestion struct {
	use       string         // useREST, useSOAP, or "" for what the account has
	resources []string       // of REST
	report    *workdayReport // instead of both; nil: none
}

// workday is the kind of a tenant: {workday: acme-workday}, {workday: {connection: acme-workday, use: soap}}, or
// {workday: {connection: acme-workday, report: {owner: ISU_Plum, name: Plum_Employees}}}.
func (e *engine) workday() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p workdayParameters
		r.main(d.Value, &p, &p.Connection)
		question := &workdayQuestion{resources: r.resources(p.Resources)}
		if p.Use != nil {
			question.use = r.oneOf(p.Use, "use", []string{useREST, useSOAP})
		}
		if p.Report != nil {
			question.report = r.workdayReport(p.Report)
		}
		r.workdayOnce(p, question)
		return e.provider(r, d, p.Connection, plumbline.EffectNone, question.inquire)
	}}
}

// workdayOnce refuses parameters that belong to different questions.
func (r *reader) workdayOnce(p workdayParameters, question *workdayQuestion) {
	switch {
	case p.Report != nil && p.Use != nil:
		r.wrongHint(p.Use, "remove it, or make a check of its own", "a report is asked in one way")
	case p.Report != nil && p.Resources != nil:
		r.wrongHint(p.Resources, "make a check of its own", "resources beside a report")
	case question.use == useSOAP && p.Resources != nil:
		r.wrongHint(p.Resources, "remove use: soap", "resources are asked over REST")
	}
	if p.Resources != nil {
		question.use = useREST
	}
}

// resourceName is a collection of the common service, or of one that is named: staffing/v6/jobs.
var resourceName = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9]*/v[0-9]+/)?[A-Za-z][A-Za-z0-9]*$`)

// resources reads the collections that must be open.
func (r *reader) resources(n *yaml.Node) []string {
	if n == nil {
		return []string{"workers"}
	}
	names := r.wordList(n, "resources")
	for i, name := range names {
		if !resourceName.MatchString(name) {
			r.wrongHint(n.Content[i], "write workers, or staffing/v6/jobs", "%q is no collection", name)
		}
	}
	return names
}

func (w *workdayQuestion) inquire(ctx context.Context, q *inquiry) error {
	account := q.account.Provider.(*Workday)
	client := q.account.Grant != ""
	q.proof["tenant"] = account.Tenant
	switch {
	case w.report != nil:
		return w.report.inquire(ctx, q, client)
	case w.use == useREST || w.use == "" && client:
		if !client {
			return troublef(plumbline.ClassMisconfig, "%s has no API client to ask REST with: give the connection a client_id and a refresh_token or key, or write use: soap", q.account.Name)
		}
		return w.collections(ctx, q)
	}
	return workdaySOAP(ctx, q)
}

// user is who logs in with a password. What Workday would call a wrong password though it is right is found out here.
func (w *Workday) user(name string) (user, password string, err error) {
	if w.Password != nil {
		password = w.Password()
	}
	alone, tenant, named := cutLast(w.User, "@")
	switch {
	case w.User == "" || password == "":
		err = troublef(plumbline.ClassMisconfig, "%s has no integration system user: give the connection a user and a password", name)
	case !named || alone == "" || tenant != w.Tenant:
		err = troublef(plumbline.ClassMisconfig, "the user is %s, want %s: Workday would call its password wrong", show(w.User), show("NAME@"+w.Tenant))
	case strings.ContainsFunc(w.User+password, unwritable):
		err = troublef(plumbline.ClassMisconfig, "the user or the password of %s has a character that XML can't carry: set another password", name)
	}
	return w.User, password, err
}

// unwritable says whether XML has no way to write a character (XML 1.0, production 2).
func unwritable(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == '\uFFFD'
}

// byPassword is the credential of the user, in a header. The password isn't told either way.
func (w *Workday) byPassword(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	user, password, err := w.user(a.Name)
	if err != nil {
		return credential{}, err
	}
	return basicCredential(ctx, c, &account{Connection: Connection{Name: a.Name, Username: user, Secret: func() string { return password }}}, site)
}

// inBody is the credential of the user where the request has it already.
func (w *Workday) inBody(context.Context, *Connections, *account, plumbline.Site) (credential, error) {
	return credential{hidden: []string{w.Password()}}, nil
}

// segments joins the parts of a path, each as it is, whatever it has in it.
func segments(parts ...string) string {
	path := ""
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// tooLarge adds what to do about an answer that is longer than what is read.
func tooLarge(err error) error {
	if long := (oversized{}); errors.As(err, &long) {
		return troublef(plumbline.ClassProtocol, "%s: narrow the report by its prompts, or raise limits.body", err)
	}
	return err
}
