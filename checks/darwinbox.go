package checks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
	"golang.org/x/oauth2"
)

// KindDarwinbox is the kind of connections and checks of Darwinbox.
const KindDarwinbox = "darwinbox"

// A Darwinbox is an API user of a company. With a code it exchanges that for a token; otherwise the password is the
// connection's secret.
type Darwinbox struct {
	APIKey     func() string
	DatasetKey func() string
	Employee   string                     // the canary: an employee there always is
	Code       func() string              // of the OAuth variant, whose client secret is the connection's secret; nil: Basic
	Messages   map[string]plumbline.Class // parts of messages, in lower case, and what they mean: Darwinbox publishes none
}

// darwinboxPath is the one endpoint that is asked. It is always filtered by an employee: a whole dataset takes half a
// minute.
const darwinboxPath = "/masterapi/employee"

// darwinboxReads are the endpoints that only read. Others import, approve and punch in, with the same user.
var darwinboxReads = []string{darwinboxPath, "/leavesactionapi/holidaylist", "/leavesactionapi/leavebalance", "/AttendanceDataApi/daily",
	"/orgmasterapi/getpositionMaster"}

// mayAsk keeps the credential from endpoints that do more than read, whatever kind of check names the connection.
func (b *Darwinbox) mayAsk(target *url.URL) error {
	if target.RawPath == "" && slices.Contains(darwinboxReads, target.Path) {
		return nil
	}
	return fmt.Errorf("%s is none of the endpoints that only read, want one of %s", cut(target.EscapedPath(), 100), strings.Join(darwinboxReads, ", "))
}

// DarwinboxTokenPath is where a code is exchanged.
const DarwinboxTokenPath = "/oauth/v1token" // #nosec G101 -- a path, no credential

func (b *Darwinbox) credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	if b.Code == nil {
		return basicCredential(ctx, c, a, site)
	}
	has, err := c.token(ctx, a, site)
	if err != nil {
		return credential{}, err
	}
	return credential{header: http.Header{"TOKEN": {has.token.AccessToken}}, hidden: has.hidden, discard: func() { c.forget(has) }}, nil
}

// fetch exchanges the code. The answer is a token, alone or in an object.
func (b *Darwinbox) fetch(ctx context.Context, l *login) (*granted, error) {
	secret, err := l.by.secret()
	if err != nil {
		return nil, err
	}
	code := b.Code()
	l.hidden = append(l.hidden, secret, code)
	body, err := json.Marshal(map[string]string{"client_id": l.by.ClientID, "client_secret": secret, "grant_type": "authorization_code", "code": code})
	if err != nil {
		return nil, err
	}
	started := l.connections.now()
	x, err := l.post(ctx, "application/json", body)
	if err != nil {
		return nil, err
	}
	var object struct {
		AccessToken string `json:"access_token"`
	}
	token := ""
	if json.Unmarshal(x.body, &object) != nil && json.Unmarshal(x.body, &token) != nil && !isPage(x) && !strings.ContainsAny(string(x.body), "{ \n") {
		token = strings.TrimSpace(string(x.body)) // a bare string
	}
	if token = cmp.Or(object.AccessToken, token); token == "" || x.status != http.StatusOK {
		return nil, l.refuse(x)
	}
	return &granted{token: &oauth2.Token{AccessToken: token, Expiry: lastUse(started, maxTokenLife)}, hidden: append(l.hidden, token)}, nil
}

type darwinboxParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Employee   *yaml.Node `yaml:"employee"`
}

// darwinbox is the kind of a dataset of employees: {darwinbox: acme-darwinbox}, or {darwinbox: {connection: …, employee: E042}}.
func (e *engine) darwinbox() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p darwinboxParameters
		r.main(d.Value, &p, &p.Connection)
		var employee *template
		if p.Employee != nil {
			t := r.words(p.Employee)
			employee = &t
		}
		return e.provider(r, d, p.Connection, plumbline.EffectNone, func(ctx context.Context, q *inquiry) error {
			return darwinboxEmployee(ctx, q, employee)
		})
	}}
}

func darwinboxEmployee(ctx context.Context, q *inquiry, asked *template) error {
	b := q.account.Provider.(*Darwinbox)
	employee := b.Employee
	if asked != nil {
		var err error
		if employee, err = asked.text(q.scene); err != nil {
			return err
		}
	}
	if employee == "" {
		return troublef(plumbline.ClassMisconfig, "no canary employee: name one in the connection or the check, because nothing is ever asked for without one")
	}
	key, dataset := b.APIKey(), b.DatasetKey()
	q.scene.hidden = append(q.scene.hidden, key, dataset)
	body, err := json.Marshal(map[string]any{"api_key": key, "datasetKey": dataset, "employee_ids": []string{employee}})
	if err != nil {
		return err
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: darwinboxPath, body: body, header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil {
		return err
	}
	if err := q.machine(x, darwinboxPath); err != nil {
		return err
	}
	return b.judge(q, x, employee)
}

// A darwinboxAnswer is what every endpoint answers. HTTP says 200 of failures, too.
type darwinboxAnswer struct {
	Status  any             `json:"status"` // 1, or "1"
	Message any             `json:"message"`
	Rows    json.RawMessage `json:"employee_data"`
}

// judge reads the answer, which must have the employee that was asked for.
func (b *Darwinbox) judge(q *inquiry, x *exchange, employee string) error {
	if r, known := rule(darwinboxCatalogue, x.status, "", ""); known {
		return q.troubled(r, x, "%s answered %d", darwinboxPath, x.status)
	}
	if x.status != http.StatusOK {
		return q.amiss(x, darwinboxPath)
	}
	var answer darwinboxAnswer
	if json.Unmarshal(x.body, &answer) != nil || answer.Status == nil {
		return troublef(plumbline.ClassProtocol, "%s answered something that has no status", darwinboxPath)
	}
	if fmt.Sprint(answer.Status) != "1" {
		return b.rejected(q, darwinboxPath, answer)
	}
	q.reached(plumbline.TierPermission)
	rows, err := darwinboxRows(answer.Rows)
	if err != nil {
		return err
	}
	if err := darwinboxCanary(q, rows, employee); err != nil {
		return err
	}
	q.proof["rows"] = len(rows)
	q.reached(plumbline.TierData)
	return nil
}

// rejected is what a status other than 1 means: as the operator says, or else that something of the account is wrong.
func (b *Darwinbox) rejected(q *inquiry, who string, answer darwinboxAnswer) error {
	class, cure := plumbline.ClassCredential, "rejected by the provider, credential or configuration: compare user, API key and dataset key of this color with Darwinbox"
	message := plain(Normal(answer.Message))
	for _, part := range slices.Sorted(maps.Keys(b.Messages)) {
		if strings.Contains(strings.ToLower(message), strings.ToLower(part)) {
			class, cure = b.Messages[part], "the connection's messages say that this is of class "+string(b.Messages[part])
			break
		}
	}
	return troublef(class, "%s answered status %s, %s, want 1: %s", who, q.scene.show(answer.Status), q.quote(message, 200), cure)
}

// turnedAway says why there is no token: failures come with status 200 here, too.
func (b *Darwinbox) turnedAway(q *inquiry, x *exchange) error {
	if err := q.machine(x, DarwinboxTokenPath); err != nil {
		return err
	}
	if r, known := rule(darwinboxCatalogue, x.status, "", ""); known {
		return q.troubled(r, x, "%s answered %d", DarwinboxTokenPath, x.status)
	}
	var answer darwinboxAnswer
	switch {
	case x.status != http.StatusOK && x.status != http.StatusBadRequest:
		return q.amiss(x, DarwinboxTokenPath)
	case json.Unmarshal(x.body, &answer) == nil && answer.Status != nil:
		return b.rejected(q, DarwinboxTokenPath, answer)
	}
	return troublef(plumbline.ClassCredential, "%s answered %d without a token: compare client and code of this color with Darwinbox, a code may be used up", DarwinboxTokenPath, x.status)
}

// darwinboxRows are the employees of an answer. Nothing at all is written in several ways.
func darwinboxRows(written json.RawMessage) ([]map[string]any, error) {
	var rows []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(written))
	decoder.UseNumber()
	switch strings.TrimSpace(string(written)) {
	case "", "null", "{}", `""`, "false":
		return nil, nil
	}
	if decoder.Decode(&rows) != nil {
		return nil, troublef(plumbline.ClassProtocol, "%s answered employee_data that is no list of employees", darwinboxPath)
	}
	return rows, nil
}

// darwinboxIdentities are columns that name an employee. Which of them a dataset has is up to its owner: unconfirmed.
var darwinboxIdentities = []string{"employee_id", "employee_no", "user_unique_id"}

// darwinboxCanary wants the employee among the rows. A single row that doesn't say whose it is counts, with a warning.
func darwinboxCanary(q *inquiry, rows []map[string]any, employee string) error {
	named := false
	for _, row := range rows {
		for column, value := range row {
			if strings.EqualFold(plain(Normal(value)), employee) {
				return nil
			}
			named = named || slices.Contains(darwinboxIdentities, column)
		}
	}
	switch {
	case len(rows) == 0:
		return troublef(plumbline.ClassEmptyData, "%s answered without the canary employee: the dataset doesn't have it, or the API user doesn't see it", darwinboxPath)
	case named || len(rows) > 1:
		return troublef(plumbline.ClassEmptyData, "%s answered others than the canary employee (%d rows): it isn't in the dataset any more, or the filter isn't heeded", darwinboxPath, len(rows))
	}
	q.warn("the dataset has no column with the id of an employee: that the row is the canary's isn't proven")
	return nil
}

// darwinboxCatalogue is what a status means. Darwinbox's documents are private: nothing of it is confirmed but that
// failures come with 200.
var darwinboxCatalogue = []ruling{
	{status: 401, class: plumbline.ClassCredential, cure: "user or password of the API user are wrong: compare them with Darwinbox", unconfirmed: true},
	{status: 403, class: plumbline.ClassCredential, cure: "the API user is refused, or the address that this color asks from: ask the administrator of Darwinbox", unconfirmed: true},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection, or raise max_age", unconfirmed: true},
	{status: 503, class: plumbline.ClassOutage, cure: "Darwinbox is not well; nothing is wrong with the release", unconfirmed: true},
}
